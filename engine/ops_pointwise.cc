// Pointwise ops and their derivatives.
#include <algorithm>

#include "engine/device.h"
#include "engine/ops.h"
#include "kernels/pointwise.h"
#include "kernels/sum_parts.h"

namespace sga {
namespace {

void check_same(const char* op, const Tensor& a, const Tensor& b) {
  SGA_CHECK(a.shape() == b.shape(), op, ": shapes must be equal, got ", a.shape(), " and ", b.shape());
  SGA_CHECK(a.dtype() == b.dtype(), op, ": dtypes must be equal, got ", name_of(a.dtype()), " and ",
            name_of(b.dtype()));
}

// y = f(where, x, ..., y, n) for kernels of one input.
template <class F>
Tensor map(const Tensor& x, F f) {
  Tensor y = empty(x.shape(), x.dtype());
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    f(where, x.data<T>(), y.data<T>(), x.numel());
  });
  return y;
}

template <class F>
Tensor map2(const char* op, const Tensor& a, const Tensor& b, F f) {
  check_same(op, a, b);
  Tensor y = empty(a.shape(), a.dtype());
  run(a, [&](auto where, auto zero) {
    using T = decltype(zero);
    f(where, a.data<T>(), b.data<T>(), y.data<T>(), a.numel());
  });
  return y;
}

// g where low < x < high, else 0; linear in g.
Tensor range_gate(const Tensor& g, const Tensor& x, double low, double high) {
  Tensor y = map2("range_gate", g, x, [=](auto where, auto* pg, auto* px, auto* py, int64_t n) {
    using T = std::remove_pointer_t<decltype(py)>;
    kernels::range_gate(where, pg, px, T(low), T(high), py, n);
  });
  return record(y, "range_gate", {g, x}, [x, low, high](const Tensor&, const Tensor& c, Needs) {
    return std::vector<Tensor>{range_gate(c, x, low, high), {}};
  });
}

// alpha * a + beta * b under the name its caller gave it.
Tensor combine(const char* op, const Tensor& a, double alpha, const Tensor& b, double beta) {
  Tensor y = map2(op, a, b, [=](auto where, auto* pa, auto* pb, auto* py, int64_t n) {
    using T = std::remove_pointer_t<decltype(py)>;
    kernels::blend(where, pa, T(alpha), pb, T(beta), py, n);
  });
  return record(y, op, {a, b}, [alpha, beta](const Tensor&, const Tensor& g, Needs needs) {
    return std::vector<Tensor>{!needs[0]    ? Tensor{}
                               : alpha == 1 ? g
                                            : affine(g, alpha),
                               !needs[1]   ? Tensor{}
                               : beta == 1 ? g
                                           : affine(g, beta)};
  });
}

}  // namespace

Tensor blend(const Tensor& a, double alpha, const Tensor& b, double beta) {
  return combine("blend", a, alpha, b, beta);
}
Tensor add(const Tensor& a, const Tensor& b) { return combine("add", a, 1, b, 1); }
Tensor sub(const Tensor& a, const Tensor& b) { return combine("sub", a, 1, b, -1); }

namespace {

// Two or more tensors each; all of one dtype.
void add_parts_of(const std::vector<std::vector<Tensor>*>& lists) {
  run(lists[0]->front(), [&](auto where, auto zero) {
    using T = decltype(zero);
    std::vector<kernels::PartsOf<T>> table;
    std::vector<Tensor> sums;
    for (const auto* list : lists) {
      const Tensor& y = sums.emplace_back(empty(list->front().shape(), list->front().dtype()));
      kernels::PartsOf<T> parts{y.data<T>(), {}, 0, y.numel()};
      for (const Tensor& t : *list) {
        check_same("add_parts", list->front(), t);
        if (parts.count < kernels::kMostParts) parts.part[parts.count++] = t.data<T>();
      }
      table.push_back(parts);
    }
    kernels::sum_parts(where, table.data(), int(table.size()));
    for (size_t i = 0; i < lists.size(); ++i) {
      const auto rest = lists[i]->begin() + std::min<int64_t>(kernels::kMostParts, int64_t(lists[i]->size()));
      lists[i]->erase(lists[i]->begin() + 1, rest);
      lists[i]->front() = sums[i];
    }
  });
}

}  // namespace

std::vector<Tensor> add_parts(const std::vector<std::vector<Tensor>>& lists) {
  std::vector<std::vector<Tensor>> left = lists;
  for (;;) {
    std::vector<std::vector<Tensor>*> longer;
    for (auto& list : left)
      if (list.size() > 1) longer.push_back(&list);
    if (longer.empty()) break;
    add_parts_of(longer);
  }
  std::vector<Tensor> sums;
  for (auto& list : left) {
    SGA_CHECK(!list.empty(), "add_parts: a list is empty");
    sums.push_back(list.front());
  }
  return sums;
}

Tensor mul(const Tensor& a, const Tensor& b) {
  Tensor y = map2("mul", a, b, [](auto where, auto* pa, auto* pb, auto* py, int64_t n) {
    kernels::mul(where, pa, pb, py, n);
  });
  return record(y, "mul", {a, b}, [a, b](const Tensor&, const Tensor& g, Needs needs) {
    return std::vector<Tensor>{needs[0] ? mul(g, b) : Tensor{}, needs[1] ? mul(g, a) : Tensor{}};
  });
}

Tensor affine(const Tensor& x, double scale, double shift) {
  Tensor y = map(x, [=](auto where, auto* px, auto* py, int64_t n) {
    using T = std::remove_pointer_t<decltype(py)>;
    kernels::affine(where, px, T(scale), T(shift), py, n);
  });
  return record(y, "affine", {x}, [scale](const Tensor&, const Tensor& g, Needs) {
    return std::vector<Tensor>{scale == 1 ? g : affine(g, scale)};
  });
}

Tensor power(const Tensor& x, double exponent) {
  Tensor y = map(x, [=](auto where, auto* px, auto* py, int64_t n) {
    using T = std::remove_pointer_t<decltype(py)>;
    kernels::power(where, px, T(exponent), py, n);
  });
  return record(y, "power", {x}, [x, exponent](const Tensor&, const Tensor& g, Needs) {
    return std::vector<Tensor>{mul(g, affine(exponent == 2 ? x : power(x, exponent - 1), exponent))};
  });
}

Tensor gate(const Tensor& g, const Tensor& x, double slope) {
  Tensor y = map2("gate", g, x, [=](auto where, auto* pg, auto* px, auto* py, int64_t n) {
    using T = std::remove_pointer_t<decltype(py)>;
    kernels::gate(where, pg, px, T(slope), py, n);
  });
  return record(y, "gate", {g, x}, [x, slope](const Tensor&, const Tensor& c, Needs) {
    return std::vector<Tensor>{gate(c, x, slope), {}};
  });
}

Tensor leaky_relu(const Tensor& x, double slope) {
  Tensor y = map(x, [=](auto where, auto* px, auto* py, int64_t n) {
    using T = std::remove_pointer_t<decltype(py)>;
    kernels::gate(where, px, px, T(slope), py, n);
  });
  return record(y, "leaky_relu", {x}, [x, slope](const Tensor&, const Tensor& g, Needs) {
    return std::vector<Tensor>{gate(g, x, slope)};
  });
}

Tensor tanh(const Tensor& x) {
  Tensor y = map(x, [](auto where, auto* px, auto* py, int64_t n) { kernels::tanh(where, px, py, n); });
  return record(y, "tanh", {x}, [](const Tensor& out, const Tensor& g, Needs) {
    return std::vector<Tensor>{mul(g, affine(mul(out, out), -1, 1))};
  });
}

Tensor sigmoid(const Tensor& x) {
  Tensor y = map(x, [](auto where, auto* px, auto* py, int64_t n) { kernels::sigmoid(where, px, py, n); });
  return record(y, "sigmoid", {x}, [](const Tensor& out, const Tensor& g, Needs) {
    return std::vector<Tensor>{mul(g, blend(out, 1, mul(out, out), -1))};
  });
}

Tensor truncate(const Tensor& x) {
  return map(x, [](auto where, auto* px, auto* py, int64_t n) { kernels::truncate(where, px, py, n); });
}

Tensor abs(const Tensor& x) {
  Tensor y = map(x, [](auto where, auto* px, auto* py, int64_t n) { kernels::abs(where, px, py, n); });
  return record(y, "abs", {x},
                [x](const Tensor&, const Tensor& g, Needs) { return std::vector<Tensor>{sign_gate(g, x)}; });
}

Tensor sign_gate(const Tensor& g, const Tensor& x) {
  Tensor y = map2("sign_gate", g, x, [](auto where, auto* pg, auto* px, auto* py, int64_t n) {
    kernels::sign_gate(where, pg, px, py, n);
  });
  return record(y, "sign_gate", {g, x}, [x](const Tensor&, const Tensor& c, Needs) {
    return std::vector<Tensor>{sign_gate(c, x), {}};
  });
}

Tensor clamp(const Tensor& x, double low, double high) {
  Tensor y = map(x, [=](auto where, auto* px, auto* py, int64_t n) {
    using T = std::remove_pointer_t<decltype(py)>;
    kernels::clamp(where, px, T(low), T(high), py, n);
  });
  return record(y, "clamp", {x}, [x, low, high](const Tensor&, const Tensor& g, Needs) {
    return std::vector<Tensor>{range_gate(g, x, low, high)};
  });
}

}  // namespace sga
