// The judge of action units: agreement by hand-computed numbers, a regressor on faces that show their labels
// plainly, and the report on editors whose merits are known.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/ops.h"
#include "models/ganimation/batches.h"
#include "models/judge/agreement.h"
#include "models/judge/edit_report.h"
#include "models/judge/training.h"
#include "tests/error_text.h"
#include "tests/temp_folder.h"

namespace sga::judge {
namespace {

TEST(Agreement, NumbersByHand) {
  const std::vector<double> a{1, 2, 3, 4, 5}, shifted{2, 3, 4, 5, 6}, doubled{2, 4, 6, 8, 10},
      flat{3, 3, 3, 3, 3};
  EXPECT_DOUBLE_EQ(pearson(a, doubled), 1);
  EXPECT_DOUBLE_EQ(icc31(a, shifted), 1);  // consistency: a constant difference does not count
  EXPECT_DOUBLE_EQ(icc31(a, doubled), 0.8);
  EXPECT_DOUBLE_EQ(mean_absolute_error(a, shifted), 1);
  EXPECT_DOUBLE_EQ(pearson(a, flat), 0);
  EXPECT_NEAR(spearman(std::vector<double>{1, 1, 2}, std::vector<double>{1, 2, 3}), std::sqrt(3) / 2, 1e-12);
  EXPECT_DOUBLE_EQ(spearman(a, std::vector<double>{9, 7, 5, 3, 1}), -1);
  EXPECT_THROW(pearson(a, std::vector<double>{1}), Error);
}

// Faces of 32 pixels: AU12 is how bright the lower half is, AU4 the upper one.
constexpr int64_t kSide = 32;
const size_t kUpper = size_t(index_of(4)), kLower = size_t(index_of(12));

std::vector<uint8_t> face(float upper, float lower, uint64_t seed) {
  Rng rng(seed);
  std::vector<uint8_t> rgb;
  for (int64_t y = 0; y < kSide; ++y)
    for (int64_t x = 0; x < kSide * 3; ++x)
      rgb.push_back(uint8_t(30 + 180 * (y < kSide / 2 ? upper : lower) + 20 * rng.uniform()));
  return rgb;
}

void write_faces(const fs::path& path) {
  FaceSetWriter writer(path, {"landmarks", 1.5, kSide});
  Rng rng(5);
  for (int i = 0; i < 120; ++i) {
    FaceRecord record;
    record.name = std::to_string(i) + ".png";
    record.labels[kUpper] = float(rng.uniform());
    record.labels[kLower] = float(rng.uniform());
    record.train = i >= 40;
    writer.add(record, face(record.labels[kUpper], record.labels[kLower], uint64_t(i)));
  }
  writer.finish();
}

TrainingConfig small(int64_t iterations) {
  TrainingConfig config;
  config.regressor = {.size = kSide, .width = 4};
  config.augmentation = {.rotation = 2, .scale = 0.02, .shift = 0.02, .light = 0, .softness = 0.25};
  config.batch = 16, config.iterations = iterations, config.lr = 5e-3;
  return config;
}

TEST(Augmentation, WithoutBoundsItIsTheFaceOrItsMirror) {
  std::vector<uint8_t> rgb;
  for (int i = 0; i < 8 * 8 * 3; ++i) rgb.push_back(uint8_t(i));
  const Augmentation none{0, 0, 0, 0, 0};
  std::vector<float> out(8 * 8 * 3);
  bool plain = false, mirrored = false;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    Rng rng(seed);
    random_view(rgb, 8, 8, none, rng, out.data());
    const bool is_plain = std::abs(out[0] - (float(rgb[0]) / 127.5f - 1)) < 1e-5f;
    (is_plain ? plain : mirrored) = true;
    for (int y = 0; y < 8; ++y)
      for (int x = 0; x < 8; ++x)
        for (int c = 0; c < 3; ++c) {
          const int from = (y * 8 + (is_plain ? x : 7 - x)) * 3 + c;
          ASSERT_NEAR(out[size_t((y * 8 + x) * 3 + c)], float(rgb[size_t(from)]) / 127.5f - 1, 1e-5);
        }
  }
  EXPECT_TRUE(plain && mirrored);
  Rng one(3), same(3), other(4);
  std::vector<float> a(48 * 3), b(48 * 3);
  a.resize(16 * 16 * 3), b.resize(16 * 16 * 3);
  random_view(rgb, 8, 16, {}, one, a.data());
  random_view(rgb, 8, 16, {}, same, b.data());
  EXPECT_EQ(a, b);
  random_view(rgb, 8, 16, {}, other, b.data());
  EXPECT_NE(a, b);
  for (const float v : a) EXPECT_TRUE(v >= -1 && v <= 1) << v;
}

class Judge : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = new TempFolder;
    write_faces(*folder / "faces.sgd");
    set = new FaceSet(*folder / "faces.sgd");
    Trainer trainer(small(150), *set, set->indices(true));
    while (!trainer.finished()) trainer.step();
    Checkpoint exported = export_regressor(trainer.regressor(), {{"about", "squares"}});
    save_checkpoint(*folder / "judge.safetensors", exported, Storage::f16);
  }
  static void TearDownTestSuite() { delete set, delete folder; }
  static AuRegressor judge() { return load_regressor(load_checkpoint(*folder / "judge.safetensors")); }

  static TempFolder* folder;
  static FaceSet* set;
};
TempFolder* Judge::folder;
FaceSet* Judge::set;

TEST_F(Judge, LearnsWhatFacesShow) {
  const std::vector<int64_t> test = set->indices(false);
  const std::vector<ActionUnits> read = read_faces(judge(), *set, test);
  for (const size_t au : {kUpper, kLower}) {
    std::vector<double> label, value;
    for (size_t i = 0; i < test.size(); ++i)
      label.push_back(double(set->record(test[i]).labels[au])), value.push_back(double(read[i][au]));
    EXPECT_GT(pearson(label, value), 0.95) << "AU" << kActionUnitNumbers[au];
    EXPECT_LT(mean_absolute_error(label, value), 0.12) << "AU" << kActionUnitNumbers[au];
  }
}

TEST_F(Judge, StopAndResumeGivesTheSameBytes) {
  const auto bytes = [](const Trainer& trainer) {
    Checkpoint checkpoint;
    trainer.store(checkpoint);
    return encode_checkpoint(checkpoint);
  };
  Trainer whole(small(8), *set, set->indices(true)), half(small(8), *set, set->indices(true));
  for (int i = 0; i < 8; ++i) whole.step();
  for (int i = 0; i < 3; ++i) half.step();
  Checkpoint stopped;
  half.store(stopped);
  Trainer resumed(small(8), *set, set->indices(true));
  resumed.load(stopped);
  while (!resumed.finished()) resumed.step();
  EXPECT_EQ(bytes(whole), bytes(resumed));
  TrainingConfig wider = small(8);
  wider.regressor.width = 8;
  Trainer other(wider, *set, set->indices(true));
  EXPECT_NE(error_text([&] { other.load(stopped); }).find("width 4, this run has 32 and 8"),
            std::string::npos);
}

TEST_F(Judge, FacesOfOtherSizesAreFitted) {
  NoGrad off;
  const Tensor x = from_host<float>({2, kSide, kSide, 3}, set->batch(std::vector<int64_t>{0, 1}));
  const Tensor twice = resize(x, nearest_taps(kSide, 2), nearest_taps(kSide, 2));
  const std::vector<float> a = to_host<float>(judge().forward(x)), b = to_host<float>(judge().forward(twice));
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 0.1) << i;
  EXPECT_EQ(judge().features(x).shape(), (Shape{2, 32}));
  EXPECT_THROW(judge().forward(zeros({1, 32, 16, 3})), Error);
}

TEST_F(Judge, DamagedFilesAreRefused) {
  const Checkpoint whole = load_checkpoint(*folder / "judge.safetensors");
  const auto refused = [&](auto change, const std::string& part) {
    Checkpoint damaged = whole;
    change(damaged);
    EXPECT_NE(error_text([&] { load_regressor(damaged); }).find(part), std::string::npos)
        << error_text([&] { load_regressor(damaged); });
  };
  refused([](Checkpoint& c) { c.metadata["model"] = "singan"; }, "no judge of action units");
  refused([](Checkpoint& c) { c.metadata["format"] = "2"; }, "format 2 is unknown");
  refused([](Checkpoint& c) { c.metadata["size"] = "31"; }, "multiple of 16");
  refused([](Checkpoint& c) { c.metadata["width"] = "-4"; }, "width must be a whole number");
  refused([](Checkpoint& c) { c.tensors.erase("head.bias"); }, "head.bias");
}

// Brightens a half by the AU asked for; of `leak` both halves move.
Editor painter(float leak) {
  return [leak](const Tensor& crops, const std::vector<ActionUnits>& targets,
                const std::vector<ActionUnits>&) {
    std::vector<float> v = to_host<float>(crops);
    const int64_t side = crops.dim(1);
    for (size_t i = 0; i < targets.size(); ++i)
      for (int64_t y = 0; y < side; ++y)
        for (int64_t k = 0; k < side * 3; ++k) {
          const bool upper = y < side / 2;
          const float own = targets[i][upper ? kUpper : kLower], other = targets[i][upper ? kLower : kUpper];
          v[size_t((int64_t(i) * side + y) * side * 3 + k)] =
              (30 + 180 * std::min(1.f, own + leak * other)) / 127.5f - 1;
        }
    const Tensor edited = from_host<float>(crops.shape(), v);
    return ganimation::Edit{edited, full({crops.dim(0), side, side, 1}, 0.5), edited};
  };
}

TEST_F(Judge, ReportsOnEditorsOfKnownMerit) {
  std::vector<int64_t> test = set->indices(false);
  test.resize(12);
  const ganimation::Batch batch = ganimation::batch_of(*set, test);
  const LabelledFaces faces{batch.images, ganimation::to_action_units(batch.source_aus)};
  int steps = 0;
  const auto report = [&](const Editor& editor) {
    return report_edits(editor, judge(), faces, 1, [&] { ++steps; });
  };
  const EditReport good = report(painter(0));
  EXPECT_EQ(steps, kActionUnitCount + 3);
  const AuReport &mouth = good.units[kLower], &brow = good.units[kUpper];
  EXPECT_GT(mouth.spearman, 0.95);
  EXPECT_NEAR(mouth.rise, 5, 1);
  EXPECT_GT(mouth.pearson, 0.95);
  EXPECT_GT(mouth.icc, 0.9);
  EXPECT_LT(mouth.mse, 0.5);
  // The halves of these faces part at 0.5, those of the report at 0.53: a row of 16.
  EXPECT_LT(mouth.other_half, 0.07);
  EXPECT_EQ(brow.other_half, 0);
  EXPECT_LT(std::abs(mouth.leakage[kUpper]), 0.5);
  EXPECT_NEAR(good.attention, 0.5, 1e-6);
  EXPECT_NEAR(good.attention_entropy, 1, 1e-6);
  EXPECT_EQ(good.attention_variation, 0);
  EXPECT_GT(good.identity_psnr, 25);
  EXPECT_GE(good.path, 0.99);
  EXPECT_LT(good.path, 1.1);

  const EditReport leaky = report(painter(0.5f));
  EXPECT_GT(leaky.units[kLower].other_half, 0.2);
  EXPECT_GT(double(leaky.units[kLower].leakage[kUpper]), 0.8);

  const EditReport copy = report([](const Tensor& crops, const auto&, const auto&) {
    const int64_t n = crops.dim(0);
    return ganimation::Edit{crops, full({n, kSide, kSide, 1}, 1), crops};
  });
  EXPECT_EQ(copy.units[kLower].rise, 0);
  EXPECT_EQ(copy.units[kLower].other_ssim, 1);
  EXPECT_TRUE(std::isinf(copy.identity_psnr));
  EXPECT_EQ(copy.background, 0);
  EXPECT_EQ(copy.attention_high, 1);
  EXPECT_EQ(copy.overflow, 0);
  EXPECT_EQ(copy.checkerboard, 0);

  // A pattern of period 2 over the whole face.
  const EditReport board = report([](const Tensor& crops, const auto&, const auto&) {
    std::vector<float> v = to_host<float>(crops);
    for (size_t i = 0; i < v.size(); ++i) v[i] += i / 3 % 2 ? 0.1f : -0.1f;
    const Tensor edited = from_host<float>(crops.shape(), v);
    return ganimation::Edit{edited, zeros({crops.dim(0), kSide, kSide, 1}), full(crops.shape(), 1)};
  });
  EXPECT_GT(board.checkerboard, 3);
  EXPECT_NEAR(board.background, 12.75, 0.01);
  EXPECT_EQ(board.attention_low, 1);
  EXPECT_EQ(board.overflow, 1);
  EXPECT_THROW(report_edits(painter(0), judge(), {slice(batch.images, 0, 0, 1), {faces.labels[0]}}, 1, [] {}),
               Error);
}

}  // namespace
}  // namespace sga::judge
