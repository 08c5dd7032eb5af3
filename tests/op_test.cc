// Every row of the op table: float against double, gradient and second gradient against central differences
// in double.
#include <gtest/gtest.h>

#include <cfloat>

#include "engine/random.h"
#include "tests/expect_close.h"
#include "tests/op_cases.h"

namespace sga {
namespace {

class Op : public testing::TestWithParam<OpCase> {};

std::vector<Tensor> inputs_of(const OpCase& c, Dtype dtype, bool leaf) {
  std::vector<Tensor> result;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    result.push_back(case_input(c.inputs[i], int(i), c.low, c.high, Dtype::f32));
    if (dtype == Dtype::f64) result.back() = cast(result.back(), Dtype::f64);  // the same numbers in both
    if (leaf) result.back().set_requires_grad();
  }
  return result;
}

// sum(t * fixed random numbers): one scalar that every element of t enters with its own weight.
Tensor weighted(const Tensor& t, int seed) {
  return sum(mul(t, case_input(t.shape(), 100 + seed, -1, 1, t.dtype())));
}

Tensor first_order(const OpCase& c, const std::vector<Tensor>& in) { return weighted(c.f(in), 0); }

Tensor second_order(const OpCase& c, const std::vector<Tensor>& in) {
  const std::vector<Tensor> g = grad(first_order(c, in), in, {}, true);
  Tensor total = zeros({1}, in[0].dtype());
  for (size_t i = 0; i < g.size(); ++i) total = add(total, weighted(g[i], int(i) + 1));
  return total;
}

// Up to 40 elements of every input are moved by +-h.
template <class F>
void check_gradient(const OpCase& c, F scalar, double tolerance) {
  std::vector<Tensor> in = inputs_of(c, Dtype::f64, true);
  const std::vector<Tensor> g = grad(scalar(in), in);
  for (size_t i = 0; i < in.size(); ++i) {
    const std::vector<double> analytic = to_host<double>(g[i]), start = to_host<double>(in[i]);
    double largest = 1e-3;
    for (double v : analytic) largest = std::max(largest, std::abs(v));
    const int64_t stride = std::max<int64_t>(1, in[i].numel() / 40);
    for (int64_t e = 0; e < in[i].numel(); e += stride) {
      const double h = 2e-5;
      const auto at = [&](double offset) {
        std::vector<double> moved = start;
        moved[size_t(e)] += offset;
        std::vector<Tensor> shifted = in;
        shifted[i] = from_host(in[i].shape(), moved).set_requires_grad();
        return scalar(shifted).item();
      };
      // Fourth-order central difference: the error is h^4, far below the rounding of the sums.
      const double numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      ASSERT_NEAR(analytic[size_t(e)], numeric, tolerance * largest)
          << c.name << ", input " << i << ", element " << e;
    }
  }
}

TEST_P(Op, FloatMatchesDouble) {
  const OpCase& c = GetParam();
  NoGrad off;
  const Tensor want = c.f(inputs_of(c, Dtype::f64, false)), got = c.f(inputs_of(c, Dtype::f32, false));
  ASSERT_EQ(got.shape(), want.shape());
  EXPECT_EQ(got.dtype(), Dtype::f32);
  // Pointwise powers, norms and squares of sums magnify the rounding of what they are applied to: factor 8.
  expect_close(to_host<double>(got), to_host<double>(want), FLT_EPSILON, c.terms, 8, c.name);
}

TEST_P(Op, FloatGradientMatchesDouble) {
  const OpCase& c = GetParam();
  const auto gradients = [&](Dtype dtype) {
    const std::vector<Tensor> in = inputs_of(c, dtype, true);
    const Tensor y = c.f(in);
    return grad(y, in, case_input(y.shape(), 7, -1, 1, dtype));
  };
  const std::vector<Tensor> got = gradients(Dtype::f32), want = gradients(Dtype::f64);
  for (size_t i = 0; i < got.size(); ++i)
    // A sum over the output and one over the input meet in a gradient: factor 64 covers the largest case.
    expect_close(to_host<double>(got[i]), to_host<double>(want[i]), FLT_EPSILON, c.terms, 64, c.name);
}

TEST_P(Op, FloatSecondGradientMatchesDouble) {
  const OpCase& c = GetParam();
  if (!c.second) GTEST_SKIP() << "piecewise linear";
  const auto gradients = [&](Dtype dtype) {
    const std::vector<Tensor> in = inputs_of(c, dtype, true);
    return grad(second_order(c, in), in);
  };
  const std::vector<Tensor> got = gradients(Dtype::f32), want = gradients(Dtype::f64);
  for (size_t i = 0; i < got.size(); ++i)
    // Three sums in a row, and differences of nearly equal terms in a norm's derivative.
    expect_close(to_host<double>(got[i]), to_host<double>(want[i]), FLT_EPSILON, c.terms, 512, c.name);
}

TEST_P(Op, GradientMatchesDifferences) {
  const OpCase& c = GetParam();
  check_gradient(
      c, [&](const std::vector<Tensor>& in) { return first_order(c, in); }, 1e-7);
}

TEST_P(Op, SecondGradientMatchesDifferences) {
  const OpCase& c = GetParam();
  if (!c.second) {
    // Piecewise linear: the second derivative must exist and be zero.
    const std::vector<Tensor> in = inputs_of(c, Dtype::f64, true);
    for (const Tensor& g : grad(second_order(c, in), in))
      for (double v : to_host<double>(g)) ASSERT_EQ(v, 0) << c.name;
    return;
  }
  check_gradient(
      c, [&](const std::vector<Tensor>& in) { return second_order(c, in); }, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Table, Op, testing::ValuesIn(op_cases()),
                         [](const auto& row) { return row.param.name; });

// The critic of SinGAN asks for a third derivative of nothing, but the composite behind the fused second
// derivative makes one possible; it must be right.
TEST(Autograd, ThirdDerivativeOfInstanceNorm) {
  const OpCase c{"third", {{1, 3, 4, 2}, {2}, {2}}, [](const std::vector<Tensor>& t) {
                   return instance_norm(t[0], t[1], t[2], 1e-5, 0.2).y;
                 }};
  check_gradient(
      c,
      [&](const std::vector<Tensor>& in) {
        const std::vector<Tensor> g = grad(second_order(c, in), in, {}, true);
        return add(weighted(g[0], 5), weighted(g[1], 6));
      },
      1e-5);
}

// One channel of large variance beside one of tiny variance: eps matters for the second alone.
TEST(Autograd, NormDerivativesWithAGraphKeepEps) {
  const auto parameter_gradients = [](Dtype dtype) {
    std::vector<double> values = to_host<double>(case_input({1, 6, 7, 2}, 3, -1, 1, Dtype::f32));
    for (size_t i = 0; i < values.size(); ++i) values[i] *= i % 2 ? 1e-3 : 1e4;
    Tensor x = from_host({1, 6, 7, 2}, values, dtype), gamma = full({2}, 1, dtype),
           beta = full({2}, 0, dtype);
    gamma.set_requires_grad();
    const Tensor y = instance_norm(x, gamma, beta, 1e-5, 0.2).y;
    return to_host<double>(grad(y, {gamma}, case_input(y.shape(), 4, -1, 1, dtype), true)[0]);
  };
  const std::vector<double> got = parameter_gradients(Dtype::f32), want = parameter_gradients(Dtype::f64);
  for (size_t c = 0; c < 2; ++c) EXPECT_NEAR(got[c], want[c], 1e-4 * std::abs(want[c])) << "channel " << c;
}

TEST(Autograd, BranchingGraphsThatReuseNodes) {
  Tensor a = full({1}, -4, Dtype::f64).set_requires_grad(), b = full({1}, 2, Dtype::f64).set_requires_grad();
  Tensor c = add(a, b);
  Tensor d = add(mul(a, b), power(b, 3));
  c = add(c, affine(c, 1, 1));
  c = add(c, sub(affine(c, 1, 1), a));
  d = add(d, add(affine(d, 2), leaky_relu(add(b, a), 0)));
  d = add(d, add(affine(d, 3), leaky_relu(sub(b, a), 0)));
  const Tensor e = sub(c, d), f = power(e, 2);
  const Tensor g = add(affine(f, 0.5), mul(full({1}, 10, Dtype::f64), power(f, -1)));
  const std::vector<Tensor> gradients = grad(g, {a, b});
  const auto value = [](double x, double y) {
    double u = x + y, v = x * y + y * y * y;
    u += u + 1;
    u += 1 + u - x;
    v += v * 2 + std::max(0.0, y + x);
    v += 3 * v + std::max(0.0, y - x);
    const double w = (u - v) * (u - v);
    return w / 2 + 10 / w;
  };
  EXPECT_NEAR(g.item(), value(-4, 2), 1e-9);
  const double h = 1e-6;
  EXPECT_NEAR(gradients[0].item(), (value(-4 + h, 2) - value(-4 - h, 2)) / (2 * h), 1e-5);
  EXPECT_NEAR(gradients[1].item(), (value(-4, 2 + h) - value(-4, 2 - h)) / (2 * h), 1e-5);
}

TEST(Autograd, ManyContributionsToOneParameterAreAddedFromTheLeft) {
  Tensor p = from_host<double>({3}, {1, 2, 4});
  p.set_requires_grad();
  Tensor sum = affine(p, 1);
  std::vector<double> want(3, 1);
  for (int k = 2; k <= 7; ++k) {
    sum = add(sum, power(p, k));
    for (size_t i = 0; i < 3; ++i) want[i] += k * std::pow(std::vector<double>{1, 2, 4}[i], k - 1);
  }
  for (const bool create_graph : {false, true})
    EXPECT_EQ(to_host<double>(grad(sum, {p, p}, {}, create_graph)[1]), want);
}

TEST(Autograd, GradientsOfIntermediatesAndOfUnusedTensors) {
  Tensor x = full({2}, 3, Dtype::f64).set_requires_grad(),
         unused = full({3}, 1, Dtype::f64).set_requires_grad();
  const Tensor y = mul(x, x), z = sum(mul(y, y));
  const auto g = grad(z, {y, x, unused});
  EXPECT_EQ(to_host<double>(g[0]), (std::vector<double>{18, 18}));
  EXPECT_EQ(to_host<double>(g[1]), (std::vector<double>{108, 108}));
  EXPECT_EQ(to_host<double>(g[2]), (std::vector<double>{0, 0, 0}));
}

TEST(Autograd, NothingIsRecordedWithoutNeed) {
  const Tensor x = full({2}, 3), leaf = full({2}, 3).set_requires_grad();
  EXPECT_FALSE(mul(x, x).requires_grad());
  NoGrad off;
  EXPECT_FALSE(mul(leaf, leaf).requires_grad());
}

TEST(Autograd, FreesItsGraph) {
  const int64_t before = memory_stats().live;
  {
    Tensor x = full({1000}, 1).set_requires_grad(), y = x;
    for (int i = 0; i < 20000; ++i) y = affine(y, 1.0001);  // deep enough to overflow a recursive destructor
    EXPECT_GT(to_host<double>(grad(sum(y), {x})[0])[0], 1);
  }
  EXPECT_EQ(memory_stats().live, before);
}

TEST(Autograd, FreesItsGraphWhereANodeUsesOneTensorTwice) {
  Tensor x = full({1}, 1).set_requires_grad(), y = x;
  for (int i = 0; i < 300000; ++i) y = mul(y, y);
  EXPECT_EQ(grad(y, {y})[0].item(), 1);
}

TEST(Autograd, RefusesWhatItCannotDifferentiate) {
  const std::vector<Tensor> leaves(65, full({1}, 1).set_requires_grad());
  EXPECT_THROW(concat(leaves, 0), Error);
  EXPECT_THROW(grad({}, {leaves[0]}), Error);
  EXPECT_THROW(grad(sum(leaves[0]), {Tensor{}}), Error);
}

TEST(Autograd, BackwardOfOneGraphTwiceSeesUpdatedWeights) {
  // What the `official` mode of SinGAN relies on: the graph keeps activations but shares the weights'
  // storage.
  Tensor w = full({1}, 2, Dtype::f64).set_requires_grad(), x = full({1}, 3, Dtype::f64).set_requires_grad();
  const Tensor y = mul(mul(x, w), w);  // dy/dx = w * w
  EXPECT_EQ(grad(y, {x})[0].item(), 4);
  w.assign(full({1}, 5, Dtype::f64));
  EXPECT_EQ(grad(y, {x})[0].item(), 25);
  EXPECT_EQ(y.item(), 12);
}

struct Refusal {
  const char* message;
  std::function<void()> call;
};

TEST(Ops, RefuseWrongShapesWithOneSentence) {
  const Tensor x = zeros({1, 4, 4, 3}), w = zeros({5, 3, 3, 2}), v = zeros({3});
  const std::vector<Refusal> refusals = {
      {"add: shapes must be equal, got (1,4,4,3) and (3)", [&] { add(x, v); }},
      {"conv: x (1,4,4,3) and filters (5,3,3,2) must have equal last extents", [&] { conv(x, w); }},
      {"conv: a 3x3 filter does not fit an image of 2x2 padded by 0",
       [&] {
         conv(zeros({1, 2, 2, 2}), w);
       }},
      {"instance_norm: x must be (N,H,W,C), got (3)", [&] { instance_norm(v, {}, {}); }},
      {"instance_norm: needs at least 2 pixels, got (1,1,1,3)",
       [&] {
         instance_norm(zeros({1, 1, 1, 3}), {}, {});
       }},
      {"crop: 3x3 at row 2, column 0 does not lie in (1,4,4,3)", [&] { crop(x, 2, 0, 3, 3); }},
      {"slice: [2,5) does not lie in axis 3 of (1,4,4,3)", [&] { slice(x, 3, 2, 3); }},
      {"expand: an axis must be 1 or equal, got (1,4,4,3) and (1,4,4,6)",
       [&] {
         expand(x, {1, 4, 4, 6});
       }},
      {"reshape: (1,4,4,3) does not have the 7 elements of (7)", [&] { reshape(x, {7}); }},
      {"shape: an extent of (-1,-3) is negative or too large",
       [&] {
         reshape(v, {-1, -3});
       }},
      {"shape: an extent of (4294967296,4294967296) is negative or too large",
       [&] {
         empty({int64_t{1} << 32, int64_t{1} << 32});
       }},
      {"conv: the activation's slope must be > 0, got -0.5; use conv and leaky_relu",
       [&] {
         conv_bias_act(x, zeros({5, 3, 3, 3}), {}, {}, -0.5);
       }},
      {"instance_norm: the activation's slope must be >= 0, got -0.5",
       [&] { instance_norm(x, {}, {}, 1e-5, -0.5); }},
      {"gradient_penalty: g must be (N,H,W,C) and not empty, got (0,4,4,3)",
       [&] {
         gradient_penalty(zeros({0, 4, 4, 3}), NormOver::sample);
       }},
      {"bicubic_taps: 4 -> 100000 at 1e-09 needs too many terms",
       [] { bicubic_taps(4, 100000, 1e-9, true, false); }},
      {"mul: dtypes must be equal, got float32 and float64", [&] { mul(v, zeros({3}, Dtype::f64)); }},
  };
  for (const Refusal& r : refusals) {
    try {
      r.call();
      ADD_FAILURE() << "accepted: " << r.message;
    } catch (const Error& e) {
      EXPECT_STREQ(e.what(), r.message);
    }
  }
}

TEST(Ops, SumsOfNothingAreZero) {
  EXPECT_EQ(sum_to(zeros({0, 2, 2, 3}), {0, 1, 1, 3}).numel(), 0);
  EXPECT_EQ(to_host<float>(sum_to(zeros({2, 0, 3}), {2, 1, 3})), std::vector<float>(6, 0));
  EXPECT_EQ(to_host<float>(sum_to(zeros({2, 0}), {2, 1})), std::vector<float>(2, 0));
}

TEST(Memory, LimitIsNamedInTheError) {
  release_cached_memory();
  set_memory_limit(memory_stats().live + (1 << 20));
  try {
    const Tensor t = zeros({1 << 20});
    ADD_FAILURE() << "4 MiB fitted into 1 MiB";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("out of memory: needed 4194304 bytes more"), std::string::npos)
        << e.what();
  }
  set_memory_limit(0);
}

}  // namespace
}  // namespace sga
