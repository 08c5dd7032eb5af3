// Instance normalisation on a GPU: what is computed (three ops), and how the GPU goes over it (three
// variants). An op is a struct that knows one channel and no threads; a variant is a kernel template that
// knows threads and no formula. To read in this order: struct Forward, plain_kernel, strip_kernel with the
// functions it calls, the chunk kernels, and last Grad and Grad2. kernels/README.md has the formulas and the
// roofline.
//
// The problem. Every channel of every image needs sums over its pixels before one pixel of it can be written.
// Arrays are (n, pixels, c), channels next to each other: 32 channels of a pixel are a line of 128 bytes.
// There is little arithmetic, about one operation a byte where the GPU could do fifteen, so the time is bytes
// moved over bandwidth, or at small sizes the launches.
//
// Bytes, in arrays of 4*n*pixels*c: those that must move / those of strips and chunks, which read their
// inputs once for the sums and once to write. The second time they often come from the cache (50 MB on an
// H200), which is why chunks are written in the reverse order of their sums.
//     forward   read x                write y           2 / 3
//     grad      read x, y, gy         write gx          4 / 7      (3 / 5 where slope = 1: y is not read)
//     grad2     read x, y, gy, v      write ggy, gx2    6 / 10     (5 / 8)
//
// plain    The loop a student would write. A thread owns a channel of an image; it sums over the pixels, then
//          goes over them again and writes. 32 threads read a line of 128 bytes together, but only n*c
//          threads run, where an H200 holds 270,000, and each waits for every pixel it asks for: one image
//          of 128 channels keeps 512 bytes on their way, where the memory wants megabytes.
//            1 launch   grid n*c/32   block 32   shared 0
// strips   A block owns a strip of 4 to 32 channels of an image. Thread t takes pack t % packs, 4 channels
//          that one load of 16 bytes brings, of the pixels t / packs, t / packs + 512 / packs, ...; it asks
//          for up to 8 packs before it uses the first. The threads' sums meet by shuffles, then in shared
//          memory. For small images, where launches are the cost, and for many images.
//            1 launch   grid n * c/strip   block 512   shared 5 to 12 KB
// chunks   Few big images need more blocks than they have strips: the pixels are cut into chunks of 256 or
//          more, a block each. Sums of a chunk go to scratch; the block that arrives last adds up the chunks
//          of its strip and works out the coefficients. A second launch writes. At most about 1024 blocks
//          (736 for an image of 188x250x128); an H200 holds 264 to 528 of them at a time, as a thread keeps
//          58 (grad) to 104 (grad2) registers.
//            2 launches   grid n * c/32 * chunks   block 256   shared 2 to 11 KB
// Packs of 4 need c % 4 == 0 and arrays aligned to 16 bytes; else packs are of 1. norm_variant() chooses; its
// bounds are estimates until a bench on a GPU moves them.
//
// Rounding. E[x^2] - E[x]^2 loses everything where the mean is far above the deviation, and two passes read x
// twice. Here
// (1) x is counted from a centre, the first pixel of its image (in the derivatives the known mean), so that
//     sums are as large as deviations, not as large as x;
// (2) a thread sums at most 32 pixels at a time, counted from the first of them, so that no outlier, the
//     centre among them, costs more than 32 roundings;
// (3) such runs become (count, mean, M2 = sum of squared deviations), and two of those merge without
//     cancellation by Chan's formula (Chan, Golub, LeVeque 1983):
//       mean = mean_a + (mean_b - mean_a) n_b / n,   M2 = M2_a + M2_b + (mean_b - mean_a)^2 n_a n_b / n
// That is as good as two passes, and x is read once for the statistics. (The mean is good to a few roundings
// of its distance from the centre; were the first pixel an outlier, that is at most sqrt(pixels) deviations.)
// The extents and the width of packs fix the order of all additions: the same bits every time.
#include "kernels/norm.h"

#include <algorithm>
#include <cstring>

#include "kernels/access.cuh"
#include "kernels/cuda.h"
#include "kernels/last_block.cuh"

namespace sga::kernels {
namespace {

// ---- Sums, and how two of them become one: merge(). They lie in shared memory too, where nothing may have
// initial values; `T t = {}` is an empty one. Forward needs Moments, the derivatives need plain Sums.

/// Count, mean and sum of squared deviations of some numbers; merge() is Chan's formula.
struct Moments {
  float count, mean, m2;
  __device__ void merge(const Moments& o) {
    const float all = count + o.count, share = all > 0 ? o.count / all : 0.0f, delta = o.mean - mean;
    mean += delta * share;
    m2 += o.m2 + delta * delta * count * share;
    count = all;
  }
};

/// At most kRun numbers on their way to Moments: plain sums, counted from the first number. A number
/// costs 4 operations here; Moments::merge() would take ten, a division among them.
struct MomentsRun {
  float first, sum, squares;  // sum (x - first), sum (x - first)^2
  int count;
  __device__ void add(float x) {
    if (count == 0) first = x;
    const float d = x - first;
    sum += d, squares += d * d, ++count;
  }
  __device__ Moments total() const {
    if (count == 0) return {};
    const float n = float(count);
    return {n, first + sum / n, squares - sum * sum / n};  // sum (x - mean)^2, as mean = first + sum / n
  }
};

/// K plain sums. An op names them by an enum.
template <int K>
struct Sums {
  float v[K];
  __device__ void merge(const Sums& o) {
    for (int k = 0; k < K; ++k) v[k] += o.v[k];
  }
  __device__ Sums total() const { return *this; }
};

// ---- The three ops: everything about one channel, nothing about threads. A kernel does, for each channel:
//   add(run, values)            for every pixel; values[0] is x - centre there
//   total.merge(run.total())    every kRun pixels, and again whenever sums of two threads meet
//   k = finish(total)           once: the coefficients of write(), and the results of one number a channel
//   write(k, values, results)   for every pixel; values[0] is x itself
// in, out: arrays of x's shape, in the order of `values` and `results`. An out may be null; an in that is
// null reads as 0.

/// The derivative of leaky ReLU, times g. `sign` is its input or its output: they have the same one.
__device__ float gated(float g, float sign, float slope) { return sign > 0 ? g : slope * g; }

/// A channel of an image, and where its numbers lie.
struct At {
  NormShape s;
  int64_t image, channel;
  __device__ int64_t of_image() const { return image * s.c + channel; }                   // in mean, rstd
  __device__ int64_t of_parameter() const { return s.per_image ? of_image() : channel; }  // in gamma, beta
  __device__ int64_t first_pixel() const { return image * s.pixels * s.c + channel; }     // in x; next: + c
};

struct Forward {
  static constexpr int kInputs = 1, kOutputs = 1;
  const float* in[kInputs];  // x
  float* out[kOutputs];      // y
  const float *gamma, *beta;
  float eps, slope;
  float *mean, *rstd;

  using Run = MomentsRun;
  using Total = Moments;
  struct Coefficients {  // y = act(scale (x - mean) + shift)
    float mean, scale, shift;
  };
  __device__ float centre(const At& at) const { return in[0][at.first_pixel()]; }
  __device__ void add(Run& run, const float (&values)[kInputs]) const { run.add(values[0]); }
  __device__ Coefficients finish(const At& at, const Total& t) const {
    const float m = centre(at) + t.mean, r = 1.0f / sqrtf(t.m2 / t.count + eps);
    mean[at.of_image()] = m, rstd[at.of_image()] = r;
    return {m, gamma ? gamma[at.of_parameter()] * r : r, beta ? beta[at.of_parameter()] : 0.0f};
  }
  __device__ void write(const Coefficients& k, const float (&values)[kInputs],
                        float (&results)[kOutputs]) const {
    const float u = k.scale * (values[0] - k.mean) + k.shift;
    results[0] = gated(u, u, slope);
  }
};

struct Grad {
  static constexpr int kInputs = 3, kOutputs = 1;
  const float* in[kInputs];  // x, y, gy
  float* out[kOutputs];      // gx
  const float *gamma, *mean, *rstd;
  float slope;
  float *ggamma, *gbeta;

  enum { kH, kHx, kSums };  // h, h (x - mean)
  using Run = Sums<kSums>;
  using Total = Sums<kSums>;
  // gx = a h + b (x - mean) + d; with q = (x - mean) rstd this is gamma rstd (h - <h> - q <h q>)
  struct Coefficients {
    float mean, a, b, d;
  };
  __device__ float centre(const At& at) const { return mean[at.of_image()]; }
  __device__ void add(Run& run, const float (&values)[kInputs]) const {
    const auto& [x, y, gy] = values;  // x counted from its mean
    const float h = gated(gy, y, slope);
    run.v[kH] += h, run.v[kHx] += h * x;
  }
  __device__ Coefficients finish(const At& at, const Total& t) const {
    const int64_t i = at.of_image();
    const float r = rstd[i], a = gamma ? gamma[at.of_parameter()] * r : r, pixels = float(at.s.pixels);
    const float h = t.v[kH], hq = t.v[kHx] * r;  // sums over the pixels, not means
    if (ggamma) ggamma[i] = hq, gbeta[i] = h;
    return {mean[i], a, -a * r * hq / pixels, -a * h / pixels};
  }
  __device__ void write(const Coefficients& k, const float (&values)[kInputs],
                        float (&results)[kOutputs]) const {
    const auto& [x, y, gy] = values;
    results[0] = k.a * gated(gy, y, slope) + k.b * (x - k.mean) + k.d;
  }
};

struct Grad2 {
  static constexpr int kInputs = 4, kOutputs = 2;
  const float* in[kInputs];  // x, y, gy, v
  float* out[kOutputs];      // ggy, gx2
  const float *gamma, *mean, *rstd;
  float slope;
  float* ggamma;

  enum { kV, kH, kVx, kHx, kVh, kSums };  // v, h, v (x - mean), h (x - mean), v h
  using Run = Sums<kSums>;
  using Total = Sums<kSums>;
  struct Coefficients {  // q = (x - mean) rstd, dv = v - v_mean, dh = h - h_mean
    float mean, rstd, v_mean, h_mean;
    float a, b;     // ggy = act' a (dv - b q), with a = gamma rstd, b = <v q>
    float f, c, e;  // gx2 = e (f q + c dv + b dh), with c = <h q>, f = A - 3 b c, e = -gamma rstd^2
  };
  __device__ float centre(const At& at) const { return mean[at.of_image()]; }
  __device__ void add(Run& run, const float (&values)[kInputs]) const {
    const auto& [x, y, gy, v] = values;  // x counted from its mean
    const float h = gated(gy, y, slope);
    run.v[kV] += v, run.v[kH] += h, run.v[kVx] += v * x, run.v[kHx] += h * x, run.v[kVh] += v * h;
  }
  __device__ Coefficients finish(const At& at, const Total& t) const {
    const int64_t i = at.of_image();
    const float r = rstd[i], a = gamma ? gamma[at.of_parameter()] * r : r;
    // double: <v h> - <v> <h> and what is taken from it cancel
    const double pixels = double(at.s.pixels), v = t.v[kV] / pixels, h = t.v[kH] / pixels;
    const double b = t.v[kVx] / pixels * r, c = t.v[kHx] / pixels * r;
    const double cross = t.v[kVh] / pixels - v * h;  // A of norm.h
    if (ggamma) ggamma[i] = float(pixels * r * (cross - b * c));
    return {mean[i], r, float(v), float(h), a, float(b), float(cross - 3 * b * c), float(c), -a * r};
  }
  __device__ void write(const Coefficients& k, const float (&values)[kInputs],
                        float (&results)[kOutputs]) const {
    const auto& [x, y, gy, v] = values;
    const float q = (x - k.mean) * k.rstd, dv = v - k.v_mean, dh = gated(gy, y, slope) - k.h_mean;
    results[0] = gated(k.a * (dv - k.b * q), y, slope);
    results[1] = k.e * (k.f * q + k.c * dv + k.b * dh);
  }
};

constexpr int kRun = 32;  // pixels a thread adds up before it starts a new run

// ---- Variant plain: one thread, one channel of one image.

template <class Op>
__global__ void plain_kernel(Op op, NormShape s) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= s.n * s.c) return;
  const At at{s, i / s.c, i % s.c};
  const float centre = op.centre(at);

  // First time over the pixels: sums.
  typename Op::Total total = {};
  for (int64_t begin = 0; begin < s.pixels; begin += kRun) {
    typename Op::Run run = {};
    for (int64_t p = begin; p < min(begin + kRun, s.pixels); ++p) {
      float values[Op::kInputs];
      for (int j = 0; j < Op::kInputs; ++j)
        values[j] = op.in[j] ? op.in[j][at.first_pixel() + p * s.c] : 0.0f;
      values[0] -= centre;
      op.add(run, values);
    }
    total.merge(run.total());
  }

  const typename Op::Coefficients coefficients = op.finish(at, total);

  // Second time: results.
  for (int64_t p = 0; p < s.pixels; ++p) {
    float values[Op::kInputs], results[Op::kOutputs];
    for (int j = 0; j < Op::kInputs; ++j) values[j] = op.in[j] ? op.in[j][at.first_pixel() + p * s.c] : 0.0f;
    op.write(coefficients, values, results);
    for (int j = 0; j < Op::kOutputs; ++j)
      if (op.out[j]) op.out[j][at.first_pixel() + p * s.c] = results[j];
  }
}

// ---- What strips and chunks share. A thread owns a pack: V channels, from `at` on, of every step-th pixel
// from `first` to below `last`. It asks for kAhead pixels before it uses the first, so that about 8 loads are
// on their way; a thread that waits for each load has one. The two loops over `ahead` are what does it: the
// first only loads, the second only computes. All loops over ahead, j and k have constant bounds and vanish.
//   p, ahead   pixels      j   an array of op.in or op.out      k   a channel of the pack

template <class Op>
constexpr int kAhead = 8 / Op::kInputs;

template <int V, class Op>
__device__ void load(const Op& op, int64_t i, Pack<float, V> (&packs)[Op::kInputs]) {
  for (int j = 0; j < Op::kInputs; ++j)
    packs[j] = op.in[j] ? *reinterpret_cast<const Pack<float, V>*>(op.in[j] + i) : Pack<float, V>{};
}

template <int V, class Op>
__device__ void sum_pixels(const Op& op, const At& at, int64_t first, int64_t last, int64_t step,
                           typename Op::Total (&total)[V]) {
  float centre[V];
  for (int k = 0; k < V; ++k) centre[k] = op.centre({at.s, at.image, at.channel + k});
  for (int64_t p = first; p < last;) {
    typename Op::Run run[V] = {};
    for (int summed = 0; summed < kRun && p < last; summed += kAhead<Op>, p += kAhead<Op> * step) {
      Pack<float, V> in[kAhead<Op>][Op::kInputs] = {};
      for (int ahead = 0; ahead < kAhead<Op>; ++ahead)
        if (p + ahead * step < last) load<V>(op, at.first_pixel() + (p + ahead * step) * at.s.c, in[ahead]);
      for (int ahead = 0; ahead < kAhead<Op>; ++ahead)
        if (p + ahead * step < last)
          for (int k = 0; k < V; ++k) {
            float values[Op::kInputs];
            for (int j = 0; j < Op::kInputs; ++j) values[j] = in[ahead][j].v[k];
            values[0] -= centre[k];
            op.add(run[k], values);
          }
    }
    for (int k = 0; k < V; ++k) total[k].merge(run[k].total());
  }
}

template <int V, class Op>
__device__ void write_pixels(const Op& op, const At& at, int64_t first, int64_t last, int64_t step,
                             const typename Op::Coefficients* coefficients) {
  typename Op::Coefficients mine[V];
  for (int k = 0; k < V; ++k) mine[k] = coefficients[k];
  for (int64_t p = first; p < last; p += kAhead<Op> * step) {
    Pack<float, V> in[kAhead<Op>][Op::kInputs] = {};
    for (int ahead = 0; ahead < kAhead<Op>; ++ahead)
      if (p + ahead * step < last) load<V>(op, at.first_pixel() + (p + ahead * step) * at.s.c, in[ahead]);
    for (int ahead = 0; ahead < kAhead<Op>; ++ahead)
      if (p + ahead * step < last) {
        Pack<float, V> out[Op::kOutputs];
        for (int k = 0; k < V; ++k) {
          float values[Op::kInputs], results[Op::kOutputs];
          for (int j = 0; j < Op::kInputs; ++j) values[j] = in[ahead][j].v[k];
          op.write(mine[k], values, results);
          for (int j = 0; j < Op::kOutputs; ++j) out[j].v[k] = results[j];
        }
        for (int j = 0; j < Op::kOutputs; ++j)
          if (op.out[j])
            *reinterpret_cast<Pack<float, V>*>(op.out[j] + at.first_pixel() + (p + ahead * step) * at.s.c) =
                out[j];
      }
  }
}

constexpr int kStrip = 32;  // most channels of a strip

/// A whole struct of floats by shuffles, a word at a time.
template <class T>
__device__ T from_lane_xor(const T& t, int offset) {
  float words[sizeof(T) / sizeof(float)];
  memcpy(words, &t, sizeof(T));
  for (float& w : words) w = __shfl_xor_sync(kAllLanes, w, offset);
  T other;
  memcpy(&other, words, sizeof(T));
  return other;
}

/// Merges the totals of all threads with the same t % packs (packs: a power of 2). Thread t < packs * V gets
/// the total of the strip's channel t; the others' result means nothing. With 8 packs:
///   lanes of a warp     0 1 .. 7 | 8 9 .. 15 | 16 .. 23 | 24 .. 31     lane 8 owns the channels of lane 0
///   offset 16           lane 0 has 0 + 16, lane 8 has 8 + 24
///   offset 8            lane 0 has all four; lanes 0..7 leave their warp's totals in part[warp]
///   after the barrier   a warp takes a channel, lane i what warp i left, and shuffles add up the warps
template <int Threads, int V, class Total>
__device__ Total merge_threads(Total (&t)[V], int packs) {
  constexpr int kWarps = Threads / kWarp;
  struct Smem {
    Total part[kWarps][kStrip + 1];  // + 1: lanes that read a column meet different banks
  };
  auto& s = shared<Smem>();
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  for (int offset = kWarp / 2; offset >= packs; offset /= 2)
    for (int k = 0; k < V; ++k) t[k].merge(from_lane_xor(t[k], offset));
  if (lane < packs)
    for (int k = 0; k < V; ++k) s.part[warp][lane * V + k] = t[k];
  __syncthreads();
  for (int channel = warp; channel < packs * V; channel += kWarps) {
    Total all = {};
    if (lane < kWarps) all = s.part[lane][channel];
    for (int offset = kWarp / 2; offset > 0; offset /= 2) all.merge(from_lane_xor(all, offset));
    if (lane == 0) s.part[0][channel] = all;  // this warp alone is at this column
  }
  __syncthreads();
  return s.part[0][threadIdx.x % kStrip];
}

// ---- Variant strips: one block, one strip of channels of one image.

constexpr int kStripThreads = 512;

template <class Op, int V>
__global__ void __launch_bounds__(kStripThreads) strip_kernel(Op op, NormShape s, int packs) {
  struct Smem {
    typename Op::Coefficients of[kStrip];
  };
  auto& coefficients = shared<Smem>();
  const int width = packs * V, strips = int((s.c + width - 1) / width), t = threadIdx.x;
  const int64_t image = blockIdx.x / strips, strip = blockIdx.x % strips * width;
  const int64_t row = t / packs, rows = kStripThreads / packs;  // the thread's first pixel, and its step
  const At at{s, image, strip + t % packs * V};
  const bool inside = at.channel < s.c;  // the last strip may be narrower

  typename Op::Total total[V] = {};
  if (inside) sum_pixels<V>(op, at, row, s.pixels, rows, total);
  const typename Op::Total all = merge_threads<kStripThreads>(total, packs);
  if (t < width && strip + t < s.c) coefficients.of[t] = op.finish({s, image, strip + t}, all);
  __syncthreads();
  if (inside) write_pixels<V>(op, at, row, s.pixels, rows, coefficients.of + t % packs * V);
}

// ---- Variant chunks: one block, one strip of channels of one chunk of pixels. Blocks of a grid cannot wait
// for each other, so what every block needs, the coefficients, is passed on through memory: by the block that
// arrives last to the launch that comes second.

constexpr int kChunkThreads = 256;
constexpr int64_t kMostColumns = cuda::kMostArrivals;  // a column: a strip of an image

/// How pixels and channels are cut; block b is strip b % strips of chunk b / strips % chunks of image b /
/// strips / chunks, so that blocks that run together read neighbouring lines.
struct Cut {
  int packs;           // of a strip
  int strips, chunks;  // of an image
  int64_t pixels;      // of a chunk, but for the last
};

/// What a block of a cut owns.
template <int V>
struct Piece {
  int64_t image, strip, column, chunk;
  At at;                      // of this thread
  int64_t first, last, rows;  // its first pixel, the end of its chunk, its step
  bool inside;                // false: channels run out before this thread
  __device__ Piece(const NormShape& s, const Cut& cut, unsigned block)
      : image(block / (cut.strips * cut.chunks)),
        strip(block % cut.strips),
        column(image * cut.strips + strip),
        chunk(block / cut.strips % cut.chunks),
        at{s, image, (strip * cut.packs + threadIdx.x % cut.packs) * V},
        first(chunk * cut.pixels + threadIdx.x / cut.packs),
        last(min(s.pixels, (chunk + 1) * cut.pixels)),
        rows(kChunkThreads / cut.packs),
        inside(at.channel < s.c) {}
};

template <class Op, int V>
__global__ void __launch_bounds__(kChunkThreads)
    chunk_sums_kernel(Op op, NormShape s, Cut cut, typename Op::Total* partial,
                      typename Op::Coefficients* coefficients, unsigned* arrivals) {
  const Piece<V> piece(s, cut, blockIdx.x);
  const int width = cut.packs * V, t = threadIdx.x;
  typename Op::Total total[V] = {};
  if (piece.inside) sum_pixels<V>(op, piece.at, piece.first, piece.last, piece.rows, total);
  typename Op::Total* parts = partial + piece.column * cut.chunks * width;
  const typename Op::Total mine = merge_threads<kChunkThreads>(total, cut.packs);
  if (t < width) parts[piece.chunk * width + t] = mine;  // all of them, not atomically added: same bits

  if (!last_block(arrivals + piece.column, unsigned(cut.chunks))) return;
  typename Op::Total all[1] = {};  // of channel t % width, and of one chunk in 256 / width
  for (int chunk = t / width; chunk < cut.chunks; chunk += kChunkThreads / width)
    all[0].merge(parts[chunk * width + t % width]);
  const typename Op::Total sum = merge_threads<kChunkThreads>(all, width);
  const At at{s, piece.image, piece.strip * width + t};
  if (t < width && at.channel < s.c) coefficients[at.of_image()] = op.finish(at, sum);
}

template <class Op, int V>
__global__ void __launch_bounds__(kChunkThreads)
    chunk_write_kernel(Op op, NormShape s, Cut cut, const typename Op::Coefficients* coefficients) {
  const Piece<V> piece(s, cut, gridDim.x - 1 - blockIdx.x);  // what was read last is still in the cache
  if (piece.inside)
    write_pixels<V>(op, piece.at, piece.first, piece.last, piece.rows, coefficients + piece.at.of_image());
}

// ---- Choosing and starting.

constexpr int kPlain = 0, kStrips = 1, kChunks = 2;  // as in kNormVariants

/// Packs of V that cover c channels, a power of 2, at most a strip.
int packs_of(int64_t c, int V) {
  int packs = 1;
  while (packs * V < kStrip && packs * V < c) packs *= 2;
  return packs;
}

template <class Op, int V>
void start_strips(Cuda where, const char* name, const Op& op, NormShape s) {
  // Narrower strips until there are two blocks for each of an H200's 132 processors.
  int packs = packs_of(s.c, V);
  while (packs * V > 4 && s.n * div_up(s.c, packs * V) < 2 * 132) packs /= 2;
  launch(where, {name, unsigned(s.n * div_up(s.c, packs * V)), kStripThreads}, strip_kernel<Op, V>, op, s,
         packs);
}

template <class Op, int V>
void start_chunks(Cuda where, const char* name, const Op& op, NormShape s) {
  constexpr int64_t kBlocks = 1024, kLeastPixels = 256;
  Cut cut;
  cut.packs = packs_of(s.c, V);
  cut.strips = int(div_up(s.c, cut.packs * V));
  const int64_t columns = s.n * cut.strips, rows = kChunkThreads / cut.packs;
  if (columns > kMostColumns) return start_strips<Op, V>(where, name, op, s);
  const int64_t chunks = std::clamp(div_up(kBlocks, columns), int64_t{1}, div_up(s.pixels, kLeastPixels));
  cut.pixels = div_up(div_up(s.pixels, chunks), rows) * rows;
  cut.chunks = int(div_up(s.pixels, cut.pixels));
  const unsigned blocks = unsigned(columns * cut.chunks);
  const int64_t coefficient_bytes = div_up(s.n * s.c * int64_t(sizeof(typename Op::Coefficients)), 256) * 256;
  const int64_t partial_bytes = int64_t(blocks) * cut.packs * V * int64_t(sizeof(typename Op::Total));
  auto* coefficients =
      static_cast<typename Op::Coefficients*>(cuda::scratch(where, coefficient_bytes + partial_bytes));
  auto* partial =
      reinterpret_cast<typename Op::Total*>(reinterpret_cast<char*>(coefficients) + coefficient_bytes);
  launch(where, {name, blocks, kChunkThreads}, chunk_sums_kernel<Op, V>, op, s, cut, partial, coefficients,
         cuda::arrivals(where));
  const bool writes = std::any_of(op.out, op.out + Op::kOutputs, [](const float* p) { return p != nullptr; });
  if (writes)
    launch(where, {name, blocks, kChunkThreads}, chunk_write_kernel<Op, V>, op, s, cut, coefficients);
}

template <class Op>
void start(Cuda where, int variant, const char* name, const Op& op, NormShape s) {
  if (s.n * s.c * s.pixels == 0) return;
  const bool packs_of_4 = s.c % 4 == 0 && std::all_of(op.in, op.in + Op::kInputs, aligned16) &&
                          std::all_of(op.out, op.out + Op::kOutputs, aligned16);
  if (variant == kPlain)
    launch(where, {name, unsigned(div_up(s.n * s.c, kWarp)), kWarp}, plain_kernel<Op>, op, s);
  else if (variant == kStrips)
    packs_of_4 ? start_strips<Op, 4>(where, name, op, s) : start_strips<Op, 1>(where, name, op, s);
  else
    packs_of_4 ? start_chunks<Op, 4>(where, name, op, s) : start_chunks<Op, 1>(where, name, op, s);
}

}  // namespace

int norm_variant(NormShape s) {
  const bool fills_the_gpu = s.n * div_up(s.c, kStrip) >= 132, small = s.n * s.pixels * s.c <= 1 << 20;
  return s.pixels <= 5120 && (small || fills_the_gpu) ? kStrips : kChunks;
}

void instance_norm_variant(Cuda where, int variant, NormShape s, const float* x, const float* gamma,
                           const float* beta, float eps, float slope, float* y, float* mean, float* rstd) {
  start(where, variant, "instance_norm", Forward{{x}, {y}, gamma, beta, eps, slope, mean, rstd}, s);
}
void instance_norm(Cuda where, NormShape s, const float* x, const float* gamma, const float* beta, float eps,
                   float slope, float* y, float* mean, float* rstd) {
  instance_norm_variant(where, norm_variant(s), s, x, gamma, beta, eps, slope, y, mean, rstd);
}

// Where slope = 1 nothing depends on the sign of y, and y is not read.
void instance_norm_grad_variant(Cuda where, int variant, NormShape s, const float* x, const float* y,
                                const float* gy, const float* gamma, const float* mean, const float* rstd,
                                float slope, float* gx, float* ggamma, float* gbeta) {
  const Grad op{{x, slope == 1 ? nullptr : y, gy}, {gx}, gamma, mean, rstd, slope, ggamma, gbeta};
  start(where, variant, "instance_norm_grad", op, s);
}
void instance_norm_grad(Cuda where, NormShape s, const float* x, const float* y, const float* gy,
                        const float* gamma, const float* mean, const float* rstd, float slope, float* gx,
                        float* ggamma, float* gbeta) {
  instance_norm_grad_variant(where, norm_variant(s), s, x, y, gy, gamma, mean, rstd, slope, gx, ggamma,
                             gbeta);
}

void instance_norm_grad2_variant(Cuda where, int variant, NormShape s, const float* x, const float* y,
                                 const float* gy, const float* v, const float* gamma, const float* mean,
                                 const float* rstd, float slope, float* ggy, float* gx2, float* ggamma) {
  const Grad2 op{{x, slope == 1 ? nullptr : y, gy, v}, {ggy, gx2}, gamma, mean, rstd, slope, ggamma};
  start(where, variant, "instance_norm_grad2", op, s);
}
void instance_norm_grad2(Cuda where, NormShape s, const float* x, const float* y, const float* gy,
                         const float* v, const float* gamma, const float* mean, const float* rstd,
                         float slope, float* ggy, float* gx2, float* ggamma) {
  instance_norm_grad2_variant(where, norm_variant(s), s, x, y, gy, v, gamma, mean, rstd, slope, ggy, gx2,
                              ggamma);
}

}  // namespace sga::kernels
