// evaluate as a program: files and folders in, a table and a JSON report out.
#include <sys/stat.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "engine/checkpoint.h"
#include "tests/cli.h"
#include "tests/inception_weights.h"
#include "tests/picture_bytes.h"

namespace sga {
namespace {

using Json = nlohmann::json;

class CliEvaluate : public CliTest {
 protected:
  void picture(const std::string& name, double phase = 0, int64_t height = 40, int64_t width = 44) const {
    make_folder((folder / name).parent_path());
    save_png(folder / name, test_picture(height, width, phase));
  }
  Words compare(const std::string& metric, const std::string& real, const std::string& fake) const {
    return {metric, "--real", at(real), "--fake", at(fake), "--quiet"};
  }
  Json report(const Words& words, int code = 0) const {
    const Outcome outcome = run_tool("evaluate", words + Words{"--json", at("report.json")});
    EXPECT_EQ(outcome.code, code) << outcome.err;
    return Json::parse(text_of(folder / "report.json"));
  }
};

TEST_F(CliEvaluate, TwoPictures) {
  picture("a.png");
  picture("b.png", 1);
  const Json swd = report(compare("swd", "a.png", "b.png"));
  EXPECT_EQ(swd["tool"], "evaluate swd");
  EXPECT_EQ(swd["count"], 1);
  ASSERT_EQ(swd["pairs"].size(), 1u);
  const Json& pair = swd["pairs"][0];
  EXPECT_EQ(pair["name"], "b.png");
  for (const char* column :
       {"swd_full", "swd_half", "swd_quarter", "pf_full", "pf_half", "pf_quarter", "l1"}) {
    EXPECT_GT(pair[column].get<double>(), 0) << column;
    EXPECT_EQ(swd["mean"][column], pair[column]);
  }

  const Json sifid = report(compare("sifid", "a.png", "b.png"));
  EXPECT_GT(sifid["mean"]["sifid_64"].get<double>(), 0);
  EXPECT_GT(sifid["mean"]["sifid_192"].get<double>(), 0);
  EXPECT_EQ(sifid["weights"], "inception_stem.safetensors");
  EXPECT_EQ(sifid["weights_checksum"],
            file_checksum(SGA_SOURCE_DIR "/models/pretrained/inception_stem.safetensors"));

  const Json psnr = report(compare("psnr", "a.png", "b.png"));
  const double rmse = psnr["mean"]["rmse"];
  EXPECT_NEAR(psnr["mean"]["psnr"].get<double>(), 20 * std::log10(255 / rmse), 1e-9);
  EXPECT_LT(psnr["mean"]["ssim"].get<double>(), 1);
}

TEST_F(CliEvaluate, EqualPicturesAndTheTable) {
  picture("a.png");
  const Outcome psnr =
      run_tool("evaluate", compare("psnr", "a.png", "a.png") + Words{"--json", at("r.json")});
  ASSERT_EQ(psnr.code, 0) << psnr.err;
  EXPECT_EQ(psnr.err, "");
  EXPECT_TRUE(contains(psnr.out, "psnr") && contains(psnr.out, "inf") && contains(psnr.out, "1.0000"))
      << psnr.out;
  EXPECT_TRUE(Json::parse(text_of(folder / "r.json"))["mean"]["psnr"].is_null());
  const Outcome sifid = run_tool("evaluate", compare("sifid", "a.png", "a.png"));
  EXPECT_TRUE(contains(sifid.out, "weights: inception_stem.safetensors") && contains(sifid.out, "0.00000"))
      << sifid.out;
  // Without --quiet: the device on stdout, progress on stderr.
  const Outcome aloud = run_tool("evaluate", {"psnr", "--real", at("a.png"), "--fake", at("a.png")});
  EXPECT_EQ(aloud.code, 0);
  EXPECT_TRUE(contains(aloud.out, "device: ")) << aloud.out;
}

TEST_F(CliEvaluate, FoldersPairByName) {
  picture("real/x.png", 0);
  picture("real/y.png", 1);
  picture("real/z.png", 2);
  picture("fake/x.png", 1);
  picture("fake/w.png", 1);
  write_text(folder / "fake/index.html", "no picture");
  make_folder(folder / "fake/deeper");
  // The same picture as a JPEG, under a capital extension.
  write_file(folder / "fake/y.JPEG",
             make_jpeg(std::vector(5, std::vector(6, std::vector<int>{90, 120, 140}))));
  const Words words = compare("swd", "real", "fake");
  const Outcome outcome = run_tool("evaluate", words);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  for (const char* part :
       {"x.png", "y.JPEG", "mean", "median", "without a partner", "real/z.png", "fake/w.png"})
    EXPECT_TRUE(contains(outcome.out, part)) << part << "\n" << outcome.out;

  const Json json = report(words);
  EXPECT_EQ(json["count"], 2);
  EXPECT_EQ(json["unpaired"], Json({at("real/z.png"), at("fake/w.png")}));
  EXPECT_TRUE(json["pairs"][1]["l1"].is_null());  // 48x40 against 44x40
  EXPECT_EQ(json["mean"]["l1"], json["pairs"][0]["l1"]);
  const std::string first = text_of(folder / "report.json");
  report(words);
  EXPECT_EQ(text_of(folder / "report.json"), first);  // the same bytes
}

TEST_F(CliEvaluate, OneRealPictureAgainstSamples) {
  picture("real.png");
  for (int i = 0; i < 3; ++i) picture("samples/" + std::to_string(i) + ".png", 0.1 * i);
  const Json json = report(compare("swd", "real.png", "samples"));
  EXPECT_EQ(json["count"], 3);
  EXPECT_EQ(json["pairs"][0]["swd_full"], 0);
  EXPECT_LT(json["pairs"][1]["l1"].get<double>(), json["pairs"][2]["l1"].get<double>());
  EXPECT_EQ(json["median"]["l1"], json["pairs"][1]["l1"]);
  // Its statistics are made once: as with a folder, where they are made for every pair.
  for (int i = 0; i < 3; ++i) picture("reals/" + std::to_string(i) + ".png");
  EXPECT_EQ(report(compare("swd", "reals", "samples"))["mean"], json["mean"]);
}

TEST_F(CliEvaluate, NothingPairs) {
  picture("real/a.png");
  picture("fake/b.png");
  make_folder(folder / "empty");
  picture("twice/a.png");
  write_file(folder / "twice/a.jpg", make_jpeg({{{90, 120, 140}}}));
  for (const char* metric : {"swd", "sifid", "psnr"}) {
    expect_refused("evaluate", compare(metric, "real", "fake"), 1, "paired by file name");
    expect_refused("evaluate", compare(metric, "real", "empty"), 1, "holds no PNG, JPEG or BMP");
    expect_refused("evaluate", compare(metric, "real/a.png", "empty"), 1, "holds no PNG, JPEG or BMP");
    expect_refused("evaluate", compare(metric, "real", "real/a.png"), 1, "is a folder and --fake");
    expect_refused("evaluate", compare(metric, "real", "nowhere"), 1, "is a folder and --fake");
    expect_refused("evaluate", compare(metric, "real", "twice"), 1, "keep one of them");
    expect_refused("evaluate", compare(metric, "nowhere", "fake"), 1, "there is no such file");
    expect_refused("evaluate", compare(metric, "nowhere.png", "fake/b.png"), 1, "there is no such file");
  }
}

TEST_F(CliEvaluate, OneBrokenAmongFifty) {
  picture("real.png", 0, 30, 30);
  for (int i = 0; i < 50; ++i) picture("samples/" + std::to_string(100 + i) + ".png", 0.01 * i, 30, 30);
  const std::string whole = text_of(folder / "samples/117.png");
  write_text(folder / "samples/117.png", whole.substr(0, whole.size() / 2));
  const Words words = compare("swd", "real.png", "samples");
  const Outcome outcome = run_tool("evaluate", words);
  EXPECT_EQ(outcome.code, 1);
  expect_sentence(outcome, "evaluate", "1 of 50 pairs left out: 117.png (");
  EXPECT_TRUE(contains(outcome.out, "left out: 117.png") && contains(outcome.out, "median")) << outcome.out;
  const Json json = report(words, 1);
  EXPECT_EQ(json["count"], 49);
  EXPECT_EQ(json["left_out"].size(), 1u);
  EXPECT_TRUE(contains(json["left_out"][0]["reason"], "cut")) << json["left_out"];
}

TEST_F(CliEvaluate, AllBroken) {
  picture("real.png");
  for (int i = 0; i < 12; ++i) write_text(folder / ("pic" + std::to_string(i) + ".txt"), "");
  make_folder(folder / "bad");
  for (int i = 10; i < 22; ++i) write_text(folder / ("bad/" + std::to_string(i) + ".png"), "text");
  const Outcome outcome = run_tool("evaluate", compare("psnr", "real.png", "bad"));
  EXPECT_EQ(outcome.code, 1);
  expect_sentence(outcome, "evaluate", "12 of 12 pairs left out");
  EXPECT_TRUE(contains(outcome.err, "; and 2 more")) << outcome.err;
  // A broken real picture spoils everything at once.
  picture("good/a.png");
  expect_refused("evaluate", compare("psnr", "bad/10.png", "good"), 1, "no PNG, JPEG or BMP picture");
  expect_refused("evaluate", compare("psnr", "real.png", "bad/10.png"), 1, "no PNG, JPEG or BMP picture");
}

TEST_F(CliEvaluate, Sizes) {
  picture("a.png", 0, 40, 44);
  picture("b.png", 0, 44, 40);
  picture("tiny.png", 0, 10, 10);
  picture("set/b.png", 0, 44, 40);
  picture("set/c.png", 0.5, 40, 44);
  expect_refused("evaluate", compare("psnr", "a.png", "b.png"), 1, "44x40 and 40x44");
  expect_refused("evaluate", compare("psnr", "tiny.png", "tiny.png"), 1, "SSIM needs at least 11");
  expect_refused("evaluate", compare("swd", "a.png", "tiny.png"), 1, "10x10 pixels");
  expect_refused("evaluate", compare("sifid", "tiny.png", "a.png"), 1, "10x10 pixels");
  EXPECT_TRUE(report(compare("swd", "a.png", "b.png"))["mean"]["l1"].is_null());
  EXPECT_GT(report(compare("sifid", "a.png", "b.png"))["mean"]["sifid_64"].get<double>(), 0);
  const Json json = report(compare("psnr", "a.png", "set"), 1);
  EXPECT_EQ(json["count"], 1);
  EXPECT_EQ(json["left_out"][0]["name"], "b.png");
}

TEST_F(CliEvaluate, WeightsOfOnesOwn) {
  picture("a.png");
  picture("b.png", 1);
  Checkpoint c = load_checkpoint(SGA_SOURCE_DIR "/models/pretrained/inception_stem.safetensors");
  Checkpoint mine;
  for (const auto& [name, tensor] : c.tensors)
    if (!contains(name, "3b") && !contains(name, "4a")) mine.tensors["model." + name] = tensor;
  save_checkpoint(folder / "mine.safetensors", mine);
  const Json json = report(compare("sifid", "a.png", "b.png") + Words{"--weights", at("mine.safetensors")});
  EXPECT_EQ(json["weights"], "mine.safetensors");
  EXPECT_EQ(json["weights_checksum"], file_checksum(folder / "mine.safetensors"));
  EXPECT_FALSE(json["mean"].contains("sifid_192"));

  write_text(folder / "text.safetensors", "this is not a checkpoint");
  save_checkpoint(folder / "other.safetensors", Checkpoint{{{"w", zeros({1})}}, {}, ""});
  for (const auto& [name, part] : {std::pair{"text.safetensors", "no safetensors file"},
                                   {"other.safetensors", "Conv2d_1a_3x3.conv.weight"},
                                   {"gone.safetensors", "there is no such file"}})
    expect_refused("evaluate", compare("sifid", "a.png", "b.png") + Words{"--weights", at(name)}, 1, part);
}

TEST_F(CliEvaluate, TheReportIsWholeOrNotThere) {
  picture("a.png");
  picture("b.png", 1);
  make_folder(folder / "d");
  const Words words = compare("psnr", "a.png", "b.png");
  expect_refused("evaluate", words + Words{"--json", at("nowhere/r.json")}, 1, "--json: there is no folder");
  expect_refused("evaluate", words + Words{"--json", at("d")}, 1, "--json: ");
  const Outcome full = run_tool("evaluate", words + Words{"--json", at("r.json")}, 100);
  EXPECT_EQ(full.code, 1);
  EXPECT_FALSE(fs::exists(folder / "r.json"));
  expect_whole_files(folder.path());
}

TEST_F(CliEvaluate, Interrupted) {
  picture("real.png");
  for (int i = 0; i < 300; ++i) fs::copy_file(folder / "real.png", folder / (std::to_string(i) + ".png"));
  ToolProcess process("evaluate", {"swd", "--real", at("real.png"), "--fake", folder.path().string(),
                                   "--json", at("r.json"), "--quiet"});
  ::usleep(100'000);
  process.send(SIGINT);
  const Outcome outcome = process.wait();
  // On an idle machine it may have been done; before main a signal ends the process by itself.
  if (outcome.code == 130) {
    EXPECT_TRUE(contains(outcome.err, "no report was written")) << outcome.err;
    EXPECT_FALSE(fs::exists(folder / "r.json"));
  } else {
    EXPECT_TRUE(outcome.code == 0 || outcome.code == 1000 + SIGINT) << outcome.code;
  }
}

TEST_F(CliEvaluate, FidOfTwoSets) {
  for (int i = 0; i < 5; ++i) {
    picture("a/" + std::to_string(i) + ".png", i);
    picture("b/" + std::to_string(i) + ".png", 5 + i, 30, 20);
  }
  const Json same = report(compare("fid", "a", "a"));
  EXPECT_NEAR(same["frechet_judge"].get<double>(), 0, 1e-4);
  EXPECT_LT(same["kernel_judge"].get<double>(), 1e-6);  // unbiased: below 0 for equal sets
  EXPECT_EQ(same["real_count"], 5);
  EXPECT_EQ(same["dimensions"], 128);
  EXPECT_EQ(same["weights"], "au_judge.safetensors");
  EXPECT_FALSE(same.contains("fid"));
  const Json apart = report(compare("fid", "a", "b"));
  EXPECT_GT(apart["frechet_judge"].get<double>(), 1e-3);

  // One broken picture among them is left out, named, and the exit code says so.
  write_file(folder / "b/broken.png", "no picture");
  const Json left = report(compare("fid", "a", "b"), 1);
  EXPECT_EQ(left["fake_count"], 5);
  ASSERT_EQ(left["left_out"].size(), 1u);
  EXPECT_EQ(left["left_out"][0]["name"], "--fake broken.png");
  EXPECT_EQ(left["frechet_judge"], apart["frechet_judge"]);
}

TEST_F(CliEvaluate, FidByWeightsOfInception) {
  for (int i = 0; i < 2; ++i) {
    picture("a/" + std::to_string(i) + ".png", i);
    picture("b/" + std::to_string(i) + ".png", 5 + i, 30, 20);
  }
  Checkpoint weights = evaluation::inception_weights();
  save_checkpoint(folder / "fid.safetensors", weights, Storage::f16);
  const Json fid = report(compare("fid", "a", "b") + Words{"--weights", at("fid.safetensors")});
  EXPECT_EQ(fid["dimensions"], 2048);
  EXPECT_GT(fid["fid"].get<double>(), 0);
  EXPECT_FALSE(fid.contains("frechet_judge"));
  weights.tensors["fc.weight"] = zeros({1000, 2048});
  save_checkpoint(folder / "torchvision.safetensors", weights, Storage::f16);
  const Json other = report(compare("fid", "a", "b") + Words{"--weights", at("torchvision.safetensors")});
  EXPECT_EQ(other["frechet_inception"], fid["fid"]);
  EXPECT_EQ(other["kernel_inception"], fid["kid"]);
  EXPECT_FALSE(other.contains("fid"));
}

TEST_F(CliEvaluate, FidRefuses) {
  for (int i = 0; i < 2; ++i) picture("a/" + std::to_string(i) + ".png", i);
  picture("one/0.png");
  make_folder(folder / "none");
  const auto refused = [&](const Words& words, const std::string& part) {
    const Outcome outcome = run_tool("evaluate", words);
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, part)) << outcome.err;
  };
  refused(compare("fid", "a", "one"), "holds too few pictures, 1;");
  refused(compare("fid", "a", "none"), "none");
  refused(compare("fid", "a", "missing"), "missing");
  refused(compare("fid", "a", "a") +
              Words{"--weights", SGA_SOURCE_DIR "/models/pretrained/inception_stem.safetensors"},
          "Mixed_5b.branch1x1");
  refused(compare("fid", "a", "a") +
              Words{"--weights", SGA_SOURCE_DIR "/models/pretrained/ganimation.safetensors"},
          "Conv2d_1a_3x3.conv.weight");
  write_file(folder / "a/x.png", "no picture");
  fs::remove(folder / "a/0.png");
  refused(compare("fid", "a", "a"), "only 1 of 2");
}

}  // namespace
}  // namespace sga
