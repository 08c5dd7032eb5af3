// Convolution 3x3, stride 1, on tensor cores: the tuned twin of conv.cu. Every output is a sum of products,
// so a tile of outputs is a product of two small matrices, pixels by filters (an implicit matrix product: no
// matrix of patches is ever written). Four kernels do all of it.
//
// arrange: filters rounded to words, in the order in which `product` reads them. For the derivative by data
// they are also turned by 180 degrees with c and k exchanged, after which it is a convolution like any other.
//   grid (channels/32, rows/32, 9), block 256, 4.2 KiB; reads and writes the filters once
//
// product: forward and by data. A block computes Rows x 16 pixels of Filters filters. It keeps the pixels it
// reads, (Rows+2) x 18 with 64 or 128 bytes of channels each, in shared memory for all nine taps: x comes
// from global memory 1.4 to 1.7 times, not 9. Filters of one tap come by asynchronous copies, two in
// flight while a third is multiplied; the next pixels arrive piece by piece, one ninth during each tap, and
// are rounded on the way.
//   grid (tiles, k/Filters), block 128 or 256, 13 to 93 KiB, up to 168 registers (the 128-filter tiles of two
//   words spill 48 to 56 bytes); variants: rows and filters of a tile
//
// weights: by weights. A block owns Filters x 32 channels x 9 taps of gw, in registers, and walks over its
// share of the tiles of pixels; the shares ("split k") go to scratch.
//   grid (c/32, k/Filters, shares), block 128 or 256, 54 to 70 KiB; variants: filters and warps of a tile
//
// add_up: the shares in order, a thread four numbers of gw.
//   grid numbers/1024, block 256; reads scratch once
//
// Sums are float32, in an order fixed by the extents: the same bits each time.
//
// Numbers travel as words of 32 bits (mma.cuh). In `product` a lane reads 16 bytes at once, four words, where
// an mma wants words t and t+4 of a row: words 0,1 serve the first of two, 2,3 the second. The channels are
// thereby summed in another order, the same for both operands. In `weights` the sum runs over pixels; a
// bfloat16 word holds a pixel and the one half a tile below it, so that a tap moves both alike.
//
// Shared memory has 32 banks of 4 bytes. Rows of 128 bytes all start at bank 0: odd rows swap their halves,
// and the eight lanes of a 16-byte access hit eight different groups of banks. In `weights` rows are
// Filters+8 or 40 words, 8 modulo 32: lane (g,t) reads bank 8t+g.
#include "kernels/access.cuh"
#include "kernels/conv_cuda.h"
#include "kernels/cuda.h"
#include "kernels/mma.cuh"

namespace sga::kernels {
namespace {

constexpr int kTaps = 9, kTileWidth = 16, kHaloWidth = kTileWidth + 2;
constexpr int kGroup = 16;  // words a lane of four reads at once: what two mma sum over

// What becomes four words, as it comes from memory: 8 numbers in bf16. Rounded only when it is stored, so
// that nobody waits for memory between the load and the products that hide it.
template <class Type>
using Raw = Pack<Float4, Type::kPerWord>;

// Neighbouring channels share a word, ...
__device__ inline Words4 round_along(Tf32, const Raw<Tf32>& r) {
  const Float4& q = r.v[0];
  return {{round_tf32(q.v[0]), round_tf32(q.v[1]), round_tf32(q.v[2]), round_tf32(q.v[3])}};
}
__device__ inline Words4 round_along(Bf16, const Raw<Bf16>& r) {
  const Float4 &q = r.v[0], &s = r.v[1];
  return {{round_bf16(q.v[0], q.v[1]), round_bf16(q.v[2], q.v[3]), round_bf16(s.v[0], s.v[1]),
           round_bf16(s.v[2], s.v[3])}};
}
// ... or the same channel of two pixels does.
__device__ inline Words4 round_across(Tf32, const Raw<Tf32>& r) { return round_along(Tf32{}, r); }
__device__ inline Words4 round_across(Bf16, const Raw<Bf16>& r) {
  const Float4 &q = r.v[0], &s = r.v[1];
  return {{round_bf16(q.v[0], s.v[0]), round_bf16(q.v[1], s.v[1]), round_bf16(q.v[2], s.v[2]),
           round_bf16(q.v[3], s.v[3])}};
}
__device__ inline uint32_t round_word(Tf32, const float* p) { return round_tf32(p[0]); }
__device__ inline uint32_t round_word(Bf16, const float* p) { return round_bf16(p[0], p[1]); }

// out[channels / Channels][tap][row][words of Channels]: row k of w[k][tap][c], or, for the derivative by
// data, row c of it with channels k and the taps in reverse.
template <class Type, int Channels>
__global__ void __launch_bounds__(256)
    arrange_kernel(const float* w, int rows, int channels, bool by_data, uint32_t* out) {
  struct Smem {
    float tile[32][33];  // [row][channel]
  };
  auto& s = shared<Smem>();
  constexpr int kWords = Channels / Type::kPerWord, kTileWords = 32 / Type::kPerWord;
  const int x = threadIdx.x % 32, y = threadIdx.x / 32, tap = blockIdx.z;
  const int first_channel = blockIdx.x * 32, first_row = blockIdx.y * 32;
  for (int i = y; i < 32; i += 8) {  // neighbouring threads read neighbouring numbers either way
    if (by_data)
      s.tile[x][i] = w[(int64_t(first_channel + i) * kTaps + kTaps - 1 - tap) * rows + first_row + x];
    else
      s.tile[i][x] = w[(int64_t(first_row + i) * kTaps + tap) * channels + first_channel + x];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 32 * kTileWords; i += 256) {
    const int row = i / kTileWords, word = i % kTileWords;
    const int64_t place = (int64_t(first_channel / Channels) * kTaps + tap) * rows + first_row + row;
    out[place * kWords + first_channel % Channels / Type::kPerWord + word] =
        round_word(Type{}, &s.tile[row][word * Type::kPerWord]);
  }
}

// What a block of `product` computes, and how its warps share it.
template <class T, int TileRows, int TileFilters, int WarpRows, int WarpColumns, int GroupsARow>
struct ProductTile {
  using Type = T;
  static constexpr int kRows = TileRows, kFilters = TileFilters, kWarpColumns = WarpColumns;
  static constexpr int kThreads = WarpRows * WarpColumns * kWarp;
  static constexpr int kM = TileRows / WarpRows, kN = TileFilters / WarpColumns / 8;  // mma tiles of a warp
  static constexpr int kGroups = GroupsARow, kRowWords = GroupsARow * kGroup;         // of a pixel or filter
  static constexpr int kChannels = kRowWords * Type::kPerWord;                        // at once
  static constexpr int kHaloPixels = (TileRows + 2) * kHaloWidth, kQuads = kRowWords / 4;
  static constexpr int kPiecesATap = (kHaloPixels * kQuads + kThreads * kTaps - 1) / (kThreads * kTaps);
  static constexpr int kHaloWords = kHaloPixels * kRowWords, kFilterWords = TileFilters * kRowWords;
  static constexpr int kStages = 3;
  static constexpr int kBlocks = kThreads == 256 ? 2 : 3;  // on an SM: few registers enough for that
  static_assert(TileRows % WarpRows == 0 && TileFilters % (8 * WarpColumns) == 0);

  // Bytes of shared memory: one halo if the channels come at once, else two in turn.
  static size_t smem(int64_t channels) {
    return 4 * size_t((channels > kChannels ? 2 : 1) * kHaloWords + kStages * kFilterWords);
  }
};

struct ProductArguments {
  const float* x;
  const uint32_t* filters;  // arranged
  const float* bias;        // may be null
  float slope;
  float* y;
  int h, w, c, p, q, k, pad;    // of the convolution computed: by data, gx is its y
  int tile_rows, tile_columns;  // of one image
};

// Quad `quad` of row `row` lies here; see the bank rule above.
template <class Tile>
__device__ inline int place(int row, int quad) {
  return row * Tile::kRowWords + (Tile::kGroups == 2 ? quad ^ (row % 2 * 4) : quad) * 4;
}

template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks) product_kernel(ProductArguments a) {
  using Type = typename Tile::Type;
  auto* const halo = dynamic_smem<uint32_t>();
  const int chunks = a.c / Tile::kChannels, steps = chunks * kTaps;
  uint32_t* const stages = halo + (chunks > 1 ? 2 : 1) * Tile::kHaloWords;

  const int thread = threadIdx.x, lane = thread % kWarp, g = lane / 4, t = lane % 4;
  const int warp_row = thread / kWarp / Tile::kWarpColumns * Tile::kM;
  const int warp_column = thread / kWarp % Tile::kWarpColumns * Tile::kN * 8;
  const int column_tile = int(blockIdx.x % unsigned(a.tile_columns));
  const int row_tile = int(blockIdx.x / unsigned(a.tile_columns) % unsigned(a.tile_rows));
  const int64_t image = blockIdx.x / unsigned(a.tile_columns) / unsigned(a.tile_rows);
  const int p0 = row_tile * Tile::kRows, q0 = column_tile * kTileWidth, k0 = int(blockIdx.y) * Tile::kFilters;
  const float* const x = a.x + image * a.h * a.w * a.c;

  const auto copy_filters = [&](int step) {
    const uint32_t* from = a.filters + (int64_t(step) * a.k + k0) * Tile::kRowWords;
    uint32_t* to = stages + step % Tile::kStages * Tile::kFilterWords;
    for (int i = thread; i < Tile::kFilterWords / 4; i += Tile::kThreads)
      copy_async(to + place<Tile>(i / Tile::kQuads, i % Tile::kQuads), from + 4 * i);
  };
  // Four words of the halo, 0 outside the image.
  const auto fetch = [&](int chunk, int piece) {
    const int i = piece * Tile::kThreads + thread, pixel = i / Tile::kQuads, quad = i % Tile::kQuads;
    const int row = p0 - a.pad + pixel / kHaloWidth, column = q0 - a.pad + pixel % kHaloWidth;
    Raw<Type> raw{};
    if (pixel >= Tile::kHaloPixels || row < 0 || row >= a.h || column < 0 || column >= a.w) return raw;
    const int channel = chunk * Tile::kChannels + quad * 4 * Type::kPerWord;
    const auto* from = reinterpret_cast<const Float4*>(x + (int64_t(row) * a.w + column) * a.c + channel);
    for (int e = 0; e < Type::kPerWord; ++e) raw.v[e] = from[e];
    return raw;
  };
  const auto put = [&](int chunk, int piece, const Raw<Type>& raw) {
    const int i = piece * Tile::kThreads + thread, pixel = i / Tile::kQuads;
    if (pixel < Tile::kHaloPixels)
      *reinterpret_cast<Words4*>(halo + chunk % 2 * Tile::kHaloWords + place<Tile>(pixel, i % Tile::kQuads)) =
          round_along(Type{}, raw);
  };

  float sum[Tile::kM][Tile::kN][4] = {};
  const auto multiply = [&](int chunk, int tap, int step) {
    const uint32_t* pixels = halo + chunk % 2 * Tile::kHaloWords;
    const uint32_t* filters = stages + step % Tile::kStages * Tile::kFilterWords;
    const int shift = tap / 3 * kHaloWidth + tap % 3;
#pragma unroll
    for (int group = 0; group < Tile::kGroups; ++group) {
      Words4 b[Tile::kN];
#pragma unroll
      for (int j = 0; j < Tile::kN; ++j)
        b[j] =
            *reinterpret_cast<const Words4*>(filters + place<Tile>(warp_column + j * 8 + g, group * 4 + t));
#pragma unroll
      for (int i = 0; i < Tile::kM; ++i) {
        const int pixel = (warp_row + i) * kHaloWidth + g + shift;  // an mma's 16 rows: 16 pixels of a row
        const auto low = *reinterpret_cast<const Words4*>(pixels + place<Tile>(pixel, group * 4 + t));
        const auto high = *reinterpret_cast<const Words4*>(pixels + place<Tile>(pixel + 8, group * 4 + t));
#pragma unroll
        for (int pair = 0; pair < 4; pair += 2)
#pragma unroll
          for (int j = 0; j < Tile::kN; ++j)
            mma(Type{}, sum[i][j], {low.v[pair], high.v[pair], low.v[pair + 1], high.v[pair + 1]},
                {b[j].v[pair], b[j].v[pair + 1]});
      }
    }
  };

  for (int step = 0; step < Tile::kStages - 1; ++step) copy_filters(step), copy_commit();
  for (int piece = 0; piece < kTaps * Tile::kPiecesATap; ++piece) put(0, piece, fetch(0, piece));
  for (int chunk = 0; chunk < chunks; ++chunk)
    for (int tap = 0; tap < kTaps; ++tap) {
      const int step = chunk * kTaps + tap;
      copy_wait<Tile::kStages - 2>();
      __syncthreads();  // this step's filters and pixels are there, and nobody is at the last step's any more
      if (step + Tile::kStages - 1 < steps) copy_filters(step + Tile::kStages - 1);
      copy_commit();  // empty at the end, so that the wait counts the same
      Raw<Type> next[Tile::kPiecesATap] = {};
      const bool more = chunk + 1 < chunks;
#pragma unroll
      for (int i = 0; i < Tile::kPiecesATap; ++i)
        if (more) next[i] = fetch(chunk + 1, tap * Tile::kPiecesATap + i);
      multiply(chunk, tap, step);
#pragma unroll
      for (int i = 0; i < Tile::kPiecesATap; ++i)
        if (more) put(chunk + 1, tap * Tile::kPiecesATap + i, next[i]);
    }

#pragma unroll
  for (int i = 0; i < Tile::kM; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int p = p0 + warp_row + i, q = q0 + g + half * 8;
      if (p >= a.p || q >= a.q) continue;
      float* y = a.y + ((image * a.p + p) * a.q + q) * a.k;
#pragma unroll
      for (int j = 0; j < Tile::kN; ++j) {
        const int k = k0 + warp_column + j * 8 + 2 * t;
        Pack<float, 2> v{{sum[i][j][2 * half], sum[i][j][2 * half + 1]}};
        for (int e = 0; e < 2; ++e) {
          if (a.bias) v.v[e] += a.bias[k + e];
          v.v[e] = v.v[e] > 0 ? v.v[e] : a.slope * v.v[e];
        }
        *reinterpret_cast<Pack<float, 2>*>(y + k) = v;
      }
    }
}

// A tile of `weights`: kWordRows x 16 words of gy by 6 x 18 words of x. In bf16 a word holds rows i and i+4.
template <class T, int TileFilters, int WarpRows>
struct WeightsTile {
  using Type = T;
  static constexpr int kFilters = TileFilters, kChannels = 32;
  static constexpr int kWordRows = 4, kRows = kWordRows * Type::kPerWord;  // rows of gy
  static constexpr int kWarpColumns = kChannels / 8, kThreads = WarpRows * kWarpColumns * kWarp;
  static constexpr int kM = TileFilters / 16 / WarpRows;
  static constexpr int kGyWords = kWordRows * kTileWidth,
                       kXWords = (kWordRows + 2) * kHaloWidth;  // times channels
  static constexpr int kGyStride = TileFilters + 8, kXStride = kChannels + 8;
  static constexpr int kGyQuads = kGyWords * TileFilters / 4, kQuads = kGyQuads + kXWords * kChannels / 4;
  static constexpr int kSteps = kGyWords / 8;  // mma steps over the pixels
  static constexpr int kPiecesAStep = (kQuads + kThreads * kSteps - 1) / (kThreads * kSteps);
  static constexpr int kTileWords = kGyWords * kGyStride + kXWords * kXStride;
  static constexpr size_t kSmem = 2 * 4 * size_t(kTileWords);
};

struct WeightsArguments {
  const float *x, *gy;
  float* parts;  // [share][k][tap][c]
  int h, w, c, p, q, k, pad;
  int tile_rows, tile_columns, tiles;  // tiles of all images
};

template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads) weights_kernel(WeightsArguments a) {
  using Type = typename Tile::Type;
  auto* const smem = dynamic_smem<uint32_t>();
  const int thread = threadIdx.x, lane = thread % kWarp, g = lane / 4, t = lane % 4;
  const int warp_row = thread / kWarp / Tile::kWarpColumns * Tile::kM * 16;
  const int warp_column = thread / kWarp % Tile::kWarpColumns * 8;
  const int c0 = int(blockIdx.x) * Tile::kChannels, k0 = int(blockIdx.y) * Tile::kFilters;
  const int shares = int(gridDim.z), share = int(blockIdx.z);
  const int first = int(int64_t(a.tiles) * share / shares),
            last = int(int64_t(a.tiles) * (share + 1) / shares);

  const auto channels_of = [](const float* image, int row, int column, int rows, int columns, int channels,
                              int c) {
    if (row < 0 || row >= rows || column < 0 || column >= columns) return Float4{};
    return *reinterpret_cast<const Float4*>(image + (int64_t(row) * columns + column) * channels + c);
  };
  // Quads 0..kGyQuads of a tile are of gy, the others of x.
  const auto fetch = [&](int tile, int piece) {
    const int i = piece * Tile::kThreads + thread;
    const bool is_x = i >= Tile::kGyQuads;
    Raw<Type> raw{};
    if (i >= Tile::kQuads) return raw;
    const int image = tile / (a.tile_rows * a.tile_columns);
    const int p0 = tile / a.tile_columns % a.tile_rows * Tile::kRows, q0 = tile % a.tile_columns * kTileWidth;
    const int quads = (is_x ? Tile::kChannels : Tile::kFilters) / 4, width = is_x ? kHaloWidth : kTileWidth;
    const int in = is_x ? i - Tile::kGyQuads : i, word = in / quads, c = in % quads * 4 + (is_x ? c0 : k0);
    const int row = word / width + p0 - (is_x ? a.pad : 0), column = word % width + q0 - (is_x ? a.pad : 0);
    const int rows = is_x ? a.h : a.p, columns = is_x ? a.w : a.q, channels = is_x ? a.c : a.k;
    const float* from = (is_x ? a.x : a.gy) + int64_t(image) * rows * columns * channels;
    for (int e = 0; e < Type::kPerWord; ++e)
      raw.v[e] = channels_of(from, row + e * Tile::kWordRows, column, rows, columns, channels, c);
    return raw;
  };
  const auto put = [&](int tile, int piece, const Raw<Type>& raw) {
    const int i = piece * Tile::kThreads + thread;
    if (i >= Tile::kQuads) return;
    uint32_t* to = smem + (tile - first) % 2 * Tile::kTileWords;
    constexpr int kGyRow = Tile::kFilters / 4, kXRow = Tile::kChannels / 4;
    const int in = i - Tile::kGyQuads;
    to += i < Tile::kGyQuads
              ? i / kGyRow * Tile::kGyStride + i % kGyRow * 4
              : Tile::kGyWords * Tile::kGyStride + in / kXRow * Tile::kXStride + in % kXRow * 4;
    *reinterpret_cast<Words4*>(to) = round_across(Type{}, raw);
  };

  float sum[Tile::kM][kTaps][4] = {};
  const auto multiply = [&](int tile, int step) {
    const uint32_t* gy = smem + (tile - first) % 2 * Tile::kTileWords;
    const uint32_t* x = gy + Tile::kGyWords * Tile::kGyStride;
    const int row = step / 2, column = step % 2 * 8 + t;
    const uint32_t* from = gy + (row * kTileWidth + column) * Tile::kGyStride + warp_row + g;
    uint32_t filters[Tile::kM][4];
#pragma unroll
    for (int i = 0; i < Tile::kM; ++i) {
      filters[i][0] = from[i * 16], filters[i][1] = from[i * 16 + 8];
      filters[i][2] = from[i * 16 + 4 * Tile::kGyStride],
      filters[i][3] = from[i * 16 + 8 + 4 * Tile::kGyStride];
    }
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap) {
      const uint32_t* pixel =
          x + ((row + tap / 3) * kHaloWidth + column + tap % 3) * Tile::kXStride + warp_column + g;
#pragma unroll
      for (int i = 0; i < Tile::kM; ++i)
        mma(Type{}, sum[i][tap], filters[i], {pixel[0], pixel[4 * Tile::kXStride]});
    }
  };

  if (first < last)
    for (int piece = 0; piece < Tile::kSteps * Tile::kPiecesAStep; ++piece)
      put(first, piece, fetch(first, piece));
  for (int tile = first; tile < last; ++tile) {
    __syncthreads();  // this tile is there, and nobody is at the one before any more
    for (int step = 0; step < Tile::kSteps; ++step) {
      Raw<Type> next[Tile::kPiecesAStep] = {};
      const bool more = tile + 1 < last;
#pragma unroll
      for (int i = 0; i < Tile::kPiecesAStep; ++i)
        if (more) next[i] = fetch(tile + 1, step * Tile::kPiecesAStep + i);
      multiply(tile, step);
#pragma unroll
      for (int i = 0; i < Tile::kPiecesAStep; ++i)
        if (more) put(tile + 1, step * Tile::kPiecesAStep + i, next[i]);
    }
  }

#pragma unroll
  for (int i = 0; i < Tile::kM; ++i)
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int k = k0 + warp_row + i * 16 + g + half * 8, c = c0 + warp_column + 2 * t;
        float* to = a.parts + ((int64_t(share) * a.k + k) * kTaps + tap) * a.c + c;
        *reinterpret_cast<Pack<float, 2>*>(to) = {{sum[i][tap][2 * half], sum[i][tap][2 * half + 1]}};
      }
}

// out[i] = parts[0][i] + parts[1][i] + ..., quads of floats.
__global__ void __launch_bounds__(kBlock)
    add_up_kernel(const Float4* parts, int shares, int64_t quads, Float4* out) {
  const int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= quads) return;
  Float4 sum = parts[i];
#pragma unroll 4
  for (int share = 1; share < shares; ++share) {
    const Float4 v = parts[share * quads + i];
    for (int e = 0; e < 4; ++e) sum.v[e] += v.v[e];
  }
  out[i] = sum;
}

// A convolution with `rows` filters of c channels: forward, or by data as such a one.
template <class Tile>
void run_product(Cuda where, const char* name, bool by_data, ProductArguments a, int64_t n, const float* w) {
  using Type = typename Tile::Type;
  const int64_t bytes = int64_t(4) * a.k * kTaps * a.c / Type::kPerWord;
  auto* filters = static_cast<uint32_t*>(cuda::scratch(where, bytes));
  launch(where, {"conv_mma arrange", dim3(unsigned(a.c / 32), unsigned(a.k / 32), kTaps), 256},
         arrange_kernel<Type, Tile::kChannels>, w, a.k, a.c, by_data, filters);
  a.filters = filters;
  a.tile_rows = int(div_up(a.p, Tile::kRows)), a.tile_columns = int(div_up(a.q, kTileWidth));
  const dim3 grid(unsigned(n * a.tile_rows * a.tile_columns), unsigned(a.k / Tile::kFilters));
  launch(where, {name, grid, Tile::kThreads, Tile::smem(a.c)}, product_kernel<Tile>, a);
}

// Blocks that fill a GPU. Choices made with it change the order of blocks and, by weights, the shares; so it
// is the same number on every GPU.
constexpr int64_t kFull = 264;

template <class Type, int Groups>
void product_variant(Cuda where, const char* name, bool by_data, const ProductArguments& a, int64_t n,
                     const float* w, int variant) {
  if (variant == 0) {
    const int64_t blocks = n * div_up(a.p, 8) * div_up(a.q, kTileWidth);
    if (a.k % 128 == 0 && blocks * a.k / 128 >= kFull)
      variant = 1;
    else if (a.k % 64 == 0)
      variant = blocks * a.k / 64 >= kFull ? 2 : 4;
    else
      variant = blocks * a.k / 32 >= kFull ? 3 : 5;
  }
  // Numbers of a tile: rows, filters, warps down, warps across, groups of words a row.
  if (variant == 1 && a.k % 128 == 0)
    return run_product<ProductTile<Type, 8, 128, 2, 4, Groups>>(where, name, by_data, a, n, w);
  if (variant == 2 && a.k % 64 == 0)
    return run_product<ProductTile<Type, 8, 64, 2, 2, Groups>>(where, name, by_data, a, n, w);
  if (variant == 3) return run_product<ProductTile<Type, 8, 32, 4, 1, Groups>>(where, name, by_data, a, n, w);
  if (variant == 4 && a.k % 64 == 0)
    return run_product<ProductTile<Type, 4, 64, 2, 2, Groups>>(where, name, by_data, a, n, w);
  if (variant == 5) return run_product<ProductTile<Type, 4, 32, 4, 1, Groups>>(where, name, by_data, a, n, w);
  fail("conv_mma: variant ", variant, " does not take ", a.k, " filters; variant 0 chooses");
}

void product(Cuda where, const char* name, bool by_data, const ProductArguments& a, int64_t n, const float* w,
             int variant) {
  if (where.precision == Precision::tf32)
    product_variant<Tf32, 2>(where, name, by_data, a, n, w, variant);
  else if (a.c % 64 == 0)
    product_variant<Bf16, 2>(where, name, by_data, a, n, w, variant);
  else
    product_variant<Bf16, 1>(where, name, by_data, a, n, w, variant);
}

template <class Tile>
void run_weights(Cuda where, WeightsArguments a, int64_t n, float* gw) {
  a.tile_rows = int(div_up(a.p, Tile::kRows)), a.tile_columns = int(div_up(a.q, kTileWidth));
  a.tiles = int(n * a.tile_rows * a.tile_columns);
  const dim3 owners(unsigned(a.c / Tile::kChannels), unsigned(a.k / Tile::kFilters));
  const int64_t wanted = div_up(kFull, int64_t(owners.x) * owners.y),
                shares = wanted < a.tiles ? wanted : a.tiles;
  const int64_t numbers = int64_t(a.k) * kTaps * a.c;
  a.parts = shares == 1 ? gw : static_cast<float*>(cuda::scratch(where, 4 * shares * numbers));
  launch(where, {"conv_dw_mma", dim3(owners.x, owners.y, unsigned(shares)), Tile::kThreads, Tile::kSmem},
         weights_kernel<Tile>, a);
  if (shares > 1)
    launch(where, {"conv_dw_mma add up", unsigned(div_up(numbers / 4, kBlock)), kBlock}, add_up_kernel,
           reinterpret_cast<const Float4*>(a.parts), int(shares), numbers / 4, reinterpret_cast<Float4*>(gw));
}

template <class Type>
void weights_variant(Cuda where, const WeightsArguments& a, int64_t n, float* gw, int variant) {
  if (variant == 0) variant = a.k % 64 == 0 ? 1 : 3;
  // Numbers of a tile: filters, warps down.
  if (variant == 1 && a.k % 64 == 0) return run_weights<WeightsTile<Type, 64, 2>>(where, a, n, gw);
  if (variant == 2 && a.k % 64 == 0) return run_weights<WeightsTile<Type, 64, 1>>(where, a, n, gw);
  if (variant == 3) return run_weights<WeightsTile<Type, 32, 1>>(where, a, n, gw);
  fail("conv_dw_mma: variant ", variant, " does not take ", a.k, " filters; variant 0 chooses");
}

}  // namespace

bool mma_takes(ConvKind kind, const ConvShape& g, int variant) {
  const int64_t filters = kind == ConvKind::by_data ? g.c : g.k;
  if (kind == ConvKind::by_weights) return variant == 0 || variant == 3 || filters % 64 == 0;
  return filters % (variant == 1 ? 128 : variant == 2 || variant == 4 ? 64 : 32) == 0;
}

bool mma_supports(ConvKind, const ConvShape& g, Precision precision) {
  constexpr int64_t kMost = int64_t(1) << 31;
  const auto fits = [](int64_t a, int64_t b) { return a * b < kMost; };
  return precision != Precision::fp32 && g.r == 3 && g.s == 3 && g.stride == 1 && g.n > 0 && g.p > 0 &&
         g.q > 0 && g.c > 0 && g.k > 0 && g.c % 32 == 0 && g.k % 32 == 0 && fits(g.n * g.h * g.w, g.c) &&
         fits(g.n * g.p * g.q, g.k);
}

void conv_mma(Cuda where, const ConvShape& g, const float* x, const float* w, const float* b, float slope,
              float* y, int variant) {
  const ProductArguments a{x,        nullptr,  b,        slope,    y,          int(g.h), int(g.w),
                           int(g.c), int(g.p), int(g.q), int(g.k), int(g.pad), 0,        0};
  product(where, "conv_mma", false, a, g.n, w, variant);
}
void conv_dx_mma(Cuda where, const ConvShape& g, const float* gy, const float* w, float* gx, int variant) {
  // gx[h] sums gy[p] over p + r - pad = h: a convolution of gy with the taps reversed and 2 - pad.
  const ProductArguments a{gy,       nullptr,  nullptr,        1, gx, int(g.p), int(g.q), int(g.k), int(g.h),
                           int(g.w), int(g.c), int(2 - g.pad), 0, 0};
  product(where, "conv_dx_mma", true, a, g.n, w, variant);
}
void conv_dw_mma(Cuda where, const ConvShape& g, const float* x, const float* gy, float* gw, int variant) {
  const WeightsArguments a{x,        gy,       nullptr,    int(g.h), int(g.w), int(g.c), int(g.p),
                           int(g.q), int(g.k), int(g.pad), 0,        0,        0};
  if (where.precision == Precision::tf32)
    weights_variant<Tf32>(where, a, g.n, gw, variant);
  else
    weights_variant<Bf16>(where, a, g.n, gw, variant);
}

}  // namespace sga::kernels
