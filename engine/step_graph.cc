#include "engine/step_graph.h"

#include <iostream>
#include <vector>

#include "engine/device.h"
#include "engine/memory.h"
#include "kernels/cuda.h"

namespace sga {
namespace {

bool enabled = true;

// What a captured step needs before each replay, in the order of the step itself.
struct Hook {
  std::function<void()> effect;     // host only, or
  std::function<double()> number;   // *to = number(), or
  std::function<uint64_t()> count;  // *to = count()
  void* to = nullptr;
};

}  // namespace

struct StepGraph::Impl {
  explicit Impl(bool runs_beside) : beside(runs_beside) {}
  const bool beside;
  int runs = 0;
  bool eager_for_good = false;
  MemoryPool pool;
  std::vector<std::shared_ptr<const void>> kept;
  std::vector<Hook> hooks;
  std::shared_ptr<cuda::Graph> graph;  // shared: a build without CUDA holds no destructor to refer to

  ~Impl() {
    if constexpr (kCudaBuilt)
      if (graph) try {
          cuda::wait(gpu());      // its memory goes back
        } catch (const Error&) {  // what broke the GPU has been told, maybe by the error that unwinds us
        }
  }
};

namespace {

// The step being captured. One compute stream: there is at most one.
std::vector<Hook>* recording_hooks = nullptr;
std::vector<std::shared_ptr<const void>>* recording_kept = nullptr;

struct Recording {
  Recording(std::vector<Hook>& hooks, std::vector<std::shared_ptr<const void>>& kept) {
    recording_hooks = &hooks, recording_kept = &kept;
  }
  ~Recording() { recording_hooks = nullptr, recording_kept = nullptr; }
};

void prepare(Cuda where, const std::vector<Hook>& hooks) {
  if constexpr (kCudaBuilt) {
    cuda::Numbers numbers;
    for (const Hook& hook : hooks) {
      if (hook.effect) {
        hook.effect();
        continue;
      }
      if (numbers.count == cuda::Numbers::kMost) {
        cuda::set_numbers(where, numbers);
        numbers.count = 0;
      }
      cuda::Numbers::Entry& e = numbers.entries[numbers.count++];
      e = {hook.to, hook.count ? hook.count() : 0, hook.number ? float(hook.number()) : 0, bool(hook.count)};
    }
    cuda::set_numbers(where, numbers);
  }
}

void replay(cuda::Graph& graph, bool beside, const std::vector<Hook>& hooks) {
  if constexpr (kCudaBuilt) {
    const Cuda lane = graph.lane(beside ? gpu_without_waiting() : gpu());
    prepare(lane, hooks);
    graph.launch(lane);
  }
}

}  // namespace

StepGraph::StepGraph(bool beside) : impl_(std::make_unique<Impl>(beside)) {}
StepGraph::~StepGraph() = default;
void StepGraph::reset() { impl_ = std::make_unique<Impl>(impl_->beside); }
int64_t StepGraph::nodes() const {
  if constexpr (kCudaBuilt) return impl_->graph ? impl_->graph->nodes() : 0;
  return 0;
}
void StepGraph::set_enabled(bool on) { enabled = on; }

void StepGraph::run(const std::function<void()>& step) {
  if (!kCudaBuilt || !on_gpu() || !enabled || impl_->eager_for_good) return step();
  if constexpr (kCudaBuilt) {
    Impl& s = *impl_;
    if (s.graph) return replay(*s.graph, s.beside, s.hooks);
    if (++s.runs == 1) return step();
    const MemoryPool::Use use(s.pool);
    if (s.runs == 2) return step();  // the pool gets the blocks that the captured step will take

    auto graph = std::make_shared<cuda::Graph>(s.beside);
    std::string refusal;
    s.hooks.clear(), s.kept.clear();  // of an attempt that an error ended
    try {
      graph->begin(gpu());
    } catch (const LostDevice&) {
      throw;
    } catch (const Error& e) {
      refusal = e.what();
    }
    if (refusal.empty()) try {
        const Recording recording(s.hooks, s.kept);
        step();
      } catch (const std::exception& e) {
        if (!graph->abandon(gpu())) throw;  // the step's own error
        refusal = e.what();
      } catch (...) {
        graph->abandon(gpu());
        throw;
      }
    if (refusal.empty()) refusal = graph->end(gpu());
    if (!refusal.empty()) {
      std::cerr << "warning: a training step could not be captured, so it runs eagerly and slower: "
                << refusal << "\n";
      s.eager_for_good = true;
      s.hooks.clear(), s.kept.clear();
      return step();
    }
    s.graph = std::move(graph);
    release_cached_memory();  // the eager run's, as much again as the pool's
    replay(*s.graph, s.beside, s.hooks);
  }
}

Tensor step_number(const std::function<double()>& f, Dtype dtype) {
  if (!recording_hooks) return full({1}, f(), dtype);
  SGA_CHECK(dtype == Dtype::f32, "step: float64 is not computed on a GPU");
  const MemoryPool::Outside outside;
  const Tensor t = empty({1});
  recording_hooks->push_back({{}, f, {}, t.data<float>()});
  capture::keep(std::make_shared<Tensor>(t));
  return t;
}

void each_step(const std::function<void()>& f) {
  if (recording_hooks)
    recording_hooks->push_back({f, {}, {}, nullptr});
  else
    f();
}

namespace capture {

bool active() { return recording_hooks != nullptr; }
const uint64_t* count(std::function<uint64_t()> f) {
  const MemoryPool::Outside outside;
  auto word = std::make_shared<Buffer>(int64_t(sizeof(uint64_t)), Place::gpu);
  SGA_CHECK(recording_hooks, "step: a number on the device was asked for while no step is captured");
  recording_hooks->push_back({{}, {}, std::move(f), word->data()});
  keep(word);
  return static_cast<const uint64_t*>(word->data());
}
void keep(std::shared_ptr<const void> what) {
  if (recording_kept) recording_kept->push_back(std::move(what));
}

}  // namespace capture
}  // namespace sga
