// ganimation import: networks as the official code and its replicate save them, of both containers, compute
// what was recorded of PyTorch; what is no such network is refused by name.
#include <cmath>
#include <functional>

#include "engine/device.h"
#include "engine/ops.h"
#include "engine/torch_file.h"
#include "models/ganimation/editing.h"
#include "models/ganimation/import.h"
#include "tests/cli.h"
#include "tests/error_text.h"
#include "tests/golden_file.h"
#include "tests/torch_bytes.h"

namespace sga::ganimation {
namespace {

double wave(double seed, int64_t i) { return std::sin(0.7 * seed + 0.618 * double(i)); }

/// A tensor as PyTorch has it: extents and, in their order, numbers.
struct TorchTensor {
  std::string name;
  std::vector<int64_t> size;
  std::vector<float> values;
};
using State = std::vector<TorchTensor>;

TorchTensor waves(const std::string& name, const std::vector<int64_t>& size, double seed, double scale,
                  double offset = 0) {
  TorchTensor t{name, size, {}};
  int64_t n = 1;
  for (const int64_t extent : size) n *= extent;
  for (int64_t i = 0; i < n; ++i) t.values.push_back(float(offset + scale * wave(seed, i)));
  return t;
}

/// The generator of the recorded numbers (tests/golden): conv-dim 4, 2 residual blocks, in the official
/// names. The seed of a tensor is its position.
State official_generator(int64_t aus = 3, int64_t blocks = 2) {
  State state;
  const auto layer = [&](const std::string& module, int64_t position, const std::vector<int64_t>& filter,
                         int64_t channels) {
    const auto name = [&](int64_t at, const char* rest) {
      return module + "." + std::to_string(at) + "." + rest;
    };
    const double seed = double(state.size());
    state.push_back(waves(name(position, "weight"), filter, seed, 0.15));
    state.push_back(waves(name(position + 1, "weight"), {channels}, seed + 1, 0.1, 1));
    state.push_back(waves(name(position + 1, "bias"), {channels}, seed + 2, 0.05));
  };
  layer("main", 0, {4, 3 + aus, 7, 7}, 4);
  layer("main", 3, {8, 4, 4, 4}, 8);
  layer("main", 6, {16, 8, 4, 4}, 16);
  for (int64_t r = 0; r < blocks; ++r)
    for (const int64_t half : {0, 3})
      layer("main." + std::to_string(9 + r) + ".main", half, {16, 16, 3, 3}, 16);
  layer("main", 9 + blocks, {16, 8, 4, 4}, 8);  // transposed: in, out
  layer("main", 12 + blocks, {8, 4, 4, 4}, 4);
  state.push_back(waves("img_reg.0.weight", {3, 4, 7, 7}, double(state.size()), 0.15));
  state.push_back(waves("attetion_reg.0.weight", {1, 4, 7, 7}, double(state.size()), 0.15));
  return state;
}

State official_discriminator(int64_t aus = 3, int convolutions = 3) {
  State state;
  int64_t in = 3, out = 4;
  for (int i = 0; i < convolutions; ++i, in = out, out *= 2) {
    const std::string name = "main." + std::to_string(2 * i);
    state.push_back(waves(name + ".weight", {out, in, 4, 4}, 100 + double(state.size()), 0.12));
    state.push_back(waves(name + ".bias", {out}, 100 + double(state.size()), 0.05));
  }
  state.push_back(waves("conv1.weight", {1, in, 3, 3}, 100 + double(state.size()), 0.2));
  state.push_back(waves("conv2.weight", {aus, in, 2, 2}, 100 + double(state.size()), 0.1));
  return state;
}

bool replace(std::string& text, const std::string& part, const std::string& by) {
  const size_t at = text.find(part);
  if (at == std::string::npos) return false;
  text.replace(at, part.size(), by);
  return true;
}

/// The same filters in the replicate's names: norms without scale and shift, convolutions with a bias.
State replicate_generator(const State& official) {
  State state;
  for (TorchTensor t : official) {
    if (t.size.size() == 1) continue;
    const bool head = replace(t.name, "img_reg", "color_top") || replace(t.name, "attetion_reg", "au_top");
    if (!head) {
      replace(t.name, "main", "model");
      replace(t.name, "main", "conv_block");
      const bool transposed = t.size[2] == 4 && t.size[0] > t.size[1];
      const int64_t channels = transposed && t.name > "model.1" && t.name < "model.2" ? t.size[1] : t.size[0];
      state.push_back(waves(t.name.substr(0, t.name.size() - 6) + "bias", {channels}, 5, 3));
    }
    state.push_back(t);
  }
  return state;
}

State replicate_discriminator(State state) {
  for (TorchTensor& t : state)
    if (!replace(t.name, "main", "model") && !replace(t.name, "conv1", "dis_top"))
      replace(t.name, "conv2", "aus_top");
  return state;
}

/// A state dict in a file of torch.save.
Bytes torch_bytes(const State& state, bool stream) {
  PickleWriter out;
  std::vector<TestStorage> storages;
  out.ordered_dict().op('(');
  for (const TorchTensor& t : state) {
    std::vector<int64_t> stride(t.size.size(), 1);
    for (size_t i = stride.size(); i-- > 1;) stride[i - 1] = stride[i] * t.size[i];
    const std::string key = std::to_string(storages.size());
    out.text(t.name).tensor(key, int64_t(t.values.size()), t.size, stride, stream);
    storages.push_back(float_storage(key, t.values));
  }
  out.op('u');
  return torch_file(out.done(), storages, stream);
}

Checkpoint decoded(const State& state, bool stream = false) {
  return decode_torch_file(torch_bytes(state, stream), "net.pth");
}

/// Golden order N,C,H,W; here N,H,W,C.
Tensor golden_picture() {
  std::vector<float> out(2 * 16 * 16 * 3);
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t y = 0; y < 16; ++y)
      for (int64_t x = 0; x < 16; ++x)
        for (int64_t c = 0; c < 3; ++c)
          out[size_t(((n * 16 + y) * 16 + x) * 3 + c)] =
              float(0.9 * wave(7, ((n * 3 + c) * 16 + y) * 16 + x));
  return from_host<float>({2, 16, 16, 3}, out);
}
Tensor golden_targets() {
  std::vector<float> out(6);
  for (size_t i = 0; i < 6; ++i) out[i] = float(0.5 + 0.5 * wave(5, int64_t(i)));
  return from_host<float>({2, 3}, out);
}

double at(const Tensor& t, int64_t n, int64_t c, int64_t y, int64_t x) {
  return double(to_host<float>(t)[size_t(((n * t.dim(1) + y) * t.dim(2) + x) * t.dim(3) + c)]);
}

constexpr double kFloat = 2e-6;  // of numbers of about 1 after 12 layers in float32

void expect_golden_generator(const Generator& g) {
  const auto want = golden_json("ganimation_golden.json");
  NoGrad off;
  const Tensor x = golden_picture();
  const GeneratorOutput out = g.forward(x, golden_targets());
  const Tensor fake = composite(out, x);
  EXPECT_NEAR(mean(out.colour).item(), double(want["C_mean"]), kFloat);
  EXPECT_NEAR(sum(abs(out.colour)).item(), double(want["C_sum_abs"]), 1e-3);
  EXPECT_NEAR(mean(out.attention).item(), double(want["A_mean"]), kFloat);
  EXPECT_NEAR(mean(fake).item(), double(want["fake_mean"]), kFloat);
  EXPECT_NEAR(at(fake, 0, 0, 0, 0), double(want["fake[0,0,0,0]"]), 5 * kFloat);
  EXPECT_NEAR(at(fake, 1, 2, 15, 15), double(want["fake[1,2,15,15]"]), 5 * kFloat);
}

void expect_golden_discriminator(const Discriminator& d) {
  NoGrad off;
  const DiscriminatorOutput out = d.forward(golden_picture());
  const double realism[] = {-0.09642670691, -0.08179920176, 0.02162919033, 0.07216961861};
  for (int64_t i = 0; i < 4; ++i) EXPECT_NEAR(at(out.realism, 0, 0, i / 2, i % 2), realism[i], kFloat);
  const double aus[] = {-0.01742190796, -0.00363718139, 0.01944683892,
                        -0.00908736829, -0.01149232339, 0.01548549884};
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(double(to_host<float>(out.aus)[i]), aus[i], kFloat);
}

// ---- the same network

TEST(GanimationImport, OfficialNetworksComputeTheRecordedNumbers) {
  set_device("cpu");
  for (const bool stream : {true, false}) {
    const ImportedGenerator g = import_generator(decoded(official_generator(), stream), 16);
    EXPECT_EQ(g.layout, "official");
    EXPECT_EQ(g.network.config().conv_dim, 4);
    EXPECT_EQ(g.network.config().blocks, 2);
    EXPECT_EQ(g.network.config().aus, 3);
    EXPECT_EQ(g.network.config().size, 16);
    expect_golden_generator(g.network);
    const ImportedDiscriminator d = import_discriminator(decoded(official_discriminator(), stream));
    EXPECT_EQ(d.layout, "official");
    EXPECT_EQ(d.network.config().size, 16);
    expect_golden_discriminator(d.network);
  }
}

TEST(GanimationImport, WhatSeveralGraphicsCardsAndOldNormsLeaveBehindIsIgnored) {
  State g = official_generator(), d = official_discriminator();
  for (const char* rest : {"running_mean", "running_var"})
    for (const int64_t position : {1, 4, 12})
      g.push_back(waves("main." + std::to_string(position) + "." + rest, {4}, 1, 1));
  g.push_back(waves("main.9.main.1.num_batches_tracked", {}, 1, 1));
  for (State* state : {&g, &d})
    for (TorchTensor& t : *state) t.name = "module." + t.name;
  expect_golden_generator(import_generator(decoded(g, true), 16).network);
  expect_golden_discriminator(import_discriminator(decoded(d, true)).network);
}

TEST(GanimationImport, TheReplicatesBiasesBeforeANormDoNothing) {
  const State official = official_generator();
  State plain = official;
  for (TorchTensor& t : plain)
    if (t.size.size() == 1)
      std::fill(t.values.begin(), t.values.end(), t.name.ends_with("weight") ? 1.f : 0.f);
  const ImportedGenerator theirs = import_generator(decoded(replicate_generator(official), true), 16),
                          ours = import_generator(decoded(plain), 16);
  EXPECT_EQ(theirs.layout, "replicate");
  NoGrad off;
  const Tensor x = golden_picture(), y = golden_targets();
  EXPECT_EQ(to_host<float>(theirs.network.forward(x, y).colour),
            to_host<float>(ours.network.forward(x, y).colour));
  expect_golden_discriminator(
      import_discriminator(decoded(replicate_discriminator(official_discriminator()))).network);

  // In float64: a bias before the norm changes nothing.
  Rng rng(3);
  const Tensor map = rng.normal({1, 6, 5, 4}, Dtype::f64), bias = rng.normal({4}, Dtype::f64);
  const Tensor one = full({4}, 1, Dtype::f64), none = zeros({4}, Dtype::f64);
  const Tensor shifted = add(map, expand(reshape(bias, {1, 1, 1, 4}), map.shape()));
  const Tensor apart =
      sub(instance_norm(map, one, none, 1e-5, 0).y, instance_norm(shifted, one, none, 1e-5, 0).y);
  for (const double v : to_host<double>(apart)) EXPECT_NEAR(v, 0, 1e-13);
}

// ---- files that are no such network

TEST(GanimationImport, WhatIsNotPartOfTheNetworkIsRefusedByName) {
  const auto refused = [](const std::string& part, const State& state, bool generator = true) {
    const Checkpoint file = decoded(state);
    const std::string text = error_text([&] {
      if (generator)
        import_generator(file, 16);
      else
        import_discriminator(file);
    });
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_TRUE(text.starts_with("net.pth")) << text;
  };
  const auto changed = [](State state, const std::function<void(State&)>& change) {
    change(state);
    return state;
  };
  const auto without = [&](State state, const std::string& name) {
    std::erase_if(state, [&](const TorchTensor& t) { return t.name == name; });
    return state;
  };
  const State g = official_generator(), d = official_discriminator();
  refused("it is no generator", {waves("fc.weight", {2, 3}, 0, 1)});
  refused("its first tensor is \"fc.weight\"", {waves("fc.weight", {2, 3}, 0, 1)});
  refused("it holds no tensor", {});
  refused("it holds a discriminator; give the generator, the file ending in id_G.pth", d);
  refused("it holds a generator; give the discriminator, the file ending in id_D.pth", g, false);
  refused("net_gen.pth", replicate_discriminator(d));
  refused("net_dis.pth", replicate_generator(g), false);
  for (const char* name : {"main.4.bias", "main.10.main.3.weight", "main.11.weight", "img_reg.0.weight",
                           "attetion_reg.0.weight", "main.6.weight"})
    refused("\"" + std::string(name) + "\" is missing", without(g, name));
  for (const char* name : {"main.4.bias", "conv1.weight", "conv2.weight"})
    refused("\"" + std::string(name) + "\" is missing", without(d, name), false);
  const State r = replicate_generator(g);
  refused("\"model.3.bias\" is missing", without(r, "model.3.bias"));
  refused("\"model.9.conv_block.1.weight\" is no part of the generator",
          changed(r, [](State& s) { s.push_back(waves("model.9.conv_block.1.weight", {16}, 0, 1)); }));
  refused("\"main.17.main.0.weight\" is no part of the generator", changed(g, [](State& s) {
            s.push_back(waves("main.17.main.0.weight", {16, 16, 3, 3}, 0, 1));
          }));
  refused("\"main.0.bias\" is no part of the generator",
          changed(g, [](State& s) { s.push_back(waves("main.0.bias", {4}, 0, 1)); }));
  refused("\"conv1.bias\" is no part of the discriminator",
          changed(d, [](State& s) { s.push_back(waves("conv1.bias", {1}, 0, 1)); }), false);
  refused("with and without \"module.\"",
          changed(g, [](State& s) { s.push_back(waves("module.main.1.bias", {4}, 0, 1)); }));
  const auto reshaped = [&](const State& state, const std::string& name, const std::vector<int64_t>& size) {
    return changed(state, [&](State& s) {
      for (TorchTensor& t : s)
        if (t.name == name) t = waves(name, size, 0, 1);
    });
  };
  refused("\"main.0.weight\" must be a filter of 4 axes", reshaped(g, "main.0.weight", {4}));
  refused("3 colours and its action units", reshaped(g, "main.0.weight", {4, 3, 7, 7}));
  refused("\"main.0.weight\" must have shape", reshaped(g, "main.0.weight", {4, 6, 5, 5}));
  refused("\"main.3.weight\" must have shape", reshaped(g, "main.3.weight", {9, 4, 4, 4}));
  refused("\"main.10.main.4.bias\" must have shape", reshaped(g, "main.10.main.4.bias", {15}));
  refused("\"main.11.weight\" must have shape", reshaped(g, "main.11.weight", {8, 16, 4, 4}));
  refused("\"img_reg.0.weight\" must have shape", reshaped(g, "img_reg.0.weight", {4, 4, 7, 7}));
  refused("\"model.3.bias\" must have shape", reshaped(r, "model.3.bias", {7}));
  refused("\"main.2.weight\" must have shape", reshaped(d, "main.2.weight", {8, 4, 3, 3}), false);
  refused("\"main.2.bias\" must have shape", reshaped(d, "main.2.bias", {7}), false);
  refused("reads a map of 4x4 pixels", reshaped(d, "conv2.weight", {3, 16, 4, 4}), false);
  refused("1 convolutions are too few", official_discriminator(3, 1), false);
  // A huge network is not made before its tensors are seen.
  refused("\"main.3.weight\" must have shape", reshaped(g, "main.0.weight", {512, 20, 7, 7}));
}

// ---- the command

class CliGanimationImport : public CliTest {
 protected:
  void SetUp() override {
    write_file(folder / "g.pth", torch_bytes(official_generator(17), true));
    write_file(folder / "d.pth", torch_bytes(official_discriminator(17, 4), false));
  }
  Words words(const Words& more) const { return Words{"import", "--generator", at("g.pth")} + more; }
};

TEST_F(CliGanimationImport, AModelThatEditsAndReadsActionUnits) {
  const Outcome outcome =
      run_tool("ganimation", words({"--discriminator", at("d.pth"), "--out", at("both.safetensors")}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "generator of the official code, 32 px, conv-dim 4, 2 residual blocks"))
      << outcome.out;
  const Model model(folder / "both.safetensors");
  EXPECT_TRUE(model.can_estimate());
  EXPECT_EQ(model.size(), 32);
  EXPECT_EQ(model.card().crop_recipe, "mode=detector margin=1.1 size=32");
  EXPECT_TRUE(contains(model.card().about, "imported from g.pth"));
  for (const float limit : model.card().limits) EXPECT_EQ(limit, 1);
  const Outcome info = run_tool("ganimation", {"info", at("both.safetensors")});
  EXPECT_TRUE(contains(info.out, "faces of 32 px")) << info.out;
  EXPECT_TRUE(contains(info.out, "official PyTorch code")) << info.out;

  // The generator alone; the same command, the same bytes.
  ASSERT_EQ(run_tool("ganimation", words({"--out", at("one.safetensors"), "--margin", "1.5"})).code, 0);
  const Model one(folder / "one.safetensors");
  EXPECT_FALSE(one.can_estimate());
  EXPECT_EQ(one.size(), 128);
  EXPECT_EQ(one.card().crop_recipe, "mode=detector margin=1.5 size=128");
  expect_refused("ganimation", words({"--out", at("one.safetensors")}), 1, "add --force");
  const std::string before = text_of(folder / "one.safetensors");
  ASSERT_EQ(
      run_tool("ganimation", words({"--out", at("one.safetensors"), "--margin", "1.5", "--force"})).code, 0);
  EXPECT_EQ(text_of(folder / "one.safetensors"), before);

  const Outcome edit = run_tool(
      "ganimation", {"edit", "--image", kPhotograph, "--model", at("both.safetensors"), "--preset",
                     "happiness", "--mode", "add", "--device", "cpu", "--quiet", "--out", at("edit")});
  EXPECT_EQ(edit.code, 0) << edit.err;
  expect_whole_files(folder / "edit");
}

TEST_F(CliGanimationImport, BadInput) {
  const auto refused = [&](const Words& more, const std::string& part, int code = 1) {
    expect_refused("ganimation", Words{"import"} + more + Words{"--out", at("out.safetensors")}, code, part);
  };
  const auto generator = [&](const Bytes& bytes, const std::string& part) {
    write_file(folder / "bad.pth", bytes);
    refused({"--generator", at("bad.pth")}, part);
  };
  refused({}, "--generator", 2);
  refused({"--generator", at("missing.pth")}, "there is no such file");
  refused({"--generator", folder.path().string()}, "it is a folder, a file is needed");
  refused({"--generator", at("d.pth")}, "it holds a discriminator");
  refused({"--generator", at("g.pth"), "--discriminator", at("g.pth")}, "it holds a generator");
  refused({"--generator", at("g.pth"), "--discriminator", at("d.pth"), "--size", "64"}, "leave --size out");
  refused({"--generator", at("g.pth"), "--size", "30"}, "multiple of 4");
  refused({"--generator", at("g.pth"), "--size", "2000"}, "--size", 2);
  refused({"--generator", at("g.pth"), "--margin", "nan"}, "--margin", 2);
  expect_refused("ganimation", {"import", "--generator", at("g.pth")}, 2, "--out");
  generator(torch_bytes(official_generator(3), false), "has 3 action units, the tools need the 17");
  write_file(folder / "d3.pth", torch_bytes(official_discriminator(3, 4), false));
  refused({"--generator", at("g.pth"), "--discriminator", at("d3.pth")},
          "the discriminator has 3 action units");
  fs::remove(folder / "d3.pth");

  // Damage, other formats, programs in disguise.
  for (const bool stream : {true, false}) {
    Bytes cut = torch_bytes(official_generator(17), stream);
    cut.resize(cut.size() / 2);
    generator(cut, at("bad.pth"));
  }
  generator(ByteWriter().text("no network").bytes, "it is no file of torch.save");
  generator(torch_stream(PickleWriter()
                             .global("posix", "system")
                             .op('(')
                             .text("touch " + at("owned"))
                             .op('t')
                             .op('R')
                             .done(),
                         {}),
            "refers to posix.system");
  EXPECT_FALSE(fs::exists(folder / "owned"));
  PickleWriter deep;
  deep.op(')');
  for (int i = 0; i < 100'000; ++i) deep.op(0x85);
  generator(torch_zip(deep.done(), {}), at("bad.pth"));
  State infinite = official_generator(17);
  infinite[0].values[0] = INFINITY;
  generator(torch_bytes(infinite, false), "main.0.weight");
  State enormous = official_generator(17);
  for (TorchTensor& t : enormous)
    if (t.name == "main.0.weight") std::fill(t.values.begin(), t.values.end(), 3e38f);
  generator(torch_bytes(enormous, false), "numbers that are not finite");
  fs::remove(folder / "bad.pth");
  expect_full_disk_reported("ganimation", words({}), "full.safetensors", {0, 300, 5'000});
}

}  // namespace
}  // namespace sga::ganimation
