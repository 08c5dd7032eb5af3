// What the tensor cores need: operands rounded to words of 32 bits, one product of small matrices by a warp,
// and copies to shared memory that run by themselves. On a GPU these are instructions (PTX ISA, "mma.sync",
// "cp.async"); in the emulator the lanes exchange their registers and compute the same.
#pragma once
#include "kernels/warp.cuh"
#ifdef __CUDACC__
#include <cuda_bf16.h>
#else
#include <bit>
#include <vector>
#endif

namespace sga::kernels {

using Words4 = Pack<uint32_t, 4>;

/// Operand types. A word holds kPerWord numbers that are neighbours in the dimension that is summed over.
struct Tf32 {
  static constexpr int kPerWord = 1;
};
struct Bf16 {
  static constexpr int kPerWord = 2;
};

/// A word of one number with 10 bits of mantissa, rounded to nearest, ties away from zero.
__device__ inline uint32_t round_tf32(float v) {
#ifdef __CUDACC__
  uint32_t word;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(v));
  return word;
#else
  const uint32_t bits = std::bit_cast<uint32_t>(v);
  if ((bits & 0x7f800000u) == 0x7f800000u) return bits;  // infinity, NaN
  return (bits + 0x1000u) & 0xffffe000u;
#endif
}
/// A word of two bfloat16, rounded to nearest, ties to even; `first` in the low half.
__device__ inline uint32_t round_bf16(float first, float second) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(first, second);
  uint32_t word;
  memcpy(&word, &pair, sizeof word);
  return word;
}

/// c (16,8) += a (16,8 words) b (8 words,8), by the 32 lanes of a warp, all of which must call. With g =
/// lane/4 and t = lane%4 a lane holds
///   a: (g,t) (g+8,t) (g,t+4) (g+8,t+4)     b: (t,g) (t+4,g)     c: (g,2t) (g,2t+1) (g+8,2t) (g+8,2t+1)
/// Products are exact, sums float32. Which numbers sit in which word is free as long as a and b agree.
#ifdef __CUDACC__
__device__ inline void mma(Tf32, float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ inline void mma(Bf16, float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#else
// Unrounded operands would not show in float arithmetic: what the hardware ignores is cut off here.
inline float product(Tf32, uint32_t a, uint32_t b) {
  return std::bit_cast<float>(a & 0xffffe000u) * std::bit_cast<float>(b & 0xffffe000u);
}
inline float product(Bf16, uint32_t a, uint32_t b) {
  return std::bit_cast<float>(a << 16) * std::bit_cast<float>(b << 16) +
         std::bit_cast<float>(a & 0xffff0000u) * std::bit_cast<float>(b & 0xffff0000u);
}
template <class Type>
void mma(Type type, float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
         emu::Where where = emu::Where::current()) {
  const int g = emu::lane() / 4, t = emu::lane() % 4;
  uint32_t rows[2][8], columns[2][8];  // of a: g, g+8; of b: 2t, 2t+1
  std::memcpy(emu::outbox(), a, sizeof a);
  emu::warp_barrier(kAllLanes, where);
  for (int l = 0; l < 32; ++l)
    if (!emu::met(l)) emu::fail("mma without all 32 lanes", where);
  for (int l = 0; l < 4; ++l) {
    uint32_t theirs[4];
    std::memcpy(theirs, emu::inbox(4 * g + l), sizeof theirs);
    rows[0][l] = theirs[0], rows[1][l] = theirs[1], rows[0][l + 4] = theirs[2], rows[1][l + 4] = theirs[3];
  }
  std::memcpy(emu::outbox(), b, sizeof b);
  emu::warp_barrier(kAllLanes, where);
  for (int column = 0; column < 2; ++column)
    for (int l = 0; l < 4; ++l) {
      uint32_t theirs[2];
      std::memcpy(theirs, emu::inbox(4 * (2 * t + column) + l), sizeof theirs);
      columns[column][l] = theirs[0], columns[column][l + 4] = theirs[1];
    }
  for (int i = 0; i < 4; ++i)
    for (int k = 0; k < 8; ++k) c[i] += product(type, rows[i / 2][k], columns[i % 2][k]);
}
#endif

/// Starts a copy of 16 bytes from global to shared memory, both aligned to 16; it passes by the registers.
/// Copies since the last copy_commit() are one group; copy_wait<n>() returns when all of the calling thread's
/// groups but the n newest are there (a barrier then shows them to the others).
#ifdef __CUDACC__
__device__ inline void copy_async(void* to_shared, const void* from_global) {
  asm volatile(
      "cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(unsigned(__cvta_generic_to_shared(to_shared))),
      "l"(from_global)
      : "memory");
}
__device__ inline void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int Newest>
__device__ inline void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Newest) : "memory");
}
#else
// A copy happens at the wait for it, as late as the hardware may: a forgotten wait reads NaN or old bytes.
struct PendingCopies {
  struct Copy {
    void* to;
    const void* from;
    int group;
  };
  std::vector<Copy> copies;
  int group = 0;  // the one being filled

  static PendingCopies& mine() {
    static std::vector<PendingCopies> threads(1024);
    static unsigned char fresh[1024];  // 0xff at the start of a block: what the last one left is dropped
    emu::poison_once_a_block(fresh, sizeof fresh);
    const size_t i = threadIdx.x + blockDim.x * (threadIdx.y + size_t(blockDim.y) * threadIdx.z);
    if (fresh[i]) threads[i].copies.clear(), threads[i].group = 0, fresh[i] = 0;
    return threads[i];
  }
};
inline void copy_async(void* to_shared, const void* from_global, emu::Where where = emu::Where::current()) {
  if ((reinterpret_cast<uintptr_t>(to_shared) | reinterpret_cast<uintptr_t>(from_global)) % 16)
    emu::fail("copy_async needs addresses that are multiples of 16", where);
  PendingCopies& p = PendingCopies::mine();
  p.copies.push_back({to_shared, from_global, p.group});
}
inline void copy_commit() { ++PendingCopies::mine().group; }
template <int Newest>
void copy_wait() {
  PendingCopies& p = PendingCopies::mine();
  std::erase_if(p.copies, [&](const PendingCopies::Copy& c) {
    const bool due = c.group < p.group - Newest;
    if (due) std::memcpy(c.to, c.from, 16);
    return due;
  });
}
#endif

}  // namespace sga::kernels
