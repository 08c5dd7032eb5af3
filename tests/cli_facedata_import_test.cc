// facedata prepare on what other tools and published data sets leave: layouts, tables, pictures of all kinds.
#include <cmath>

#include "models/ganimation/face_set.h"
#include "models/ganimation/openface.h"
#include "tests/cli.h"
#include "tests/picture_bytes.h"

namespace sga {
namespace {

class CliFacedataImport : public CliTest {
 protected:
  void folder_of(const std::string& name) const { fs::create_directories(folder / name); }
  /// A square picture whose left half is dark and right half is light by `k`.
  void picture(const std::string& name, int k = 0, int64_t height = 64, int64_t width = 64) const {
    Image image{height, width, 3, {}};
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x)
        for (int c = 0; c < 3; ++c)
          image.pixels.push_back(x < width / 2 ? 0.1f * float(c) : 0.5f + 0.04f * float(k));
    save_png(folder / name, image);
  }
  static std::string numbers(double first, int count = 17, const std::string& separator = ",") {
    std::string text;
    for (int i = 0; i < count; ++i) text += separator + std::to_string(i == 0 ? first : 0.5);
    return text;
  }
  /// A table of FeatureExtraction with frames 1..n; AU 1 of frame k is k / 10; with or without landmarks
  /// around (32, 32).
  static std::string video(int n, bool landmarks = false) {
    std::string text = "frame, face_id, timestamp, confidence, success";
    for (const char* axis : {", x_", ", y_"})
      for (int i = 0; landmarks && i < 68; ++i) text += axis + std::to_string(i);
    for (const int au : kActionUnitNumbers) text += (au < 10 ? ", AU0" : ", AU") + std::to_string(au) + "_r";
    for (int k = 1; k <= n; ++k) {
      text += "\n" + std::to_string(k) + ", 0, 0.0, 0.98, 1";
      for (int i = 0; landmarks && i < 136; ++i) text += ", " + std::to_string(24 + i % 5 * 4);
      text += numbers(0.1 * k, 17, ", ");
    }
    return text + "\n";
  }
  Outcome prepare(const Words& words) const {
    return run_tool("facedata",
                    Words{"prepare", "--out", at("a.sgd"), "--size", "32", "--force", "--quiet"} + words);
  }
  FaceSet prepared(const Words& words) const {
    const Outcome outcome = prepare(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return FaceSet(folder / "a.sgd");
  }
  void expect_refusal(const Words& words, int code, const std::string& part) const {
    fs::remove(folder / "a.sgd");
    const Outcome outcome = prepare(words);
    EXPECT_EQ(outcome.code, code) << outcome.out;
    expect_sentence(outcome, "facedata", part);
    EXPECT_FALSE(fs::exists(folder / "a.sgd"));
  }
  std::string report() const { return text_of(folder / "a.rejected.csv"); }
};

// ---- tables

TEST_F(CliFacedataImport, FramesOfAVideoByNumberOrByOrder) {
  folder_of("frames");
  for (const int k : {2, 3, 5}) picture("frames/frame_det_00_00000" + std::to_string(k) + ".png", k);
  write_text(folder / "video.csv", video(6));
  const Words words = {"--images", at("frames"), "--labels", at("video.csv"), "--crop", "whole"};
  FaceSet set = prepared(words);
  ASSERT_EQ(set.count(), 3);
  EXPECT_NEAR(set.record(2).labels[0], 0.5 / 5, 1e-6);
  EXPECT_TRUE(contains(report(), "frame 6,label of a missing picture")) << report();

  // As many pictures as frames, and numbers that are none of frames: by order.
  folder_of("photos");
  for (const int k : {1007, 1003, 1005}) picture("photos/" + std::to_string(k) + ".png");
  write_text(folder / "three.csv", video(3));
  const Words photos = {"--images", at("photos"), "--labels", at("three.csv"), "--crop", "whole"};
  set = prepared(photos);
  ASSERT_EQ(set.count(), 3);
  for (int64_t k = 0; k < 3; ++k) EXPECT_NEAR(set.record(k).labels[0], 0.02 * double(k + 1), 1e-6);

  // Both would do and differ: not guessed.
  folder_of("both");
  for (const int k : {1, 2, 4, 6}) picture("both/" + std::to_string(k) + ".png");
  write_text(folder / "six.csv", video(6));
  picture("both/0.png");
  picture("both/5.png");
  const Words both = {"--images", at("both"), "--labels", at("six.csv"), "--crop", "whole"};
  expect_refusal(both, 1, "say --frames number or --frames order");
  EXPECT_NEAR(prepared(both + Words{"--frames", "number"}).record(0).labels[0], 0.02, 1e-6);  // 1.png
  EXPECT_NEAR(prepared(both + Words{"--frames", "order"}).record(1).labels[0], 0.04,
              1e-6);  // 1.png is second

  folder_of("neither");
  picture("neither/me.png");
  expect_refusal({"--images", at("neither"), "--labels", at("six.csv")}, 1,
                 "has frames up to 6 and no image column");
}

TEST_F(CliFacedataImport, LandmarksOfTheLabelsCutTheFaces) {
  folder_of("frames");
  for (const int k : {1, 2}) picture("frames/" + std::to_string(k) + ".png", k);
  picture("frames/3.png", 3, 20, 20);  // the landmarks are of a larger picture
  write_text(folder / "video.csv", video(3, true));
  const FaceSet set = prepared({"--images", at("frames"), "--labels", at("video.csv")});
  EXPECT_EQ(set.count(), 2);
  EXPECT_EQ(to_text(set.recipe()), "mode=landmarks margin=1.5 size=32");
  EXPECT_TRUE(contains(report(), "3.png,face lies outside the picture")) << report();
}

TEST_F(CliFacedataImport, TablesOfOtherVersions) {
  folder_of("photos");
  picture("photos/a.png");
  write_text(folder / "old.csv", "image,confidence,AU01_r,AU12_r,AU47_r\na.png,0.95,1,2,3\n");
  const Words words = {"--images", at("photos"), "--labels", at("old.csv"), "--crop", "whole"};
  expect_refusal(words, 1, "columns are missing: AU02_r, AU04_r");
  const Outcome outcome = prepare(words + Words{"--missing-aus", "zero"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_TRUE(contains(outcome.err, "warning: the labels have no intensity of AU 2 4 5 6 7 9 10 14"))
      << outcome.err;
  EXPECT_NEAR(FaceSet(folder / "a.sgd").record(0).labels[8], 0.4, 1e-6);
}

TEST_F(CliFacedataImport, LinesOfAPictureAndNumbers) {
  folder_of("talking/attribute_images");
  for (const int k : {1, 2}) picture("talking/attribute_images/" + std::to_string(k) + ".png", k);
  write_text(folder / "aus.txt", "2.png" + numbers(2, 17, " ") + "\n1.png" + numbers(1, 17, " ") + "\n");
  const FaceSet set = prepared({"--images", at("talking"), "--labels", at("aus.txt"), "--crop", "whole"});
  ASSERT_EQ(set.count(), 2);
  EXPECT_FLOAT_EQ(set.record(0).labels[0], 0.2f);
  EXPECT_FLOAT_EQ(set.record(1).labels[0], 0.4f);
}

// ---- layouts of data sets

TEST_F(CliFacedataImport, TheOfficialDataSet) {
  folder_of("set/imgs");
  // {id: numbers}, as lists: the numpy form is tested in aus_files_test.
  ByteWriter pickle;
  pickle.be(0x8002, 2).text("}(");
  for (int k = 0; k < 5; ++k) {
    picture("set/imgs/N_" + std::to_string(k) + ".png", k);
    pickle.be('U', 1).le(3, 1).text("N_" + std::to_string(k)).text("](");
    for (int i = 0; i < 17; ++i) pickle.be('K', 1).le(uint64_t(i == 0 ? k : 1), 1);
    pickle.text("e");
  }
  pickle.text("u.");
  write_file(folder / "set/aus_openface.pkl", pickle.bytes);
  write_text(folder / "set/train_ids.csv", "N_0.jpg\nN_3.jpg\n");
  write_text(folder / "set/test_ids.csv", "N_1.jpg\nN_2.jpg\n");
  const Words words = {"--layout", "ganimation", "--images", at("set")};
  const FaceSet set = prepared(words);
  ASSERT_EQ(set.count(), 4);
  EXPECT_EQ(to_text(set.recipe()), "mode=picture margin=1.5 size=32 crop=whole");
  for (int64_t k = 0; k < 4; ++k) {
    EXPECT_EQ(set.record(k).train, k == 0 || k == 3);
    EXPECT_FLOAT_EQ(set.record(k).labels[0], float(k) / 5);
  }
  EXPECT_TRUE(contains(report(), "N_4.png,on neither side of the data set's own split")) << report();
  EXPECT_EQ(prepared(words + Words{"--split", "0.6"}).indices(true).size(), 3u);  // 5 faces, split anew
  fs::remove(folder / "set/aus_openface.pkl");
  expect_refusal(words, 1, "holds no pickle of action units; looked for aus_openface.pkl, aus.pkl");
}

TEST_F(CliFacedataImport, CelebA) {
  folder_of("celeba/img_align_celeba");
  std::string labels = openface_header(), people, parts, points = "4\nlefteye_x lefteye_y and so on\n";
  for (int k = 1; k <= 4; ++k) {
    const std::string name = "00000" + std::to_string(k) + ".png";
    picture("celeba/img_align_celeba/" + name, k, 218, 178);
    labels += openface_line(name, 0.95, {});
    people += name + " " + std::to_string(20 + k / 3) + "\n";
    parts += name + " " + std::to_string(k / 2) + "\n";
    points += name + "  69 109  108 111   77 142  73 152  108  154\n";
  }
  write_text(folder / "celeba/identity_CelebA.txt", people);
  write_text(folder / "celeba/list_eval_partition.txt", parts);
  write_text(folder / "celeba/list_landmarks_align_celeba.txt", points);
  write_text(folder / "labels.csv", labels);
  const Words words = {"--layout", "celeba", "--images", at("celeba"), "--labels", at("labels.csv")};
  FaceSet set = prepared(words + Words{"--crop", "eyes"});
  ASSERT_EQ(set.count(), 4);
  EXPECT_EQ(to_text(set.recipe()), "mode=landmarks margin=1.5 size=32 crop=eyes");
  for (int64_t k = 0; k < 4; ++k) {
    EXPECT_EQ(set.record(k).person, 20 + (k + 1) / 3);
    EXPECT_EQ(set.record(k).train, k == 0);  // partition 0; 1 and 2 are validation and test
  }
  // The thesis: the whole portrait, squeezed. The boundary of the halves stays in the middle.
  set = prepared(words + Words{"--crop", "thesis", "--split", "0.5"});
  ASSERT_EQ(set.count(), 4);
  EXPECT_EQ(set.recipe().crop, "thesis");
  EXPECT_EQ(set.indices(true).size(), 2u);
  EXPECT_EQ(set.pixels(0)[0], 0);
  EXPECT_NEAR(set.pixels(0)[31 * 3], 0.54 * 255, 1);
  EXPECT_NEAR(set.pixels(0)[14 * 3 + 1], 0.1 * 255, 1);
  EXPECT_NEAR(set.pixels(0)[17 * 3 + 1], 0.54 * 255, 1);

  expect_refusal({"--layout", "celeba", "--images", at("celeba")}, 2, "--labels is required");
  write_text(folder / "celeba/identity_CelebA.txt", people + "000004.png somebody\n");
  expect_refusal(words, 1, "line 5: expected a picture and 1 whole numbers");
  expect_refusal(
      {"--layout", "celeba", "--images", at("celeba/img_align_celeba"), "--labels", at("labels.csv")}, 1,
      "holds no aligned CelebA pictures; looked for img_align_celeba");
}

TEST_F(CliFacedataImport, RafDb) {
  folder_of("raf/basic/Image/original");
  folder_of("raf/basic/Annotation/manual");
  std::string labels = openface_header();
  for (const char* name : {"train_00001", "train_00002", "test_0001"}) {
    picture("raf/basic/Image/original/" + std::string(name) + ".png", 1, 80, 120);
    labels += openface_line(std::string(name) + ".jpg", 0.95, {});
    write_text(folder / ("raf/basic/Annotation/manual/" + std::string(name) + "_manu_attri.txt"),
               "40.5\t30\n70\t32\n55\t45\n45\t60\n66\t61\n0\n0\n3\n");
  }
  write_text(folder / "labels.csv", labels);
  const Words words = {"--layout", "raf-db", "--images", at("raf"), "--labels", at("labels.csv")};
  FaceSet set = prepared(words + Words{"--crop", "eyes"});
  ASSERT_EQ(set.count(), 3);
  EXPECT_EQ(set.recipe().mode, "landmarks");
  EXPECT_EQ(set.indices(true).size(), 2u);
  EXPECT_EQ(set.record(set.indices(false)[0]).name, "test_0001.png");
  // Only the makers' aligned pictures: taken as they are, under the names of the originals.
  fs::remove_all(folder / "raf/basic/Image/original");
  folder_of("raf/basic/Image/aligned");
  picture("raf/basic/Image/aligned/train_00002_aligned.png", 1, 100, 100);
  set = prepared(words);
  ASSERT_EQ(set.count(), 1);
  EXPECT_EQ(set.recipe().crop, "whole");
}

// ---- pictures

TEST_F(CliFacedataImport, GreyAlphaAndTurnedPhotographs) {
  folder_of("photos");
  const Image picture{64, 64, 1, std::vector<float>(64 * 64, 0.4f)};
  save_png(folder / "photos/grey.png", picture);
  Image alpha{64, 64, 4, {}};
  for (int i = 0; i < 64 * 64; ++i)
    alpha.pixels.insert(alpha.pixels.end(), {1, 0, 0, i < 32 * 64 ? 1.0f : 0.0f});
  save_png(folder / "photos/alpha.png", alpha);
  // Portrait: stored lying, 2x1 blocks dark and light; orientation 6 stands it up, dark above.
  const Bytes lying = make_jpeg({{{20}, {230}}, {{20}, {230}}});
  write_file(folder / "photos/phone.jpg", with_orientation(lying, 6, true));
  std::string labels = openface_header();
  for (const char* name : {"grey.png", "alpha.png", "phone.jpg"}) labels += openface_line(name, 0.95, {});
  write_text(folder / "labels.csv", labels);
  const FaceSet set = prepared({"--images", at("photos"), "--labels", at("labels.csv"), "--crop", "whole"});
  ASSERT_EQ(set.count(), 3);
  const auto pixel = [&](int64_t face, int64_t y, int64_t x, int c) {
    return int(set.pixels(face)[size_t((y * 32 + x) * 3 + c)]);
  };
  EXPECT_EQ(pixel(0, 3, 3, 0), 255);  // alpha.png: red above, white where nothing is
  EXPECT_EQ(pixel(0, 3, 3, 1), 0);
  EXPECT_EQ(pixel(0, 28, 3, 1), 255);
  for (int c = 0; c < 3; ++c) EXPECT_EQ(pixel(1, 9, 9, c), 102);  // grey.png
  for (const int64_t x : {2, 29}) {
    EXPECT_LT(pixel(2, 4, x, 0), 60);  // phone.jpg
    EXPECT_GT(pixel(2, 28, x, 0), 200);
  }
}

TEST_F(CliFacedataImport, CropsThatDoNotFitThePictures) {
  folder_of("photos");
  picture("photos/wide.png", 0, 64, 80);
  picture("photos/square.png");
  write_text(folder / "labels.csv",
             openface_header() + openface_line("wide.png", 0.95, {}) + openface_line("square.png", 0.95, {}));
  const Words words = {"--images", at("photos"), "--labels", at("labels.csv")};
  EXPECT_EQ(prepared(words + Words{"--crop", "whole"}).count(), 1);
  EXPECT_TRUE(contains(report(), "wide.png,not of the recipe's shape")) << report();
  const Outcome outcome = prepare(words + Words{"--crop", "thesis"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.err, "no face could be used")) << outcome.err;
  EXPECT_TRUE(contains(report(), "needs CelebA's aligned pictures of 178x218 pixels, got 64x64")) << report();
  expect_refusal(words + Words{"--crop", "oval"}, 2, "--crop");
  expect_refusal(words + Words{"--layout", "ffhq"}, 2, "--layout");
}

TEST_F(CliFacedataImport, TrainingAndUseCutTheSame) {
  folder_of("photos");
  fs::copy_file(kPhotograph, folder / "photos/astronaut.png");
  write_text(folder / "labels.csv", openface_header() + openface_line("astronaut.png", 0.95, {}));
  for (const std::string crop : {"box", "eyes"}) {
    const FaceSet set = prepared({"--images", at("photos"), "--labels", at("labels.csv"), "--crop", crop});
    ASSERT_EQ(set.count(), 1);
    EXPECT_EQ(set.recipe(), (CropRecipe{"detector", 1.5, 32, crop}));
    const Outcome train =
        run_tool("ganimation", {"train",    "--data",   at("a.sgd"),  "--out",   at(crop),
                                "--recipe", "small",    "--conv-dim", "4",       "--critic-dim",
                                "4",        "--blocks", "1",          "--batch", "1",
                                "--steps",  "2",        "--device",   "cpu",     "--quiet"});
    ASSERT_EQ(train.code, 0) << train.err;
    const Outcome edit = run_tool(
        "ganimation", {"edit", "--image", kPhotograph, "--model", at(crop + "/model.safetensors"), "--preset",
                       "happiness", "--out", at("edit_" + crop), "--device", "cpu", "--quiet"});
    ASSERT_EQ(edit.code, 0) << edit.err;
    const Image used = load_image(folder / ("edit_" + crop) / "crop.png"), trained = set.image(0);
    ASSERT_EQ(used.pixels.size(), trained.pixels.size());
    for (size_t i = 0; i < used.pixels.size(); ++i)
      ASSERT_NEAR(used.pixels[i], trained.pixels[i], 1e-6) << crop;
  }
}

TEST_F(CliFacedataImport, OnePictureOfOnePerson) {
  folder_of("photos");
  picture("photos/a.png");
  write_text(folder / "labels.csv", openface_header() + openface_line("a.png", 0.95, {}));
  write_text(folder / "people.csv", "image,identity\na.png,7\n");
  const FaceSet set = prepared({"--images", at("photos"), "--labels", at("labels.csv"), "--crop", "whole",
                                "--identity", at("people.csv")});
  EXPECT_EQ(set.count(), 1);
  EXPECT_EQ(set.indices(true).size(), 1u);
}

}  // namespace
}  // namespace sga
