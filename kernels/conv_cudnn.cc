// Convolution by cuDNN's backend graph API. An operation graph (a convolution, then the bias where it stands
// alone) goes to its heuristics, which answer with engine configurations, best first; one that is allowed,
// builds becomes the plan of this (kind, shape, precision), found once and kept. Candidates are not timed:
// the clock would decide the last bits, and the same seed must give the same bytes on the same device.
//
// Tensors are NHWC float32, filters KRSC: dimensions are told in the order N,C,H,W with strides that say so.
// Padding is the same on both sides; rows at the far end that no output reads are left unread, as p = (h +
// 2*pad - r)/stride + 1 rounds down in cuDNN too.
//
// bf16: operands are rounded into scratch first. cuDNN sums in float32 and rounds the result to bfloat16 as
// well, which the pass that adds bias and activation widens. (Engines that write float32, or apply leaky ReLU
// on the way out, exist only for run-time compilation: 0.4 to 10 s a shape with cuDNN 9.19, and a pyramid of
// images has a hundred shapes.) Channels not in multiples of 8 stay float32 in tf32.
#include <cudnn.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "kernels/check.h"
#include "kernels/conv_cuda.h"
#include "kernels/conv_direct.h"
#include "kernels/cuda.h"

namespace sga::kernels {
namespace {

constexpr int64_t kMostWorkspace = int64_t(256) << 20;  // bytes
constexpr size_t kMostPlans = 1024;  // sampling at ever new sizes must not fill memory with plans

// What cuDNN refuses, which may only mean that another graph should be tried.
struct Refusal {
  std::string text;
};
void check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char detail[256] = "";
  cudnnGetLastErrorString(detail, sizeof detail);
  throw Refusal{std::string(what) + " answered " + cudnnGetErrorString(status) + " " + detail};
}

// Opened at the first convolution: a handle costs memory of the GPU.
cudnnHandle_t handle() {
  static const cudnnHandle_t h = [] {
    cudnnHandle_t opened = nullptr;
    if (cudnnCreate(&opened) != CUDNN_STATUS_SUCCESS) {  // for want of memory, maybe
      cuda::release_cached();
      check(cudnnCreate(&opened), "opening cuDNN");
    }
    return opened;
  }();
  return h;
}

// A descriptor of the backend API: created, told its attributes, finished.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t d = nullptr;
    check(cudnnBackendCreateDescriptor(type, &d), "a descriptor");
    descriptor_ = std::shared_ptr<void>(d, [](void* p) { cudnnBackendDestroyDescriptor(p); });
  }
  cudnnBackendDescriptor_t get() const { return descriptor_.get(); }
  explicit operator bool() const { return descriptor_ != nullptr; }

  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  const std::vector<T>& values) {
    check(cudnnBackendSetAttribute(get(), name, type, int64_t(values.size()), values.data()), "an attribute");
    return *this;
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const std::vector<int64_t>& values) {
    return set(name, CUDNN_TYPE_INT64, values);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, int64_t value) {
    return set(name, std::vector<int64_t>{value});
  }
  Descriptor& set(cudnnBackendAttributeName_t name, float value) {
    return set(name, CUDNN_TYPE_FLOAT, std::vector<float>{value});
  }
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnDataType_t type) {
    return set(name, CUDNN_TYPE_DATA_TYPE, std::vector<cudnnDataType_t>{type});
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const std::vector<Descriptor>& parts) {
    std::vector<cudnnBackendDescriptor_t> raw;
    for (const Descriptor& part : parts) raw.push_back(part.get()), keep_.push_back(part.descriptor_);
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw);
  }
  Descriptor& finish(const char* what) {
    check(cudnnBackendFinalize(get()), what);
    return *this;
  }

  template <class T>
  std::vector<T> read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                      int64_t most) const {
    std::vector<T> values(static_cast<size_t>(most));
    int64_t count = 0;
    check(cudnnBackendGetAttribute(get(), name, type, most, &count, values.data()), "reading an attribute");
    values.resize(static_cast<size_t>(std::min(count, most)));
    return values;
  }
  int64_t read_number(cudnnBackendAttributeName_t name) const {
    return read<int64_t>(name, CUDNN_TYPE_INT64, 1).at(0);
  }

 private:
  std::shared_ptr<void> descriptor_;
  std::vector<std::shared_ptr<void>> keep_;  // what it refers to
};

// The GPU a plan is for: the one here, or one described (then the plan cannot run).
struct Target {
  Descriptor properties;  // empty: the GPU here
  void to_graph(Descriptor& graph) const {
    if (!properties)
      graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, std::vector<cudnnHandle_t>{handle()});
  }
  void to_heuristics(Descriptor& heuristics) const {
    if (properties) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, {properties});
  }
  void to_plan(Descriptor& plan) const {
    if (properties)
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, {properties});
    else
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, std::vector<cudnnHandle_t>{handle()});
  }
};

// Names of the tensors in a graph, by which a call hands over their addresses.
enum : int64_t { kX = 1, kW, kY, kBias, kVirtual };

// n images of h*w pixels of c channels, channels innermost.
Descriptor tensor(int64_t id, cudnnDataType_t type, int64_t n, int64_t h, int64_t w, int64_t c) {
  Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id).set(CUDNN_ATTR_TENSOR_DATA_TYPE, type);
  d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, {n, c, h, w}).set(CUDNN_ATTR_TENSOR_STRIDES, {h * w * c, 1, w * c, c});
  d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, int64_t{16});
  d.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, std::vector<char>{id == kVirtual});
  return d.finish("a tensor");
}

Descriptor convolution(const ConvShape& g) {
  Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const std::vector<int64_t> pad{g.pad, g.pad};
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2})
      .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE,
        std::vector<cudnnConvolutionMode_t>{CUDNN_CROSS_CORRELATION});
  d.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, pad).set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, pad);
  d.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, {1, 1});
  d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {g.stride, g.stride});
  return d.finish("the convolution");
}

// out = a + b, b one number a channel.
Descriptor add(const Descriptor& a, const Descriptor& b, const Descriptor& out) {
  Descriptor function(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  function.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE,
               std::vector<cudnnPointwiseMode_t>{CUDNN_POINTWISE_ADD});
  function.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT).finish("a sum");
  Descriptor op(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  op.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, {function});
  op.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, {a}).set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, {b});
  return op.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, {out}).finish("adding the bias");
}

// `type` is that of all tensors. With `bias` (float) the sum is the result.
Descriptor graph_of(const Target& target, ConvKind kind, const ConvShape& g, cudnnDataType_t type,
                    bool bias) {
  const Descriptor conv = convolution(g), x = tensor(kX, type, g.n, g.h, g.w, g.c),
                   w = tensor(kW, type, g.k, g.r, g.s, g.c);
  const Descriptor y = tensor(bias ? kVirtual : kY, type, g.n, g.p, g.q, g.k);
  std::vector<Descriptor> ops;
  if (kind == ConvKind::forward) {
    Descriptor op(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0f);
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0f);
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, {conv});
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, {x});
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, {w});
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, {y});
    ops.push_back(op.finish("forward"));
    if (bias)
      ops.push_back(
          add(y, tensor(kBias, CUDNN_DATA_FLOAT, 1, 1, 1, g.k), tensor(kY, type, g.n, g.p, g.q, g.k)));
  } else if (kind == ConvKind::by_data) {
    Descriptor op(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 1.0f);
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, 0.0f);
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, {conv});
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, {x});
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, {w});
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, {y});
    ops.push_back(op.finish("by data"));
  } else {
    Descriptor op(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR);
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 1.0f);
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, 0.0f);
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, {conv});
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, {x});
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, {w});
    op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, {y});
    ops.push_back(op.finish("by weights"));
  }
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, ops);
  target.to_graph(graph);
  return graph.finish("the graph");
}

// Results must be the same bits every time, and strict float32 means float32 products in the order of memory.
bool allowed(const std::vector<cudnnBackendNumericalNote_t>& notes, Precision precision) {
  return std::none_of(notes.begin(), notes.end(), [&](cudnnBackendNumericalNote_t note) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
      case CUDNN_NUMERICAL_NOTE_FFT:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return true;
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        return precision == Precision::fp32;
      default:
        return false;
    }
  });
}

struct Plan {
  Descriptor plan;  // empty: the direct kernel
  int64_t workspace = 0, engine = -1;
  bool half = false;    // operands and result are bfloat16
  bool biased = false;  // the bias is added in it
};

// The plan of the heuristics' best guess that is allowed and builds; an empty one if there is none, `why` is
// then cuDNN's last word.
Plan best_plan(const Target& target, const Descriptor& graph, Precision precision, std::string& why) {
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) try {
      Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
      heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, {graph});
      heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE,
                     std::vector<cudnnBackendHeurMode_t>{mode});
      target.to_heuristics(heuristics);
      heuristics.finish("the heuristics");
      int64_t count = 0;
      check(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                     CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
            "counting engines");
      std::vector<Descriptor> configs;
      std::vector<cudnnBackendDescriptor_t> raw;
      for (int64_t i = 0; i < count; ++i) {
        configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
        raw.push_back(configs.back().get());
      }
      if (count)
        check(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, raw.data()),
              "listing engines");
      for (size_t i = 0; i < size_t(count); ++i) try {
          Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
          cudnnBackendDescriptor_t place = engine.get();
          int64_t one = 0;
          check(cudnnBackendGetAttribute(configs[i].get(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &one, &place),
                "an engine");
          if (!allowed(engine.read<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                                                CUDNN_TYPE_NUMERICAL_NOTE,
                                                                CUDNN_NUMERICAL_NOTE_TYPE_COUNT),
                       precision))
            continue;
          const auto behaviour = engine.read<cudnnBackendBehaviorNote_t>(
              CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT);
          if (std::count(behaviour.begin(), behaviour.end(), CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION))
            continue;
          Plan p;
          p.engine = engine.read_number(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
          p.plan = Descriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
          p.plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, {configs[i]});
          target.to_plan(p.plan);
          p.plan.finish("the plan");
          p.workspace = p.plan.read_number(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
          if (p.workspace > kMostWorkspace) continue;
          return p;
        } catch (const Refusal& r) {  // the next one, then
          why = r.text;
        }
    } catch (const Refusal& r) {  // these heuristics know nothing, the others may
      why = r.text;
    }
  return {};
}

// The plan of the best graph there is one for: in bfloat16 before float, with bias before without.
Plan search(const Target& target, ConvKind kind, const ConvShape& g, Precision precision, bool bias,
            float slope, std::string& why) {
  const bool can_halve = precision == Precision::bf16 && g.c % 8 == 0 && g.k % 8 == 0;
  for (const bool half : {true, false})
    for (const bool biased : {true, false}) {
      if ((half && !can_halve) || (biased && (half || !bias || slope != 1))) continue;
      try {
        Plan p = best_plan(target,
                           graph_of(target, kind, g, half ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT, biased),
                           precision, why);
        p.half = half, p.biased = biased;
        if (p.plan) return p;
      } catch (const Refusal& r) {  // a graph cuDNN does not know
        why = r.text;
      }
    }
  return {};
}

struct Arrays {
  const float *x, *w, *y, *b;  // the result among them is written
};

void run(Cuda where, const Plan& p, const Arrays& a, const void* x, const void* w, const void* y,
         void* workspace) {
  std::vector<int64_t> ids{kX, kW, kY};
  std::vector<const void*> addresses{x, w, y};
  if (p.biased) ids.push_back(kBias), addresses.push_back(a.b);
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids);
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, addresses);
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, std::vector<void*>{workspace});
  pack.finish("a call");
  check(cudnnSetStream(handle(), where.stream), "choosing the stream");
  check(cudnnBackendExecute(handle(), p.plan.get(), pack.get()), "the convolution");
}

// A plan on its arrays: rounding, cuDNN, and what it left to do.
void execute(Cuda where, ConvKind kind, const ConvShape& g, const Plan& p, const Arrays& a, float slope) {
  const float* given[3] = {a.x, a.w, a.y};
  const int64_t numbers[3] = {g.n * g.h * g.w * g.c, g.k * g.r * g.s * g.c, g.n * g.p * g.q * g.k};
  const int result = kind == ConvKind::forward ? 2 : kind == ConvKind::by_data ? 0 : 1;
  int64_t bytes[3] = {0, 0, 0};
  for (int i = 0; i < 3 && p.half; ++i) bytes[i] = (numbers[i] * 2 + 255) / 256 * 256;
  auto* scratch = static_cast<char*>(cuda::scratch(where, bytes[0] + bytes[1] + bytes[2] + p.workspace));
  void* halves[3] = {scratch, scratch + bytes[0], scratch + bytes[0] + bytes[1]};
  void* workspace = scratch + bytes[0] + bytes[1] + bytes[2];
  auto* out = const_cast<float*>(given[result]);
  const int64_t channels = kind == ConvKind::forward ? g.k : 1;
  if (p.half) {
    const int first = result == 0 ? 1 : 0, second = result == 2 ? 1 : 2;
    round_to_bf16(where, given[first], numbers[first], halves[first], given[second], numbers[second],
                  halves[second]);
    run(where, p, a, halves[0], halves[1], halves[2], workspace);
    widen_bias_act(where, numbers[result] / channels, channels, halves[result], a.b, slope, out);
  } else {
    run(where, p, a, a.x, a.w, a.y, workspace);
    if (!p.biased) bias_act(where, numbers[result] / channels, channels, a.b, slope, out);
  }
}

// A cuDNN that lacks one of its libraries has no engine for anything: nobody should wonder at the speed.
void warn_once(ConvKind kind, const ConvShape& g, const std::string& why) {
  static bool warned = false;
  if (warned) return;
  warned = true;
  constexpr const char* kKinds[] = {"forward", "by data", "by weights"};
  std::cerr << "warning: cuDNN has no engine for a convolution (" << kKinds[int(kind)] << ", x (" << g.n
            << "," << g.h << "," << g.w << "," << g.c << "), filters (" << g.k << "," << g.r << "," << g.s
            << "," << g.c << "), stride " << g.stride << ", pad " << g.pad
            << "), so a plain kernel computes it, slower" << (why.empty() ? "" : ": ") << why << "\n";
}

void convolve(Cuda where, ConvKind kind, const ConvShape& g, const Arrays& a, float slope) {
  using Key = std::tuple<int, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                         int64_t, int64_t, int, bool, float>;
  static auto* plans = new std::map<Key, Plan>;  // cuDNN may be gone before static destructors run
  const Key key{
      int(kind),      g.n,  g.h, g.w, g.c, g.k, g.r, g.s, g.p, g.q, g.stride, g.pad, int(where.precision),
      a.b != nullptr, slope};
  try {
    auto found = plans->find(key);
    if (found == plans->end()) {
      handle();  // without it there would be no plan for anything, and no error
      if (plans->size() >= kMostPlans) plans->clear();
      std::string why;
      found =
          plans->emplace(key, search(Target{}, kind, g, where.precision, a.b != nullptr, slope, why)).first;
      if (!found->second.plan) warn_once(kind, g, why);
    }
    if (found->second.plan) return execute(where, kind, g, found->second, a, slope);
  } catch (const Refusal& r) {
    fail("convolution: cuDNN refused x (", g.n, ",", g.h, ",", g.w, ",", g.c, ") with filters (", g.k, ",",
         g.r, ",", g.s, ",", g.c, ") stride ", g.stride, " pad ", g.pad, ": ", r.text);
  }
  // Shapes cuDNN has no engine for; slow, and right.
  if (kind == ConvKind::forward) conv_direct(where, g, a.x, a.w, a.b, slope, const_cast<float*>(a.y));
  if (kind == ConvKind::by_data) conv_dx_direct(where, g, a.y, a.w, const_cast<float*>(a.x));
  if (kind == ConvKind::by_weights) conv_dw_direct(where, g, a.x, a.y, const_cast<float*>(a.w));
}

}  // namespace

void conv_library(Cuda where, const ConvShape& g, const float* x, const float* w, const float* b, float slope,
                  float* y) {
  convolve(where, ConvKind::forward, g, {x, w, y, b}, slope);
}
void conv_dx_library(Cuda where, const ConvShape& g, const float* gy, const float* w, float* gx) {
  convolve(where, ConvKind::by_data, g, {gx, w, gy, nullptr}, 1);
}
void conv_dw_library(Cuda where, const ConvShape& g, const float* x, const float* gy, float* gw) {
  convolve(where, ConvKind::by_weights, g, {x, gw, gy, nullptr}, 1);
}

std::string describe_plan(ConvKind kind, const ConvShape& g, Precision precision, bool bias, float slope,
                          const std::string& device) {
  try {
    Target target;
    if (!device.empty()) {
      target.properties = Descriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
      target.properties.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                            std::vector<char>(device.c_str(), device.c_str() + device.size() + 1));
      target.properties.finish("the properties of a GPU");
    }
    std::string why;
    const Plan p = search(target, kind, g, precision, bias, slope, why);
    if (!p.plan) return "none: the direct kernel" + (why.empty() ? "" : " (" + why + ")");
    return "engine " + std::to_string(p.engine) + ", " + (p.half ? "bf16" : "float") +
           (p.biased ? ", bias" : "") + ", workspace " + std::to_string(p.workspace) + " bytes";
  } catch (const Refusal& r) {
    fail("convolution: cuDNN refused to plan: ", r.text);
  }
}

}  // namespace sga::kernels
