// One launch over many arrays of different lengths, in chunks of 1024 numbers: the nets here have many small
// parameters and a few large ones, and a launch for each costs more than its work.
//
// The table of arrays is an argument of the kernel, up to 17 KB: nothing is copied to the device, and a
// captured launch keeps it. A block finds the array of a chunk by bisection and goes on to the chunk one grid
// further, so that a net of a few large arrays and one of many small ones both keep all multiprocessors busy.
#pragma once
#include "kernels/access.cuh"

namespace sga::kernels {

constexpr int kMostArrays = 256;

/// Entry has a member n, the length of its arrays.
template <class Entry>
struct Many {
  static constexpr int64_t kChunk = 4 * kBlock;
  int count;
  int64_t begin[kMostArrays + 1];  // chunks of entry k: [begin[k], begin[k+1])
  Entry entry[kMostArrays];

  __host__ __device__ int64_t chunks() const { return begin[count]; }
  __device__ int entry_of(int64_t chunk) const {
    int k = 0;
    for (int end = count; end - k > 1;) {  // begin[k] <= chunk < begin[end]
      const int middle = (k + end) / 2;
      (begin[middle] <= chunk ? k : end) = middle;
    }
    return k;
  }
};

/// Calls f(table, blocks, last) for every kMostArrays entries, at least once.
template <class Entry, class F>
void for_many(const Entry* entries, int count, F&& f) {
  constexpr int64_t kMostBlocks = 8 * 132;  // a full H200
  int done = 0;
  do {
    Many<Entry> table{};
    while (table.count < kMostArrays && done + table.count < count) {
      const int k = table.count++;
      table.entry[k] = entries[done + k];
      table.begin[k + 1] = table.begin[k] + div_up(table.entry[k].n, Many<Entry>::kChunk);
    }
    done += table.count;
    const int64_t chunks = table.chunks();
    f(table, unsigned(chunks < 1 ? 1 : chunks < kMostBlocks ? chunks : kMostBlocks), done == count);
  } while (done < count);
}

}  // namespace sga::kernels
