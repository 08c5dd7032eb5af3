// The packed data set: what goes in comes out, and no damaged file is taken for a good one.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <fstream>
#include <limits>

#include "models/ganimation/face_set.h"
#include "tests/error_text.h"
#include "tests/temp_folder.h"

namespace sga {
namespace {

constexpr int64_t kSide = 16, kBytes = kSide * kSide * 3;

FaceRecord record(int i) {
  FaceRecord r;
  r.name = "face " + std::to_string(i) + ".jpg";
  for (size_t a = 0; a < kActionUnitCount; ++a)
    r.labels[a] = static_cast<float>(i) * 0.1f + static_cast<float>(a) * 0.01f;
  r.confidence = 0.9f;
  r.person = i == 2 ? -1 : 100 + i;
  r.train = i != 1;
  return r;
}

std::vector<uint8_t> pixels(int i) {
  std::vector<uint8_t> rgb;
  for (int64_t k = 0; k < kBytes; ++k) rgb.push_back(static_cast<uint8_t>(k * 7 + i * 31));
  return rgb;
}

void write_set(const fs::path& path, int count = 3) {
  FaceSetWriter writer(path, {"landmarks", 1.5, kSide});
  for (int i = 0; i < count; ++i) writer.add(record(i), pixels(i));
  writer.finish();
}

/// Like write_file without waiting for the disk, for thousands of small files.
void write_quickly(const fs::path& path, std::span<const std::byte> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

size_t files_in(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator{}));
}

TEST(FaceSet, RoundTrip) {
  TempFolder folder;
  write_set(folder / "a.sgd");
  EXPECT_EQ(files_in(folder.path()), 1u);
  const FaceSet set(folder / "a.sgd");
  ASSERT_EQ(set.count(), 3);
  EXPECT_EQ(set.size(), kSide);
  EXPECT_EQ(set.recipe(), (CropRecipe{"landmarks", 1.5, kSide}));
  EXPECT_TRUE(set.pixels_intact());
  for (int i = 0; i < 3; ++i) {
    const FaceRecord want = record(i), got = set.record(i);
    EXPECT_EQ(got.name, want.name);
    EXPECT_EQ(got.labels, want.labels);
    EXPECT_EQ(got.confidence, want.confidence);
    EXPECT_EQ(got.person, want.person);
    EXPECT_EQ(got.train, want.train);
    EXPECT_TRUE(std::ranges::equal(set.pixels(i), pixels(i)));
  }
  EXPECT_EQ(set.indices(true), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(set.indices(false), (std::vector<int64_t>{1}));
  EXPECT_NEAR(set.image(1).at(2, 3)[1], pixels(1)[(2 * kSide + 3) * 3 + 1] / 255.0, 1e-6);
  EXPECT_NE(error_text([&] { set.record(3); }), "");
  EXPECT_NE(error_text([&] { set.pixels(-1); }), "");
}

TEST(FaceSet, BatchesAreScaledAndFlipped) {
  TempFolder folder;
  write_set(folder / "a.sgd");
  const FaceSet set(folder / "a.sgd");
  const std::vector<int64_t> which = {2, 0};
  const std::vector<uint8_t> flip = {0, 1};
  const std::vector<float> batch = set.batch(which, flip);
  ASSERT_EQ(batch.size(), size_t(2 * kBytes));
  const auto value = [](uint8_t v) { return static_cast<float>(v) / 127.5f - 1; };
  for (int64_t y = 0; y < kSide; ++y)
    for (int64_t x = 0; x < kSide; ++x)
      for (int64_t c = 0; c < 3; ++c) {
        const auto at = [&](int64_t col) { return static_cast<size_t>((y * kSide + col) * 3 + c); };
        ASSERT_EQ(batch[at(x)], value(pixels(2)[at(x)]));
        ASSERT_EQ(batch[size_t(kBytes) + at(x)], value(pixels(0)[at(kSide - 1 - x)]));
      }
  EXPECT_EQ(*std::min_element(batch.begin(), batch.end()), -1.0f);
  EXPECT_EQ(*std::max_element(batch.begin(), batch.end()), 1.0f);
  EXPECT_EQ(set.labels(which)[0], record(2).labels[0]);
  EXPECT_EQ(set.labels(which)[17], record(0).labels[0]);
  EXPECT_NE(error_text([&] { set.batch(which, std::vector<uint8_t>{1}); }), "");
}

TEST(FaceSet, EveryCutIsNoticed) {
  TempFolder folder;
  write_set(folder / "a.sgd");
  const auto whole = static_cast<int64_t>(fs::file_size(folder / "a.sgd"));
  for (int64_t n = whole - 1; n >= 0; n -= n <= 300 || n > whole - 900 ? 1 : 97) {
    fs::resize_file(folder / "a.sgd", static_cast<uintmax_t>(n));
    EXPECT_NE(error_text([&] { FaceSet set(folder / "a.sgd"); }), "") << n << " of " << whole;
  }
}

TEST(FaceSet, EveryFlippedBitIsNoticed) {
  TempFolder folder;
  write_set(folder / "a.sgd", 1);
  Bytes bytes = read_file(folder / "a.sgd");
  for (size_t at = 0; at < bytes.size(); at += at >= 64 && at < 64 + kBytes ? 37 : 1) {
    const bool padding = (at >= 24 && at < 64) || (at >= bytes.size() - 32 && at < bytes.size() - 8);
    if (padding) continue;  // zeros that nothing reads
    bytes[at] ^= std::byte{0x10};
    write_quickly(folder / "flip.sgd", bytes);
    const std::string error =
        error_text([&] { SGA_CHECK(FaceSet(folder / "flip.sgd").pixels_intact(), "pixels"); });
    EXPECT_NE(error, "") << at;
    bytes[at] ^= std::byte{0x10};
  }
}

TEST(FaceSet, RefusesOtherFiles) {
  TempFolder folder;
  EXPECT_NE(error_text([&] { FaceSet set(folder / "none.sgd"); }), "");
  EXPECT_NE(error_text([&] { FaceSet set(folder.path()); }), "");
  write_file(folder / "text.sgd", std::string_view("hello"));
  const std::string error = error_text([&] { FaceSet set(folder / "text.sgd"); });
  EXPECT_NE(error.find("no face set"), std::string::npos) << error;
}

TEST(FaceSet, NothingIsLeftWithoutFinish) {
  TempFolder folder;
  write_file(folder / "a.sgd", std::string_view("before"));
  {
    FaceSetWriter writer(folder / "a.sgd", {"detector", 1.5, kSide});
    writer.add(record(0), pixels(0));
    EXPECT_NE(error_text([&] { writer.add(record(0), std::vector<uint8_t>(5)); }), "");
  }
  EXPECT_EQ(read_text(folder / "a.sgd"), "before");
  EXPECT_EQ(files_in(folder.path()), 1u);
  EXPECT_NE(error_text([&] { FaceSetWriter(folder / "a.sgd", {"detector", 1.5, kSide}).finish(); }), "");
  EXPECT_NE(error_text([&] { FaceSetWriter(folder / "no" / "a.sgd", {"detector", 1.5, kSide}); }), "");
  EXPECT_NE(error_text([&] { FaceSetWriter(folder.path(), {"detector", 1.5, kSide}); }), "");
  EXPECT_NE(error_text([&] { FaceSetWriter(folder / "a.sgd", {"magic", 1.5, kSide}); }), "");
}

TEST(FaceSet, NoFailedCallHarmsTheFileBefore) {
  // Fail the k-th system call for every k until the whole write passes.
  TempFolder folder;
  write_set(folder / "a.sgd", 1);
  const Bytes before = read_file(folder / "a.sgd");
  const FileCalls system = system_file_calls();
  int failing = 0;
  for (bool passed = false; !passed; ++failing) {
    int call = 0;
    const auto broken = [&] { return call++ == failing ? (errno = EIO, true) : false; };
    FileCalls calls = system;
    calls.open = [&](const char* p, int flags, int mode) {
      return broken() ? -1 : system.open(p, flags, mode);
    };
    calls.write = [&](int fd, const void* data, size_t n) {
      return broken() ? int64_t{-1} : system.write(fd, data, n);
    };
    calls.fsync = [&](int fd) { return broken() ? -1 : system.fsync(fd); };
    calls.rename = [&](const char* from, const char* to) { return broken() ? -1 : system.rename(from, to); };
    set_file_calls(calls);
    passed = error_text([&] { write_set(folder / "a.sgd", 2); }).empty();
    set_file_calls(system);
    EXPECT_EQ(files_in(folder.path()), 1u) << "call " << failing;
    // Only the sync of the folder comes after the rename: then the new file is in place already.
    if (const Bytes after = read_file(folder / "a.sgd"); after != before) {
      EXPECT_EQ(FaceSet(folder / "a.sgd").count(), 2) << "call " << failing;
    }
    ASSERT_LT(failing, 50);
  }
  EXPECT_GE(failing, 8);  // open folder, open file, header, 2 pictures, table, trailer, sync, rename, sync
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), 2);
}

/// A file as version 1 was written: no checksum a picture, the trailer's is over all pixels.
Bytes version_1(int count) {
  Bytes bytes, table;
  const auto put = [](Bytes& to, uint64_t v, int n) {
    for (int i = 0; i < n; ++i) to.push_back(static_cast<std::byte>(v >> (8 * i)));
  };
  const auto put_text = [&](Bytes& to, const std::string& text) {
    for (const char c : text) put(to, static_cast<uint8_t>(c), 1);
  };
  const auto checksum = [](std::span<const std::byte> in) {
    uint64_t sum = 0xcbf29ce484222325;
    const auto mix = [&](uint64_t v) { sum = (sum ^ v) * 0x100000001b3, sum ^= sum >> 29; };
    for (; in.size() >= 8; in = in.subspan(8)) {
      uint64_t v = 0;
      for (size_t i = 0; i < 8; ++i) v |= std::to_integer<uint64_t>(in[i]) << (8 * i);
      mix(v);
    }
    for (const std::byte b : in) mix(std::to_integer<uint64_t>(b));
    return sum;
  };
  put_text(bytes, "SGAFACES");
  put(bytes, 1, 8);
  put(bytes, kSide, 8);
  bytes.resize(64);
  const std::string recipe = "mode=landmarks margin=1.5 size=16";
  put(table, recipe.size(), 4);
  put_text(table, recipe);
  for (int i = 0; i < count; ++i) {
    for (const uint8_t v : pixels(i)) put(bytes, v, 1);
    const FaceRecord r = record(i);
    for (const float v : r.labels) put(table, std::bit_cast<uint32_t>(v), 4);
    put(table, std::bit_cast<uint32_t>(r.confidence), 4);
    put(table, static_cast<uint64_t>(r.person), 8);
    put(table, r.train, 1);
    put(table, r.name.size(), 4);
    put_text(table, r.name);
  }
  const uint64_t of_pixels = checksum(std::span(bytes).subspan(64));
  bytes.insert(bytes.end(), table.begin(), table.end());
  put(bytes, static_cast<uint64_t>(count), 8);
  put(bytes, table.size(), 8);
  put(bytes, checksum(table), 8);
  put(bytes, of_pixels, 8);
  bytes.resize(bytes.size() + 24);
  put_text(bytes, "SGAFEND.");
  return bytes;
}

TEST(FaceSet, ReadsVersion1) {
  TempFolder folder;
  Bytes bytes = version_1(3);
  write_file(folder / "old.sgd", bytes);
  const FaceSet set(folder / "old.sgd");
  ASSERT_EQ(set.count(), 3);
  EXPECT_TRUE(set.pixels_intact());
  EXPECT_EQ(set.indices(true), (std::vector<int64_t>{0, 2}));
  EXPECT_TRUE(std::ranges::equal(set.pixels(2), pixels(2)));
  EXPECT_EQ(set.record(2).name, record(2).name);
  bytes[100] ^= std::byte{1};  // one picture is wrong, and nothing tells which
  write_file(folder / "damaged.sgd", bytes);
  const FaceSet damaged(folder / "damaged.sgd");
  EXPECT_FALSE(damaged.pixels_intact());
  EXPECT_TRUE(damaged.damaged().empty());
}

TEST(FaceSet, ADamagedFaceIsNamedAndTheOthersWork) {
  TempFolder folder;
  write_set(folder / "a.sgd", 5);
  Bytes bytes = read_file(folder / "a.sgd");
  bytes[64 + 2 * kBytes + 10] ^= std::byte{4};
  write_file(folder / "a.sgd", bytes);
  const FaceSet set(folder / "a.sgd");
  EXPECT_EQ(set.damaged(), (std::vector<int64_t>{2}));
  EXPECT_EQ(set.damage(), "1 of 5 faces is damaged and left out: face 2.jpg");
  EXPECT_FALSE(set.pixels_intact());
  EXPECT_EQ(set.indices(true), (std::vector<int64_t>{0, 3, 4}));
  EXPECT_EQ(set.indices(false), (std::vector<int64_t>{1}));
  EXPECT_TRUE(std::ranges::equal(set.pixels(3), pixels(3)));
}

TEST(FaceSet, TakesNoLabelThatIsNoNumber) {
  TempFolder folder;
  FaceSetWriter writer(folder / "a.sgd", {"landmarks", 1.5, kSide});
  FaceRecord r = record(0);
  r.labels[4] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(error_text([&] { writer.add(r, pixels(0)); }),
            "face set: a label of face 0.jpg is no finite number");
  EXPECT_EQ(writer.count(), 0);
}

}  // namespace
}  // namespace sga
