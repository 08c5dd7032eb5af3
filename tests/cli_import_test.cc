// singan import: a folder as the official code leaves it, of both containers, becomes the same model; folders
// that contradict themselves and hostile files are refused.
#include <cmath>
#include <functional>

#include "engine/ops.h"
#include "models/singan/import.h"
#include "models/singan/sampling.h"
#include "tests/cli.h"
#include "tests/error_text.h"
#include "tests/torch_bytes.h"

namespace sga {
namespace {

using singan::Model;
using Named = std::map<std::string, Tensor>;

// ---- an official training of 3 levels: 26x32 (25 but for float noise), 29x36, 32x40

Model official_model() {
  singan::Config config = singan::preset("official");
  config.iterations = 1000;
  Model m = singan::make_model(config, to_tensor(test_picture(32, 40)));
  Rng rng(7);
  m.code = rng.normal({1, m.size(0).h, m.size(0).w, 1});
  for (int i = 0; i < m.pyramid.count(); ++i) {
    singan::NetOptions options = singan::net_options(m, i);
    options.width = i == 1 ? singan::Widths({8, 6, 4, 4}) : singan::Widths(4);
    singan::Generator g(options);
    g.net.initialise(rng);
    for (const singan::PatchNet::Block& b : g.net.blocks()) {
      b.weight.detach().assign(
          rng.normal(b.weight.shape()));  // an official initialisation gives nothing to see
      Tensor mean = b.mean, var = b.var;
      mean.assign(rng.normal(b.mean.shape()));
      var.assign(full(b.var.shape(), 9));
    }
    m.levels.push_back({g, singan::FrozenGenerator(g), double(float(i ? 0.1 / i : 1))});
  }
  return m;
}

/// What the four files hold.
struct Files {
  std::vector<Named> generators;
  std::vector<Tensor> codes, reals;
  std::vector<double> amps;
};

Files files_of(const Model& m) {
  Files f;
  f.reals = m.reals;
  for (const singan::Level& level : m.levels) {
    Named g;
    for (const Parameters::Entry& e : level.generator.net.parameters().entries()) {
      const size_t dot = e.name.find('.');
      const std::string block = e.name.substr(0, dot), part = e.name.substr(dot + 1);
      const bool conv = part == "weight" || part == "bias";
      const std::string theirs = part == "gamma"  ? "weight"
                                 : part == "beta" ? "bias"
                                 : conv           ? part
                                                  : "running_" + part;
      const std::string module = block == "block0" ? "head." : "body." + block + ".";
      g[block == "head" ? "tail.0." + part : module + (conv ? "conv." : "norm.") + theirs] = e.value;
    }
    g["head.norm.num_batches_tracked"] = full({1}, 6003);
    f.generators.push_back(g);
    f.amps.push_back(level.noise_amp);
    const singan::Size s = m.size(int(f.codes.size()));
    f.codes.push_back(f.codes.empty() ? pad(singan::code_noise(m), all_sides(singan::kBorder))
                                      : zeros({1, s.h + 10, s.w + 10, 3}));
  }
  return f;
}

/// One file of torch.save.
class TorchWriter {
 public:
  explicit TorchWriter(bool stream) : stream_(stream) {}
  /// Its axes are (N,C,H,W), the bytes lie as they are with us, as a channels_last tensor of PyTorch has
  /// them.
  void tensor(const Tensor& t) {
    const std::string key = std::to_string(storages_.size());
    std::vector<int64_t> size = t.shape().extents(), stride(size.size(), 1);
    for (size_t i = size.size() - 1; i-- > 0;) stride[i] = stride[i + 1] * size[i + 1];
    if (size.size() == 4) {
      std::rotate(size.begin() + 1, size.end() - 1, size.end());
      std::rotate(stride.begin() + 1, stride.end() - 1, stride.end());
    }
    out.tensor(key, t.numel(), size, stride, stream_);
    storages_.push_back(float_storage(key, to_host<float>(t)));
  }
  void module(const Named& tensors, const std::string& package, const std::string& name) {
    std::map<std::string, Named> parts;
    out.global(package, name).op(')').op(0x81).op('}').op('(').text("_parameters").ordered_dict().op('(');
    for (const auto& [path, t] : tensors) {
      const size_t dot = path.find('.');
      if (dot != std::string::npos) {
        parts[path.substr(0, dot)][path.substr(dot + 1)] = t;
        continue;
      }
      out.text(path);
      tensor(t);
    }
    out.op('u').text("_modules").ordered_dict().op('(');
    for (const auto& [part, below] : parts) {
      out.text(part);
      module(below, "torch.nn.modules.container", "Sequential");
    }
    out.op('u').op('u').op('b');
  }
  Bytes file() const { return torch_file(out.done(), storages_, stream_); }

  PickleWriter out;

 private:
  bool stream_;
  std::vector<TestStorage> storages_;
};

template <class T, class Write>
void write_list(const fs::path& path, bool stream, const std::vector<T>& list, Write&& write) {
  TorchWriter w(stream);
  w.out.op(']').op('(');
  for (const T& item : list) write(w, item);
  w.out.op('e');
  write_file(path, w.file());
}

void write_folder(const fs::path& folder, const Files& f, bool stream = true) {
  make_folder(folder);
  write_list(folder / "Gs.pth", stream, f.generators, [](TorchWriter& w, const Named& g) {
    w.module(g, "SinGAN.models", "GeneratorConcatSkip2CleanAdd");
  });
  const auto tensor = [](TorchWriter& w, const Tensor& t) { w.tensor(t); };
  write_list(folder / "Zs.pth", stream, f.codes, tensor);
  write_list(folder / "reals.pth", stream, f.reals, tensor);
  write_list(folder / "NoiseAmp.pth", stream, f.amps, [](TorchWriter& w, double amp) {
    amp == 1 ? void(w.out.integer(1)) : w.tensor(full({1}, amp));
  });
}

const std::string kName = "scale_factor=0.750000,alpha=10";

class CliImport : public CliTest {
 protected:
  std::string refusal(const Files& f) const {
    write_folder(folder / "bad", f);
    return error_text([&] { singan::import_official(folder / "bad"); });
  }
  Words words(const std::string& from, const std::string& out) const {
    return {"import", "--from", at(from), "--quiet", "--out", at(out)};
  }

  const Model model = official_model();
  const Files files = files_of(model);
};

void expect_equal(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  EXPECT_TRUE(to_host<float>(a) == to_host<float>(b));
}

// ---- the same model

TEST_F(CliImport, BothContainersGiveTheModelThatWasSaved) {
  for (const bool stream : {true, false}) {
    write_folder(folder / kName, files, stream);
    const Model m = singan::import_official(folder / kName);
    EXPECT_EQ(m.finished(), 3);
    EXPECT_EQ(m.pyramid.levels, model.pyramid.levels);
    EXPECT_EQ(m.pyramid.ratio, model.pyramid.ratio);
    EXPECT_EQ(m.config.pyramid.min_size, 25);
    EXPECT_EQ(m.config.iterations, 1000);
    EXPECT_EQ(m.config.reconstruction_weight, 10);
    EXPECT_TRUE(m.config.keep_bias && m.config.resize == singan::ResizeStyle::official);
    EXPECT_EQ(m.levels[1].generator.net.options().width, singan::Widths({8, 6, 4, 4}));
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(m.levels[size_t(i)].noise_amp, model.levels[size_t(i)].noise_amp);
      expect_equal(m.reals[size_t(i)], model.reals[size_t(i)]);
      expect_equal(singan::training_reconstruction(m, i), singan::training_reconstruction(model, i));
    }
    expect_equal(singan::reconstruction(m), singan::reconstruction(model));
    Rng a(3), b(3);
    expect_equal(singan::random_sample(m, {}, a), singan::random_sample(model, {}, b));
    // Another trip through a file.
    singan::save_model(folder / "again.safetensors", m);
    expect_equal(singan::reconstruction(singan::load_model(folder / "again.safetensors")),
                 singan::reconstruction(m));
  }
}

TEST_F(CliImport, TheReconstructionIsNotAllTheSame) {  // else the test above shows little
  const std::vector<float> frozen = to_host<float>(singan::reconstruction(model));
  const std::vector<float> training = to_host<float>(singan::training_reconstruction(model, 2));
  EXPECT_NE(frozen, training);
  EXPECT_GT(*std::max_element(frozen.begin(), frozen.end()),
            *std::min_element(frozen.begin(), frozen.end()) + 0.5f);
}

TEST_F(CliImport, PyramidsThatAreCutOrUnfinished) {
  Files unfinished = files;
  unfinished.generators.resize(1);
  write_folder(folder / "unfinished", unfinished);
  EXPECT_EQ(singan::import_official(folder / "unfinished").finished(), 1);

  // Without its coarsest level the ratio is still that of the whole pyramid.
  Files cut = files;
  cut.generators.erase(cut.generators.begin());
  cut.reals.erase(cut.reals.begin());
  cut.amps = {1, 0.1};
  const singan::Size s = model.size(1);
  cut.codes = {zeros({1, s.h + 10, s.w + 10, 3}), zeros({1, 42, 50, 3})};
  write_folder(folder / "cut", cut);
  const Model m = singan::import_official(folder / "cut");
  EXPECT_EQ(m.pyramid.count(), 2);
  EXPECT_EQ(m.pyramid.ratio, model.pyramid.ratio);

  // Any other ratio: 23x29 of 32x40 has none of the formulae.
  cut.reals[0] = zeros({1, 23, 29, 3});
  cut.codes[0] = zeros({1, 33, 39, 3});
  write_folder(folder / "other", cut);
  EXPECT_NEAR(singan::import_official(folder / "other").pyramid.ratio, 0.71, 0.02);
}

// ---- folders that contradict themselves

TEST_F(CliImport, TensorsThatDoNotFit) {
  const auto expect = [&](const std::string& part, const std::function<void(Files&)>& change) {
    Files changed = files;
    change(changed);
    const std::string text = refusal(changed);
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  expect("", [](Files&) {});
  expect("\"1.head.conv.weight\" is missing", [](Files& f) { f.generators[1].erase("head.conv.weight"); });
  expect("\"0.body.block4.conv.weight\" is no part of the official generator", [](Files& f) {
    f.generators[0]["body.block4.conv.weight"] = zeros({4, 3, 3, 4});
  });
  expect("must have shape", [](Files& f) { f.generators[0]["head.conv.weight"] = zeros({4, 5, 5, 3}); });
  expect("must have shape", [](Files& f) { f.generators[0]["tail.0.weight"] = zeros({1, 3, 3, 4}); });
  expect("instead of 4 axes", [](Files& f) { f.generators[0]["head.conv.weight"] = zeros({4}); });
  expect("4 generators for the 3 levels", [](Files& f) { f.generators.push_back(f.generators[0]); });
  expect("0 generators", [](Files& f) { f.generators.clear(); });
  expect("NoiseAmp.pth: tensor \"2\" is missing", [](Files& f) { f.amps.pop_back(); });
  expect("holds no list of pictures", [](Files& f) { f.reals.clear(); });
  expect("level 1 has shape", [](Files& f) { f.reals[1] = zeros({1, 28, 35, 1}); });
  expect("do not follow from one ratio", [](Files& f) { f.reals[1] = zeros({1, 26, 36, 3}); });
  expect("do not follow from one ratio", [](Files& f) { std::swap(f.reals[0], f.reals[2]); });
  expect("Zs.pth: tensor \"0\" must have shape", [](Files& f) { f.codes[0] = f.codes[1]; });
  expect("noise padding", [](Files& f) { f.codes[0] = full(f.codes[0].shape(), 1); });
  expect("differs between the colours", [](Files& f) {
    Rng rng(1);
    const Tensor inner = rng.normal({1, f.codes[0].dim(1) - 10, f.codes[0].dim(2) - 10, 3});
    f.codes[0] = pad(inner, all_sides(singan::kBorder));
  });
  expect("tensor 2 is not zero", [](Files& f) { f.codes[2] = full(f.codes[2].shape(), 1); });
}

// ---- the command

TEST_F(CliImport, FromAFolderToSamples) {
  write_folder(folder / "theirs" / kName, files);
  for (int i = 0; i < 2; ++i) {  // the last level has no picture
    Image picture = to_image(singan::training_reconstruction(model, i));
    for (float& v : picture.pixels) v = std::floor(v * 255) / 255;
    if (i == 1) picture.pixels[0] += picture.pixels[0] > 0.5f ? -3 / 255.f : 3 / 255.f;
    make_folder(folder / "theirs" / kName / std::to_string(i));
    save_png(folder / "theirs" / kName / std::to_string(i) / "G(z_opt).png", picture);
  }
  const Outcome outcome = run_tool("singan", words("theirs", "ours"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "level 0, 32x26: noise 1.000000; G(z_opt).png: differs by at most 0"))
      << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "G(z_opt).png: differs by at most 3")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "noise 0.050000, measured 0.")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "G(z_opt).png: none")) << outcome.out;
  expect_whole_files(folder / "ours");
  expect_local_page(folder / "ours/index.html");
  EXPECT_TRUE(contains(text_of(folder / "ours/index.html"), "8, 6, 4, 4"));
  EXPECT_EQ(load_image(folder / "ours/reconstruction.png").width, 40);

  const Outcome info = run_tool("singan", {"info", "--model", at("ours")});
  EXPECT_TRUE(contains(info.out, "3 of 3")) << info.out;
  EXPECT_EQ(
      run_tool("singan", {"sample", "--model", at("ours"), "--count", "1", "--quiet", "--out", at("samples")})
          .code,
      0);
  // The folder scale_factor=... itself, another time: the same bytes.
  ASSERT_EQ(run_tool("singan", words("theirs/" + kName, "again")).code, 0);
  EXPECT_EQ(text_of(folder / "again/model.safetensors"), text_of(folder / "ours/model.safetensors"));
}

TEST_F(CliImport, BadInput) {
  write_folder(folder / "good" / kName, files);
  const auto refused = [&](const std::string& from, const std::string& part) {
    expect_refused("singan", words(from, "out"), 1, part);
  };
  refused("missing", "missing is no folder");
  fs::create_directory(folder / "empty");
  refused("empty", "holds no Gs.pth");
  write_folder(folder / "two/scale_factor=0.750000,alpha=10", files);
  write_folder(folder / "two/scale_factor=0.793701,alpha=100", files);
  refused("two", "holds 2 trainings, among them scale_factor=0.750000,alpha=10");

  const auto with = [&](const std::string& name, const std::string& file, const Bytes& bytes) {
    write_folder(folder / name, files);
    write_file(folder / name / file, bytes);
    refused(name, at(name) + "/" + file);
  };
  Bytes cut = read_file(folder / "good" / kName / "Zs.pth");
  cut.resize(cut.size() - 1);
  with("cut", "Zs.pth", cut);
  with("text", "NoiseAmp.pth", ByteWriter().text("0.1, 0.2").bytes);
  const Bytes hostile = torch_stream(
      PickleWriter().global("posix", "system").op('(').text("touch " + at("owned")).op('t').op('R').done(),
      {});
  with("hostile", "Gs.pth", hostile);
  refused("hostile", "refers to posix.system");
  EXPECT_FALSE(fs::exists(folder / "owned"));
  PickleWriter deep;
  deep.op(')');
  for (int i = 0; i < 100'000; ++i) deep.op(0x85);
  with("deep", "reals.pth", torch_zip(deep.done(), {}));
  // 200 KB that would become 10,000 dicts of 20,000 entries each.
  PickleWriter again;
  again.op('(').op(']').op('(').op(']').integer(1).op('a').integer(2).op('a').number('q', 0, 1);
  for (int i = 1; i < 10'000; ++i) again.number('h', 0, 1);
  again.op('e').op(0x85).number('q', 1, 1).global("collections", "OrderedDict").number('q', 2, 1);
  for (int i = 0; i < 10'000; ++i) again.number('h', 2, 1).number('h', 1, 1).op('R');
  with("again", "Gs.pth", torch_zip(again.op('t').done(), {}));
  refused("again", "OrderedDicts of more than 1000000 entries in all");
  // 2 GB that are stated, in an instruction and of a storage, of which the file holds 8 bytes.
  const uint64_t huge = uint64_t{1} << 31;
  with("count", "Zs.pth", torch_zip(PickleWriter().number('X', huge, 4).done(), {}));
  refused("count", "2147483648 bytes are stated");
  const Bytes beyond = PickleWriter().tensor("0", int64_t(huge), {int64_t(huge)}, {1}, true).done();
  with("storage", "Zs.pth", torch_stream(beyond, {{"0", huge, Bytes(8)}}));
  refused("storage", "longer than the file");
  Files negative = files;
  negative.generators[2]["head.norm.running_var"] = full({4}, -1);
  write_folder(folder / "negative", negative);
  refused("negative", "not finite");
  fs::remove(folder / "cut/Zs.pth");
  refused("cut", "there is no such file");

  expect_refused("singan", {"import", "--out", at("out")}, 2, "--from");
  expect_bad_folders_refused("singan", {"import", "--quiet", "--from", at("good")});
  expect_full_disk_reported("singan", {"import", "--quiet", "--from", at("good")}, "full", {0, 300, 5'000});
}

}  // namespace
}  // namespace sga
