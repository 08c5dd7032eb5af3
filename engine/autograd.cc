#include "engine/autograd.h"

#include <unordered_map>
#include <unordered_set>

#include "engine/ops.h"

namespace sga {

Tensor record_node(Tensor out, std::shared_ptr<Node> node);  // a friend of Tensor

namespace {
thread_local bool recording = true;
// Above this many numbers a launch of its own costs little, and keeping all contributions much memory.
constexpr int64_t kLateSum = 1 << 18;
}  // namespace

bool grad_enabled() { return recording; }
GradMode::GradMode(bool on) : before_(recording) { recording = on; }
GradMode::~GradMode() { recording = before_; }

Tensor record(Tensor out, const char* name, std::vector<Tensor> inputs, Vjp vjp) {
  if (!recording) return out;
  bool needed = false;
  for (const Tensor& t : inputs) needed |= t && t.requires_grad();
  if (!needed) return out;
  SGA_CHECK(!out.node(), name, ": the output already has a history");
  SGA_CHECK(inputs.size() <= Needs::kMost, name, ": takes gradients of at most ", Needs::kMost,
            " inputs, got ", inputs.size());
  return record_node(std::move(out), std::make_shared<Node>(Node{name, std::move(inputs), std::move(vjp)}));
}

namespace {

// Tensors between `wrt` and `out`, each after everything it was computed from. `live` are those whose
// gradient must be computed: some element of `wrt` is among their ancestors. Walks with its own stack, as
// graphs can be deep.
std::vector<Tensor> sorted_graph(const Tensor& out, const std::unordered_set<const void*>& targets,
                                 std::unordered_set<const void*>& live) {
  struct Visit {
    Tensor t;
    size_t next = 0;
  };
  std::vector<Tensor> order;
  std::unordered_set<const void*> seen{out.id()};
  std::vector<Visit> stack{{out}};
  while (!stack.empty()) {
    Visit& v = stack.back();
    const auto& node = v.t.node();
    if (node && v.next < node->inputs.size()) {
      const Tensor& input = node->inputs[v.next++];
      if (input && seen.insert(input.id()).second) stack.push_back({input});
      continue;
    }
    bool needed = targets.count(v.t.id()) > 0;
    if (node)
      for (const Tensor& input : node->inputs) needed |= input && live.count(input.id());
    if (needed) {
      live.insert(v.t.id());
      order.push_back(v.t);
    }
    stack.pop_back();
  }
  return order;
}

}  // namespace

std::vector<Tensor> grad(const Tensor& out, const std::vector<Tensor>& wrt, const Tensor& seed,
                         bool create_graph) {
  SGA_CHECK(out, "grad: the output is empty");
  SGA_CHECK(!seed || seed.shape() == out.shape(), "grad: the seed has shape ", seed ? seed.shape() : Shape{},
            ", the output ", out.shape());
  std::unordered_set<const void*> targets, live;
  for (const Tensor& t : wrt) {
    SGA_CHECK(t, "grad: a tensor to differentiate by is empty");
    targets.insert(t.id());
  }
  std::vector<Tensor> order = sorted_graph(out, targets, live);

  GradMode mode(create_graph);
  std::unordered_map<const void*, Tensor> gradient;
  // Contributions to parameters are kept apart and summed in one launch at the end.
  std::unordered_map<const void*, std::vector<Tensor>> parts_of;
  gradient[out.id()] = seed ? seed : ones_like(out);
  while (!order.empty()) {
    const Tensor t = std::move(order.back());
    order.pop_back();
    if (!t.node()) continue;
    auto found = gradient.find(t.id());
    if (found == gradient.end()) continue;
    const Tensor g = found->second;
    if (!targets.count(t.id())) gradient.erase(found);  // frees memory as early as possible
    const Node& node = *t.node();
    uint64_t bits = 0;
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] && live.count(node.inputs[i].id())) bits |= uint64_t{1} << i;
    if (bits == 0) continue;
    std::vector<Tensor> parts = node.vjp(t, g, Needs(bits));
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!parts[i] || !(bits >> i & 1)) continue;
      SGA_CHECK(parts[i].shape() == node.inputs[i].shape(), node.name, ": gradient of input ", i,
                " has shape ", parts[i].shape(), ", the input ", node.inputs[i].shape());
      const Tensor& input = node.inputs[i];
      if (!create_graph && !input.node() && input.numel() <= kLateSum) {
        parts_of[input.id()].push_back(parts[i]);
        continue;
      }
      Tensor& sum = gradient[input.id()];
      sum = sum ? add(sum, parts[i]) : parts[i];
    }
  }
  std::vector<std::vector<Tensor>> late;
  for (const auto& [id, parts] : parts_of) late.push_back(parts);
  const std::vector<Tensor> sums = add_parts(late);
  size_t next = 0;
  for (const auto& entry : parts_of) gradient[entry.first] = sums[next++];
  std::vector<Tensor> result;
  for (const Tensor& t : wrt) {
    auto found = gradient.find(t.id());
    result.push_back(found == gradient.end() ? zeros(t.shape(), t.dtype()) : found->second);
  }
  return result;
}

}  // namespace sga
