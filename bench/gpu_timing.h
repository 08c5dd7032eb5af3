// Times on a GPU by events in its stream, and what it can do at most, measured in the same run.
#pragma once
#include <benchmark/benchmark.h>

#include <functional>

#include "kernels/where.h"

namespace sga::bench {

/// set_device("cuda"), and its name, clocks of the moment and ceilings into the context of the JSON. True, or
/// false after one sentence on stderr: no GPU can run here.
bool open_gpu();

/// Work that touches this many bytes or less is timed with its data in the L2, as in training; more is timed
/// from memory.
constexpr double kStaysInL2 = 32 << 20;

/// Median seconds of one run of f, which starts kernels and waits for nothing. `bytes` is what it touches.
///   more than kStaysInL2   single runs between two events; before each, reading 256 MiB evicts everything
///                          (reading, not writing: the L2 need not write anything back during f)
///   else                   replays of a graph of 20 runs over the same data, so no gap of the host counts
double gpu_seconds(const std::function<void()>& f, double bytes);

/// Median seconds between the ends of successive steps, which may be eager, captured or replayed: the first
/// five are not counted.
double gpu_step_seconds(const std::function<void()>& step);

/// Bytes a second (read + write) of a device copy of two 512 MiB blocks, the ceiling of `%copy`.
double gpu_copy_bandwidth();
/// The same for a copy that moves `bytes` in all, timed like a kernel of this size: what is left of the
/// ceiling when a kernel must start and end, and more than it where the L2 holds the data.
double gpu_copy_bandwidth(double bytes);
/// Float operations a second of an 8192^3 matrix product of normal random numbers.
double gpu_gemm_rate(Precision precision);

/// Runs a row; an Error in it becomes the row's error.
void guarded(benchmark::State& state, const std::function<void()>& row);
/// The time of a row that runs once.
void report_seconds(benchmark::State& state, double seconds);
/// Times f and reports GB/s, %copy, and %same: its share of a copy of as many bytes.
void gpu_bytes_row(benchmark::State& state, const std::function<void()>& f, double bytes);
/// Times f and reports GFLOP/s and %gemm, its share of the matrix product in the same arithmetic.
void gpu_flops_row(benchmark::State& state, const std::function<void()>& f, double flops, double bytes,
                   Precision precision);

}  // namespace sga::bench
