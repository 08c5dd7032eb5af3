// Tensor core convolutions against the loops in double, on operands rounded as the hardware rounds them: what
// is left is float32 summation. And who computes what.
#include <bit>
#include <cfloat>

#include "kernels/conv_cuda.h"
#include "tests/expect_close.h"
#include "tests/gpu_numbers.h"

namespace sga::kernels {
namespace {

ConvShape shape_of(int64_t n, int64_t h, int64_t w, int64_t c, int64_t k, int64_t pad) {
  return conv_shape(n, h, w, c, k, 3, 3, 1, pad);
}

// To 10 bits of mantissa, ties away from zero, or to 7, ties to even.
float rounded(float v, Precision precision) {
  uint32_t bits = std::bit_cast<uint32_t>(v);
  if (precision == Precision::tf32)
    bits = (bits + 0x1000u) & 0xffffe000u;
  else
    bits = (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
  return std::bit_cast<float>(bits);
}
std::vector<double> rounded(const std::vector<float>& v, Precision precision) {
  std::vector<double> out;
  for (const float x : v) out.push_back(rounded(x, precision));
  return out;
}

struct Case {
  ConvShape g;
  Precision precision;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.g.h << "x" << c.g.w << "x" << c.g.c << " to " << c.g.k << ", pad " << c.g.pad
       << (c.precision == Precision::tf32 ? ", tf32" : ", bf16");
}

// One and several chunks of channels (32 or 64 at once), every number of filters a tile may have, tiles cut
// off at both edges, several images, every pad.
const Case kCases[] = {
    {shape_of(1, 7, 19, 32, 32, 0), Precision::tf32},  {shape_of(2, 4, 5, 64, 32, 1), Precision::tf32},
    {shape_of(1, 11, 9, 32, 64, 1), Precision::tf32},  {shape_of(1, 4, 6, 96, 128, 0), Precision::tf32},
    {shape_of(1, 3, 3, 128, 32, 2), Precision::tf32},  {shape_of(1, 7, 19, 32, 32, 0), Precision::bf16},
    {shape_of(2, 4, 5, 64, 32, 1), Precision::bf16},   {shape_of(1, 11, 9, 32, 64, 1), Precision::bf16},
    {shape_of(1, 4, 6, 128, 128, 0), Precision::bf16}, {shape_of(1, 3, 3, 96, 32, 2), Precision::bf16},
};

class GpuConvMma : public testing::TestWithParam<Case> {
 protected:
  GpuConvMma() { gpu.precision = GetParam().precision; }
  Cuda gpu = test_gpu();
  const ConvShape g = GetParam().g;
  const int64_t xs = g.n * g.h * g.w * g.c, ws = g.k * 9 * g.c, ys = g.n * g.p * g.q * g.k;
  const std::vector<float> x = numbers(xs, 1), w = numbers(ws, 2), b = numbers(g.k, 3), gy = numbers(ys, 4);
  const std::vector<double> rx = rounded(x, GetParam().precision), rw = rounded(w, GetParam().precision),
                            rgy = rounded(gy, GetParam().precision);
  const GpuArray<float> dx{x}, dw{w}, db{b}, dgy{gy};
};

TEST_P(GpuConvMma, Forward) {
  std::vector<double> want(static_cast<size_t>(ys)), plain(want);
  conv_reference<double>(g, rx.data(), rw.data(), doubles(b).data(), 0.2, want.data());
  conv_reference<double>(g, rx.data(), rw.data(), nullptr, 1, plain.data());
  for (int variant = 0; variant <= kMmaVariants[0]; ++variant) {
    if ((variant == 1 && g.k % 128) || ((variant == 2 || variant == 4) && g.k % 64)) continue;
    const GpuArray<float> y(ys), again(ys), bare(ys);
    conv_mma(gpu, g, dx.get(), dw.get(), db.get(), 0.2f, y.get(), variant);
    conv_mma(gpu, g, dx.get(), dw.get(), db.get(), 0.2f, again.get(), variant);
    conv_mma(gpu, g, dx.get(), dw.get(), nullptr, 1, bare.get(), variant);
    expect_close(doubles(y.read()), want, FLT_EPSILON, double(9 * g.c), 1,
                 "variant " + std::to_string(variant));
    expect_close(doubles(bare.read()), plain, FLT_EPSILON, double(9 * g.c), 1, "without bias");
    EXPECT_EQ(y.read(), again.read());
  }
}

TEST_P(GpuConvMma, ByData) {
  std::vector<double> want(static_cast<size_t>(xs));
  conv_dx_reference<double>(g, rgy.data(), rw.data(), want.data());
  for (int variant = 0; variant <= kMmaVariants[1]; ++variant) {
    if ((variant == 1 && g.c % 128) || ((variant == 2 || variant == 4) && g.c % 64)) continue;
    const GpuArray<float> gx(xs);
    conv_dx_mma(gpu, g, dgy.get(), dw.get(), gx.get(), variant);
    expect_close(doubles(gx.read()), want, FLT_EPSILON, double(9 * g.k), 1,
                 "variant " + std::to_string(variant));
  }
}

TEST_P(GpuConvMma, ByWeights) {
  std::vector<double> want(static_cast<size_t>(ws));
  conv_dw_reference<double>(g, rx.data(), rgy.data(), want.data());
  for (int variant = 0; variant <= kMmaVariants[2]; ++variant) {
    if ((variant == 1 || variant == 2) && g.k % 64) continue;
    const GpuArray<float> gw(ws), again(ws);
    conv_dw_mma(gpu, g, dx.get(), dgy.get(), gw.get(), variant);
    conv_dw_mma(gpu, g, dx.get(), dgy.get(), again.get(), variant);
    expect_close(doubles(gw.read()), want, FLT_EPSILON, double(g.n * g.p * g.q), 1,
                 "variant " + std::to_string(variant));
    EXPECT_EQ(gw.read(), again.read());
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, GpuConvMma, testing::ValuesIn(kCases));

TEST(ConvEngines, EveryEngineAgrees) {
  Cuda gpu = test_gpu();
  const ConvShape g = shape_of(1, 6, 7, 32, 32, 1);
  const int64_t xs = g.n * g.h * g.w * g.c, ws = g.k * 9 * g.c, ys = g.n * g.p * g.q * g.k;
  const std::vector<float> x = numbers(xs, 1), w = numbers(ws, 2), gy = numbers(ys, 4);
  const GpuArray<float> dx(x), dw(w), dgy(gy);
  std::vector<double> want(static_cast<size_t>(ys)), want_gx(static_cast<size_t>(xs)),
      want_gw(static_cast<size_t>(ws));
  conv_reference<double>(g, doubles(x).data(), doubles(w).data(), nullptr, 0.2, want.data());
  conv_dx_reference<double>(g, doubles(gy).data(), doubles(w).data(), want_gx.data());
  conv_dw_reference<double>(g, doubles(x).data(), doubles(gy).data(), want_gw.data());
  for (const auto& [precision, eps] :
       {std::pair{Precision::tf32, 0x1p-11}, std::pair{Precision::bf16, 0x1p-8}})
    for (const ConvEngine engine :
         {ConvEngine::best, ConvEngine::library, ConvEngine::mma, ConvEngine::direct}) {
      gpu.precision = precision;
      const GpuArray<float> y(ys), gx(xs), gw(ws);
      conv_with(engine, gpu, g, dx.get(), dw.get(), nullptr, 0.2f, y.get());
      conv_dx_with(engine, gpu, g, dgy.get(), dw.get(), gx.get());
      conv_dw_with(engine, gpu, g, dx.get(), dgy.get(), gw.get());
      // Two operands, each rounded to eps of itself: expect_close allows for that.
      expect_close(doubles(y.read()), want, eps, 1, 1, "conv");
      expect_close(doubles(gx.read()), want_gx, eps, 1, 1, "conv_dx");
      expect_close(doubles(gw.read()), want_gw, eps, 1, 1, "conv_dw");
    }
}

TEST(ConvEngines, UnalignedArraysAreTakenToo) {
  Cuda gpu = test_gpu();
  gpu.precision = Precision::fp32;
  const ConvShape g = shape_of(1, 5, 6, 4, 8, 1);
  const int64_t xs = g.n * g.h * g.w * g.c, ws = g.k * 9 * g.c, ys = g.n * g.p * g.q * g.k;
  const std::vector<float> x = numbers(xs, 1), w = numbers(ws, 2);
  const ShiftedArray dx(x, 1), dw(w, 3), y(ys, 2);
  std::vector<double> want(static_cast<size_t>(ys));
  conv_reference<double>(g, doubles(x).data(), doubles(w).data(), nullptr, 1, want.data());
  conv(gpu, g, dx.get(), dw.get(), nullptr, 1, y.get());
  expect_close(doubles(y.read()), want, FLT_EPSILON, double(9 * g.c));
}

TEST(ConvEngines, TensorCoresSayWhatTheyTake) {
  const ConvShape good = shape_of(1, 8, 8, 32, 64, 1);
  EXPECT_TRUE(mma_supports(ConvKind::forward, good, Precision::tf32));
  EXPECT_FALSE(mma_supports(ConvKind::forward, good, Precision::fp32));
  EXPECT_FALSE(mma_supports(ConvKind::by_data, shape_of(1, 8, 8, 3, 64, 1), Precision::tf32));
  EXPECT_FALSE(mma_supports(ConvKind::by_weights, shape_of(1, 8, 8, 32, 1, 1), Precision::bf16));
  ConvShape strided = good;
  strided.stride = 2, strided.p = strided.q = 4;
  EXPECT_FALSE(mma_supports(ConvKind::forward, strided, Precision::tf32));
  Cuda gpu = test_gpu();
  const GpuArray<float> a(int64_t{64 * 9 * 32}), x(int64_t{8 * 8 * 64});
  try {
    conv_with(ConvEngine::mma, gpu, strided, x.get(), a.get(), nullptr, 1, x.get());
    FAIL() << "took a stride of 2";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("stride 2"), std::string::npos) << e.what();
  }
}

TEST(ConvEngines, BiasAndActivationByThemselves) {
  for (const auto& [k, shift] : {std::pair{8, 0}, std::pair{8, 1}, std::pair{3, 0}})
    for (const bool biased : {true, false}) {
      const std::vector<float> y = numbers(37 * k, 1), b = numbers(k, 2);
      const ShiftedArray dy(y, shift), db(b, 0);
      bias_act(test_gpu(), 37, k, biased ? db.get() : nullptr, 0.25f, dy.get());
      std::vector<float> want = y;
      for (size_t i = 0; i < want.size(); ++i) {
        const float u = want[i] + (biased ? b[i % size_t(k)] : 0.0f);
        want[i] = u > 0 ? u : 0.25f * u;
      }
      EXPECT_EQ(dy.read(), want);
    }
  // Of bfloat16: what round_to_bf16 wrote, widened.
  const std::vector<float> y = numbers(40 * 8, 3);
  const GpuArray<float> dy(y), out(int64_t{40 * 8});
  const GpuArray<uint16_t> half(int64_t{40 * 8});
  round_to_bf16(test_gpu(), dy.get(), 160, half.get(), dy.get() + 160, 160, half.get() + 160);
  widen_bias_act(test_gpu(), 40, 8, half.get(), nullptr, 0.5f, out.get());
  std::vector<float> want;
  for (const float v : y) want.push_back(rounded(v, Precision::bf16) * (v > 0 ? 1.0f : 0.5f));
  EXPECT_EQ(out.read(), want);
}

TEST(ConvEngines, RoundsBothOperandsInOneLaunch) {
  const std::vector<float> a = numbers(21, 1), b = numbers(1030, 2);
  const GpuArray<float> da(a), db(b);
  const GpuArray<uint16_t> ra(int64_t(a.size())), rb(int64_t(b.size()));
  round_to_bf16(test_gpu(), da.get(), 21, ra.get(), db.get(), 1030, rb.get());
  const auto bits = [](const std::vector<float>& v) {
    std::vector<uint16_t> out;
    for (const float f : v)
      out.push_back(uint16_t(std::bit_cast<uint32_t>(rounded(f, Precision::bf16)) >> 16));
    return out;
  };
  EXPECT_EQ(ra.read(), bits(a));
  EXPECT_EQ(rb.read(), bits(b));
}

}  // namespace
}  // namespace sga::kernels
