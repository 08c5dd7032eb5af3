// Float convolution and matrix product through oneDNN. Activations stay in NHWC: only filters are reordered,
// into the blocked layout oneDNN asks for. A primitive is made once per (kind, shape, precision) and cached.
#include <omp.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/check.h"
#include "kernels/conv.h"
#include "kernels/conv_patches.h"
#include "kernels/gemm.h"

namespace sga::kernels {
namespace {

using Type = dnnl::memory::data_type;
using Tag = dnnl::memory::format_tag;
using Desc = dnnl::memory::desc;

dnnl::engine& cpu() {
  static dnnl::engine e(dnnl::engine::kind::cpu, 0);
  return e;
}
dnnl::stream& stream() {
  static dnnl::stream s(cpu());
  return s;
}
// One compute stream: the whole call is serial, so the scratch blocks can be shared by all primitives.
std::mutex& serial() {
  static std::mutex m;
  return m;
}

// Scratch by role, grown to the largest request and kept.
class Scratch {
 public:
  void* get(size_t bytes) {
    if (bytes > bytes_) {
      std::free(data_);
      bytes_ = (bytes + 4095) / 4096 * 4096;
      data_ = std::aligned_alloc(64, bytes_);
      if (!data_) {
        bytes_ = 0;
        fail("out of memory: a convolution needed ", bytes,
             " bytes of scratch; use a smaller image or --batch");
      }
    }
    return data_;
  }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

struct Workspace {
  Scratch primitive, source, filter, other;
};
Workspace& workspace() {
  static Workspace* w = new Workspace;
  return *w;
}

enum class Kind { forward, by_data, by_weights };

// A primitive and its operands, bound once. A call only changes addresses: making memory objects and a table
// of arguments takes as long as a small convolution's filters take to reorder.
class Call {
 public:
  Call() = default;
  Call(dnnl::primitive primitive, std::initializer_list<std::pair<int, Desc>> operands)
      : primitive_(std::move(primitive)) {
    for (const auto& [argument, desc] : operands) {
      memory_.push_back(dnnl::memory(desc, cpu(), DNNL_MEMORY_NONE));
      arguments_.push_back({argument, memory_.back().get()});
    }
  }
  explicit operator bool() const { return !memory_.empty(); }
  // Addresses in the order of the operands.
  void operator()(std::initializer_list<const void*> addresses) const {
    size_t i = 0;
    for (const void* address : addresses) memory_[i++].set_data_handle(const_cast<void*>(address));
    dnnl::error::wrap_c_api(
        dnnl_primitive_execute(primitive_.get(), stream().get(), int(arguments_.size()), arguments_.data()),
        "the primitive did not run");
  }

 private:
  dnnl::primitive primitive_;
  std::vector<dnnl::memory> memory_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

// One thread for a short copy: waking the others costs more than the copy.
class FewThreads {
 public:
  explicit FewThreads(size_t bytes) : before_(omp_get_max_threads()) {
    constexpr size_t kWorthWaking = 256 << 10;
    if (bytes < kWorthWaking) omp_set_num_threads(1);
  }
  ~FewThreads() { omp_set_num_threads(before_); }

 private:
  int before_;
};

Call reorder(const Desc& from, const Desc& to) {
  return Call(dnnl::reorder(dnnl::reorder::primitive_desc(cpu(), from, cpu(), to)),
              {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}
void copy(const Call& reorder, size_t bytes, const void* from, void* to) {
  FewThreads guard(bytes);
  reorder({from, to});
}

// A convolution ready to run, with the reorders (empty: none) where its layout or type differs from ours.
struct Plan {
  Call conv;
  size_t a, b, c;  // bytes of the plan's own operands and result
  size_t scratch;
  Call to_a, to_b, from_c;
};

Plan make_plan(Kind kind, const ConvShape& g, Precision precision, bool bias, float slope) {
  // By data, fewer filters than a tile row leave the bf16 units idle: float is twice as fast there.
  const bool narrow = kind == Kind::by_data && g.k < 16;
  const Type half = precision == Precision::bf16 && !narrow ? Type::bf16 : Type::f32;
  const dnnl::memory::dims xd{g.n, g.c, g.h, g.w}, wd{g.k, g.c, g.r, g.s}, yd{g.n, g.k, g.p, g.q};
  const dnnl::memory::dims stride{g.stride, g.stride}, before{g.pad, g.pad};
  // Padding on the far side: what makes the extents come out, negative where rows are left unread.
  const dnnl::memory::dims after{(g.p - 1) * g.stride + g.r - g.h - g.pad,
                                 (g.q - 1) * g.stride + g.s - g.w - g.pad};
  const Desc x(xd, kind == Kind::by_data ? Type::f32 : half, Tag::nhwc);
  const Desc w(wd, kind == Kind::by_weights ? Type::f32 : half, Tag::any);
  const Desc y(yd, kind == Kind::forward ? Type::f32 : half, Tag::nhwc);
  const Desc b = bias ? Desc({g.k}, Type::f32, Tag::a) : Desc();
  const auto algorithm = dnnl::algorithm::convolution_direct;
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);

  dnnl::primitive_attr forward_attributes = attributes;
  if (slope != 1) {
    dnnl::post_ops ops;
    ops.append_eltwise(1, dnnl::algorithm::eltwise_relu, slope, 0);
    forward_attributes.set_post_ops(ops);
  }
  using Forward = dnnl::convolution_forward;
  const auto forward_desc = [&](const Desc& fx, const Desc& fw, const Desc& fy) {
    const auto prop =
        kind == Kind::forward ? dnnl::prop_kind::forward_inference : dnnl::prop_kind::forward_training;
    return bias ? Forward::desc(prop, algorithm, fx, fw, b, fy, stride, before, after)
                : Forward::desc(prop, algorithm, fx, fw, fy, stride, before, after);
  };

  Plan plan;
  const auto bind = [&](const dnnl::primitive& conv, const Desc& scratch, std::pair<int, Desc> pa,
                        std::pair<int, Desc> pb, std::pair<int, Desc> pc) {
    const Desc xu(xd, Type::f32, Tag::nhwc), wu(wd, Type::f32, Tag::ohwi), yu(yd, Type::f32, Tag::nhwc);
    const Desc& a_user = kind == Kind::by_data ? yu : xu;
    const Desc& b_user = kind == Kind::by_weights ? yu : wu;
    const Desc& c_user = kind == Kind::forward ? yu : kind == Kind::by_data ? xu : wu;
    plan.a = pa.second.get_size(), plan.b = pb.second.get_size(), plan.c = pc.second.get_size();
    plan.scratch = scratch.get_size();
    if (pa.second != a_user) plan.to_a = reorder(a_user, pa.second);
    if (pb.second != b_user) plan.to_b = reorder(b_user, pb.second);
    if (pc.second != c_user) plan.from_c = reorder(pc.second, c_user);
    plan.conv = bias ? Call(conv, {pa, pb, pc, {DNNL_ARG_SCRATCHPAD, scratch}, {DNNL_ARG_BIAS, b}})
                     : Call(conv, {pa, pb, pc, {DNNL_ARG_SCRATCHPAD, scratch}});
  };
  if (kind == Kind::forward) {
    Forward::primitive_desc pd(forward_desc(x, w, y), forward_attributes, cpu());
    bind(Forward(pd), pd.scratchpad_desc(), {DNNL_ARG_SRC, pd.src_desc()},
         {DNNL_ARG_WEIGHTS, pd.weights_desc()}, {DNNL_ARG_DST, pd.dst_desc()});
    return plan;
  }
  // Backward descriptors want the forward one as a hint, with the same types where they meet.
  Forward::primitive_desc hint(
      forward_desc(Desc(xd, half, Tag::nhwc), Desc(wd, half, Tag::any), Desc(yd, half, Tag::nhwc)), cpu());
  if (kind == Kind::by_data) {
    using Backward = dnnl::convolution_backward_data;
    Backward::primitive_desc pd(Backward::desc(algorithm, x, w, y, stride, before, after), attributes, cpu(),
                                hint);
    bind(Backward(pd), pd.scratchpad_desc(), {DNNL_ARG_DIFF_DST, pd.diff_dst_desc()},
         {DNNL_ARG_WEIGHTS, pd.weights_desc()}, {DNNL_ARG_DIFF_SRC, pd.diff_src_desc()});
  } else {
    using Backward = dnnl::convolution_backward_weights;
    Backward::primitive_desc pd(Backward::desc(algorithm, x, w, y, stride, before, after), attributes, cpu(),
                                hint);
    bind(Backward(pd), pd.scratchpad_desc(), {DNNL_ARG_SRC, pd.src_desc()},
         {DNNL_ARG_DIFF_DST, pd.diff_dst_desc()}, {DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc()});
  }
  return plan;
}

// Sampling at ever new sizes must not fill memory with primitives, which take about 0.1 MB each.
constexpr size_t kMostPlans = 1024;

const Plan& plan_for(Kind kind, const ConvShape& g, Precision precision, bool bias, float slope) {
  using Key = std::tuple<int, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                         int64_t, int64_t, int, bool, float>;
  static auto* plans = new std::map<Key, Plan>;
  const Key key{int(kind),      g.n,  g.h,  g.w, g.c, g.k, g.r, g.s, g.p, g.q, g.stride, g.pad,
                int(precision), bias, slope};
  auto found = plans->find(key);
  if (found == plans->end()) {
    if (plans->size() >= kMostPlans) plans->clear();
    found = plans->emplace(key, make_plan(kind, g, precision, bias, slope)).first;
  }
  return found->second;
}

void execute(Kind kind, const ConvShape& g, Precision precision, const float* a, const float* b,
             const float* bias, float slope, float* c) {
  std::lock_guard lock(serial());
  try {
    const Plan& plan = plan_for(kind, g, precision, bias != nullptr, slope);
    Workspace& ws = workspace();
    const void* pa = a;
    const void* pb = b;
    void* pc = c;
    if (plan.to_a) copy(plan.to_a, plan.a, a, ws.source.get(plan.a)), pa = ws.source.get(plan.a);
    if (plan.to_b) copy(plan.to_b, plan.b, b, ws.filter.get(plan.b)), pb = ws.filter.get(plan.b);
    if (plan.from_c) pc = ws.other.get(plan.c);
    void* scratch = ws.primitive.get(plan.scratch);
    if (bias)
      plan.conv({pa, pb, pc, scratch, bias});
    else
      plan.conv({pa, pb, pc, scratch});
    if (plan.from_c) copy(plan.from_c, plan.c, pc, c);
    stream().wait();
  } catch (const dnnl::error& e) {
    fail("convolution: oneDNN refused x (", g.n, ",", g.h, ",", g.w, ",", g.c, ") with filters (", g.k, ",",
         g.r, ",", g.s, ",", g.c, ") stride ", g.stride, " pad ", g.pad, ": ", e.message);
  }
}

// A matrix product with operands rounded to bfloat16. The left one is laid out plainly, the right one stays
// as it is.
struct Product {
  Call to_a, to_b, matmul;
  size_t a, b;  // bytes of the rounded operands
};

Product make_product(bool ta, bool tb, int64_t m, int64_t n, int64_t k) {
  const Tag a_tag = ta ? Tag::ba : Tag::ab, b_tag = tb ? Tag::ba : Tag::ab;
  const Desc a({m, k}, Type::bf16, Tag::ab), b({k, n}, Type::bf16, b_tag), c({m, n}, Type::f32, Tag::ab);
  return {
      reorder(Desc({m, k}, Type::f32, a_tag), a), reorder(Desc({k, n}, Type::f32, b_tag), b),
      Call(dnnl::matmul({{a, b, c}, cpu()}), {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}}),
      a.get_size(), b.get_size()};
}

const Product& product_for(bool ta, bool tb, int64_t m, int64_t n, int64_t k) {
  using Key = std::tuple<bool, bool, int64_t, int64_t, int64_t>;
  static auto* products = new std::map<Key, Product>;
  const Key key{ta, tb, m, n, k};
  auto found = products->find(key);
  if (found == products->end()) {
    if (products->size() >= kMostPlans) products->clear();
    found = products->emplace(key, make_product(ta, tb, m, n, k)).first;
  }
  return found->second;
}

}  // namespace

void conv(Cpu where, const ConvShape& g, const float* x, const float* w, const float* b, float slope,
          float* y) {
  if (patches_are_faster(where, g)) return conv_by_patches(where, g, x, w, b, slope, y);
  execute(Kind::forward, g, where.precision, x, w, b, slope, y);
}
void conv_dx(Cpu where, const ConvShape& g, const float* gy, const float* w, float* gx) {
  if (patches_are_faster(where, g)) return conv_dx_by_patches(where, g, gy, w, gx);
  execute(Kind::by_data, g, where.precision, gy, w, nullptr, 1, gx);
}
void conv_dw(Cpu where, const ConvShape& g, const float* x, const float* gy, float* gw) {
  if (patches_are_faster(where, g)) return conv_dw_by_patches(where, g, x, gy, gw);
  execute(Kind::by_weights, g, where.precision, x, gy, nullptr, 1, gw);
}

void gemm(Cpu where, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, const float* b,
          float* c) {
  std::lock_guard lock(serial());
  constexpr double kWorthRounding = 1e6;  // below, rounding the operands takes longer than the product
  if (where.precision == Precision::bf16 && double(m) * double(n) * double(k) > kWorthRounding) {
    try {
      const Product& product = product_for(ta, tb, m, n, k);
      void* pa = workspace().source.get(product.a);
      void* pb = workspace().filter.get(product.b);
      copy(product.to_a, product.a, a, pa);
      copy(product.to_b, product.b, b, pb);
      product.matmul({pa, pb, c});
      stream().wait();
      return;
    } catch (const dnnl::error& e) {
      fail("matmul: oneDNN refused a bf16 product of ", m, "x", k, " by ", k, "x", n, ": ", e.message);
    }
  }
  const auto status =
      dnnl::sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1, a, ta ? m : k, b, tb ? k : n, 0, c, n);
  SGA_CHECK(status == dnnl::status::success, "matmul: oneDNN refused a product of ", m, "x", k, " by ", k,
            "x", n);
}
void gemm(Cpu, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const double* a, const double* b,
          double* c) {
  gemm_reference(ta, tb, m, n, k, a, b, c);
}

bool cpu_has_bf16() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16");
}
int cpu_threads() { return omp_get_max_threads(); }

}  // namespace sga::kernels
