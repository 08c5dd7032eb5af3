// What the machine can do at most, measured in the same run as the rows that are compared with it.
#pragma once
#include <benchmark/benchmark.h>

namespace sga::bench {

/// Bytes a second of a parallel copy of two 64 MiB blocks (read + write), best of ten.
double copy_bandwidth();
/// The same for blocks that stay in the caches: 1 MiB. Activations of small scales live there.
double cached_copy_bandwidth();
/// Float operations a second of a 1024^3 matrix product by oneDNN, best of ten.
double gemm_rate();

/// Reports GB/s and the share of the copy bandwidth: `bytes` is what one iteration must move at least. Blocks
/// of which one is below 8 MiB are compared with the cached copy.
void report_bytes(benchmark::State& state, double bytes, double block);
/// Reports GFLOP/s and the share of the matrix product's rate.
void report_flops(benchmark::State& state, double flops);

}  // namespace sga::bench
