// Checkpoints: what is written is read back, and any other bytes give one sentence or a valid checkpoint.
#include "engine/checkpoint.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/error_text.h"
#include "tests/temp_folder.h"

namespace sga {
namespace {

Bytes file_of(const std::string& header, size_t data_bytes, uint64_t stated = 0) {
  Bytes out(8 + header.size() + data_bytes);
  const uint64_t length = stated ? stated : header.size();
  std::memcpy(out.data(), &length, 8);
  std::memcpy(out.data() + 8, header.data(), header.size());
  return out;
}

std::string refusal(const Bytes& file) {
  return error_text([&] { decode_checkpoint(file, "some.file"); });
}

std::string refusal(const std::string& header, size_t data_bytes) {
  return refusal(file_of(header, data_bytes));
}

#define EXPECT_REFUSED(why, ...)                                                                             \
  do {                                                                                                       \
    const std::string text = refusal(__VA_ARGS__);                                                           \
    EXPECT_TRUE(text.find(why) != std::string::npos && text.find("some.file") != std::string::npos) << text; \
  } while (0)

Checkpoint sample() {
  Checkpoint c;
  c.tensors["b.weight"] = from_host(Shape{2, 3}, std::vector<float>{0, -0.0f, 1.5f, -2.25f, 1e-30f, 3e38f});
  c.tensors["a"] = from_host(Shape{}, std::vector<float>{7});
  c.tensors["z/double"] = from_host(Shape{1, 1, 2}, std::vector<double>{M_PI, -1e300});
  c.metadata = {{"model", "test"}, {"text", "quotes \" and \\ and \n and \u00e9"}, {"", ""}};
  return c;
}

template <class T>
void expect_same_bits(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  ASSERT_EQ(a.dtype(), b.dtype());
  const std::vector<T> x = to_host<T>(a), y = to_host<T>(b);
  EXPECT_EQ(std::memcmp(x.data(), y.data(), x.size() * sizeof(T)), 0);
}

// ---- round trips

TEST(Checkpoint, RoundTripsBitForBit) {
  const Checkpoint before = sample();
  const Bytes file = encode_checkpoint(before);
  const Checkpoint after = decode_checkpoint(file, "x");
  ASSERT_EQ(after.tensors.size(), 3u);
  EXPECT_EQ(after.metadata, before.metadata);
  expect_same_bits<float>(before.get("a"), after.get("a"));
  expect_same_bits<float>(before.get("b.weight"), after.get("b.weight", {2, 3}));
  expect_same_bits<double>(before.get("z/double"), after.get("z/double"));
  EXPECT_EQ(encode_checkpoint(after), file) << "the same content must give the same bytes";

  uint64_t header = 0;
  std::memcpy(&header, file.data(), 8);
  EXPECT_EQ(header % 8, 0u);
  EXPECT_EQ(file[8], std::byte{'{'});
  EXPECT_EQ(file.size(), 8 + header + 4 + 24 + 16);
}

TEST(Checkpoint, EmptyCheckpointAndForeignHeaders) {
  EXPECT_TRUE(decode_checkpoint(encode_checkpoint({}), "x").tensors.empty());
  // Another writer: spaces, another order of keys and of tensors, no metadata.
  Bytes file = file_of(
      R"( {"v": {"shape":[2], "data_offsets":[4,12], "dtype":"F32"}, "u": {"dtype":"F32","shape":[],"data_offsets":[0,4]}} )" +
          1,
      12);
  const float numbers[] = {1, 2, 3};
  std::memcpy(file.data() + file.size() - 12, numbers, 12);
  const Checkpoint c = decode_checkpoint(file, "x");
  EXPECT_EQ(c.get("u").item(), 1);
  EXPECT_EQ(to_host<float>(c.get("v", {2})), (std::vector<float>{2, 3}));
}

TEST(Checkpoint, HalvesRoundToNearestEven) {
  const std::vector<std::pair<float, float>> rows = {
      {0.0f, 0.0f},
      {-0.0f, -0.0f},
      {1.0f, 1.0f},
      {-1.5f, -1.5f},
      {65504.0f, 65504.0f},
      {65519.9f, 65504.0f},
      {1.0f + 0x1p-11f, 1.0f},                        // half way, down to even
      {1.0f + 3 * 0x1p-11f, 1.0f + 0x1p-9f},          // half way, up to even
      {1.0f + 0x1p-11f + 0x1p-20f, 1.0f + 0x1p-10f},  // just above half way
      {2048.0f + 1, 2048.0f},
      {2048.0f + 3, 2048.0f + 4},
      {0x1p-14f, 0x1p-14f},  // smallest normal
      {0x1p-24f, 0x1p-24f},  // smallest subnormal
      {0x1p-25f, 0.0f},      // half of it: to even
      {0x1.8p-25f, 0x1p-24f},
      {3 * 0x1p-25f, 0x1p-23f},
      {0x1p-14f - 0x1p-26f, 0x1p-14f},  // rounds up into the normals
      {1e-30f, 0.0f},
      {-1e-30f, -0.0f},
  };
  std::vector<float> in, want;
  for (auto [x, y] : rows) in.push_back(x), want.push_back(y);
  const auto n = static_cast<int64_t>(in.size());
  Checkpoint c;
  c.tensors["t"] = from_host(Shape{n}, in);
  const Bytes file = encode_checkpoint(c, Storage::f16);
  const Tensor t = decode_checkpoint(file, "x").get("t", Shape{n});
  EXPECT_EQ(t.dtype(), Dtype::f32);
  const std::vector<float> got = to_host<float>(t);
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(want[i])) << in[i] << " -> " << got[i];
}

TEST(Checkpoint, EveryHalfSurvives) {
  std::vector<float> all;
  for (uint32_t h = 0; h < 0x10000; ++h) {
    const int exponent = static_cast<int>(h >> 10 & 31), mantissa = static_cast<int>(h & 1023);
    if (exponent == 31) continue;
    const double magnitude =
        exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
    all.push_back(static_cast<float>(h >> 15 ? -magnitude : magnitude));
  }
  Checkpoint c;
  c.tensors["t"] = from_host(Shape{static_cast<int64_t>(all.size())}, all);
  const Bytes file = encode_checkpoint(c, Storage::f16);
  expect_same_bits<float>(c.get("t"), decode_checkpoint(file, "x").get("t"));
  uint64_t header = 0;
  std::memcpy(&header, file.data(), 8);
  EXPECT_EQ(file.size(), 8 + header + 2 * all.size());
}

TEST(Checkpoint, FilesAndChecksums) {
  TempFolder folder;
  save_checkpoint(folder / "c.safetensors", sample());
  expect_same_bits<float>(load_checkpoint(folder / "c.safetensors").get("b.weight"),
                          sample().get("b.weight"));
  write_file(folder / "empty", "");
  write_file(folder / "a", "a");
  write_file(folder / "foobar", "foobar");
  EXPECT_EQ(file_checksum(folder / "empty"), "cbf29ce484222325");  // test vectors of FNV-1a's authors
  EXPECT_EQ(file_checksum(folder / "a"), "af63dc4c8601ec8c");
  EXPECT_EQ(file_checksum(folder / "foobar"), "85944171f73967e8");
  for (const char* name : {"none", "empty", "a"})
    EXPECT_NE(error_text([&] { load_checkpoint(folder / name); }).find((folder / name).string()),
              std::string::npos);
}

TEST(Checkpoint, MissingNamesAndOtherShapes) {
  const Checkpoint c = sample();
  EXPECT_NE(error_text([&] { c.get("nope"); }).find("\"nope\" is missing"), std::string::npos);
  EXPECT_NE(error_text([&] {
              c.get("b.weight", {3, 2});
            }).find("must have shape (3,2), got (2,3)"),
            std::string::npos);
  EXPECT_EQ(c.meta("model"), "test");
  EXPECT_NE(error_text([&] { c.meta("nope"); }).find("\"nope\" is missing"), std::string::npos);
}

// ---- what is not written

TEST(Checkpoint, RefusesToWriteWhatItWouldNotRead) {
  const auto encode = [](const std::string& name, std::vector<float> values,
                         Storage storage = Storage::native) {
    Checkpoint c;
    c.tensors[name] = from_host(Shape{static_cast<int64_t>(values.size())}, values);
    return error_text([&] { encode_checkpoint(c, storage); });
  };
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(encode("t", {1}), "");
  EXPECT_NE(encode("t", {1, std::nanf("")}).find("\"t\" holds nan at element 1"), std::string::npos);
  EXPECT_NE(encode("t", {inf}), "");
  EXPECT_NE(encode("t", {65520}, Storage::f16).find("the largest F16 is 65504"), std::string::npos);
  EXPECT_NE(encode("t", {-1e10f}, Storage::f16), "");
  EXPECT_NE(encode("", {1}), "");
  EXPECT_NE(encode("__metadata__", {1}), "");
  EXPECT_NE(encode(std::string(257, 'n'), {1}), "");
  EXPECT_EQ(encode(std::string(256, 'n'), {1}), "");
  EXPECT_NE(encode("\xFF", {1}).find("UTF-8"), std::string::npos);
  Checkpoint c;
  c.tensors["t"] = Tensor();
  EXPECT_NE(error_text([&] { encode_checkpoint(c); }).find("is empty"), std::string::npos);

  TempFolder folder;
  save_checkpoint(folder / "c", sample());
  c.tensors["t"] = from_host(Shape{1}, std::vector<float>{inf});
  EXPECT_NE(error_text([&] { save_checkpoint(folder / "c", c); }), "");
  EXPECT_EQ(load_checkpoint(folder / "c").tensors.size(), 3u) << "the good file must stay";
}

// ---- what is not read

TEST(Checkpoint, EveryCutIsRefused) {
  for (Storage storage : {Storage::native, Storage::f16}) {
    Checkpoint c = sample();
    c.tensors.erase("z/double");
    c.tensors["b.weight"] = from_host(Shape{2}, std::vector<float>{1, 2});
    const Bytes file = encode_checkpoint(c, storage);
    for (size_t n = 0; n < file.size(); ++n)
      EXPECT_REFUSED("cannot read", Bytes(file.begin(), file.begin() + static_cast<int64_t>(n)));
    Bytes longer = file;
    longer.push_back(std::byte{0});
    EXPECT_REFUSED("cut or damaged", longer);
  }
}

TEST(Checkpoint, EveryFlippedBitGivesACheckpointOrASentence) {
  const Bytes file = encode_checkpoint(sample());
  size_t refused = 0;
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    Bytes flipped = file;
    flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    const std::string text = error_text([&] {
      const Checkpoint c = decode_checkpoint(flipped, "some.file");
      for (const auto& [name, tensor] : c.tensors) EXPECT_FALSE(has_nonfinite(tensor)) << name;
      EXPECT_EQ(decode_checkpoint(encode_checkpoint(c), "x").tensors.size(), c.tensors.size());
    });
    EXPECT_TRUE(text.empty() || text.find("some.file") != std::string::npos) << text;
    refused += !text.empty();
  }
  EXPECT_GT(refused, file.size());
}

TEST(Checkpoint, HeaderRules) {
  EXPECT_REFUSED("too short", Bytes{});
  EXPECT_REFUSED("too short", Bytes(9));
  EXPECT_REFUSED("states a header", file_of("{}", 0, (uint64_t{16} << 20) + 1));
  EXPECT_REFUSED("states a header", file_of("{}", 0, ~uint64_t{0}));
  EXPECT_REFUSED("states a header", file_of("{}", 0, ~uint64_t{0} - 7));
  EXPECT_REFUSED("states a header", file_of("{}", 0, 1));
  EXPECT_REFUSED("cut inside its header", file_of("{}", 0, 3));
  EXPECT_REFUSED("not JSON", "[]", 0);
  EXPECT_REFUSED("not JSON", "\xEF\xBB\xBF{}", 0);
  EXPECT_REFUSED("not valid JSON", "{}x", 0);
  EXPECT_REFUSED("not valid JSON", "{{", 0);
  EXPECT_REFUSED("not valid JSON", std::string("{}\0", 3), 0);
  EXPECT_REFUSED("not valid JSON", "{\"a\":\"\xFF\"}", 0);
  EXPECT_REFUSED("not valid JSON", R"({"a":1e999})", 0);
  EXPECT_REFUSED("nested too deeply", R"({"a":{"b":{"c":{}}}})", 0);
  EXPECT_REFUSED("nested too deeply", "{\"a\":" + std::string(1'000'000, '['), 0);
  EXPECT_EQ(refusal("{}      ", 0), "");
}

TEST(Checkpoint, NamesAndMetadata) {
  const std::string one = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_EQ(refusal("{\"a\":" + one + "}", 4), "");
  EXPECT_REFUSED("\"a\" twice", "{\"a\":" + one + ",\"a\":" + one + "}", 4);
  EXPECT_REFUSED("\"a\" twice", "{\"a\":" + one + ",\"\\u0061\":" + one + "}", 4);  // the same name, escaped
  EXPECT_REFUSED("\"dtype\" twice", R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                 4);
  EXPECT_REFUSED("257 bytes", "{\"" + std::string(257, 'n') + "\":" + one + "}", 4);
  EXPECT_REFUSED("has no name", "{\"\":" + one + "}", 4);
  EXPECT_REFUSED("metadata is no object", R"({"__metadata__":3})", 0);
  EXPECT_REFUSED("is no text", R"({"__metadata__":{"a":3}})", 0);
  EXPECT_REFUSED("twice", R"({"__metadata__":{"a":"1","a":"2"}})", 0);
  std::string many = "{";
  for (int i = 0; i < 65'538; ++i) many += (i ? ",\"" : "\"") + std::to_string(i) + "\":1";
  EXPECT_REFUSED("more than 65536 tensors", many + "}", 0);
}

TEST(Checkpoint, WholeNumbersArePassedOver) {
  const Bytes file = file_of(R"({"bn.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                             R"("w":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                             12);
  const Checkpoint c = decode_checkpoint(file, "some.file");
  EXPECT_EQ(c.tensors.size(), 1u);
  EXPECT_TRUE(c.tensors.contains("w"));
  EXPECT_REFUSED("needs 8 bytes", R"({"t":{"dtype":"I64","shape":[],"data_offsets":[0,4]}})", 4);
}

TEST(Checkpoint, EntryRules) {
  const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"t":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  EXPECT_EQ(refusal(entry("\"F32\"", "[1]", "[0,4]"), 4), "");
  EXPECT_EQ(refusal(entry("\"F16\"", "[2]", "[0,4]"), 4), "");
  EXPECT_REFUSED("only F16, F32 and F64", entry("\"BF16\"", "[2]", "[0,4]"), 4);
  EXPECT_REFUSED("dtype that is no text", entry("32", "[1]", "[0,4]"), 4);
  EXPECT_REFUSED("needs 8 bytes", entry("\"F32\"", "[2]", "[0,4]"), 4);
  EXPECT_REFUSED("needs 4 bytes", entry("\"F32\"", "[1]", "[0,8]"), 8);
  EXPECT_REFUSED("needs 4 bytes", entry("\"F32\"", "[1]", "[4,0]"), 4);
  EXPECT_REFUSED("larger than the file", entry("\"F32\"", "[4294967296,4294967296]", "[0,4]"), 4);
  EXPECT_REFUSED("larger than the file", entry("\"F32\"", "[1000]", "[0,4000]"), 4);
  EXPECT_REFUSED("larger than the file", entry("\"F64\"", "[2305843009213693953]", "[0,8]"),
                 8);  // wraps to 8 bytes
  for (const char* shape : {"[0]", "[-1]", "[1.0]", "[true]", "[\"1\"]", "[null]", "[1,0]"})
    EXPECT_REFUSED("no whole number above 0", entry("\"F32\"", shape, "[0,4]"), 4);
  EXPECT_REFUSED("at most 8 extents", entry("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4);
  EXPECT_EQ(refusal(entry("\"F32\"", "[1,1,1,1,1,1,1,1]", "[0,4]"), 4), "");
  EXPECT_REFUSED("needs a shape", entry("\"F32\"", "1", "[0,4]"), 4);
  for (const char* offsets : {"[0]", "[0,4,4]", "[-4,0]", "[0.0,4.0]", "4", "[0,\"4\"]"})
    EXPECT_REFUSED("needs two data_offsets", entry("\"F32\"", "[1]", offsets), 4);
  EXPECT_REFUSED("and nothing else", R"({"t":{"dtype":"F32","shape":[1]}})", 4);
  EXPECT_REFUSED("and nothing else", R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4);
  EXPECT_REFUSED("and nothing else", R"({"t":4})", 4);
}

TEST(Checkpoint, HolesAndOverlaps) {
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)" + a +
           R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":)" + b + "}}";
  };
  EXPECT_EQ(refusal(two("[0,4]", "[4,8]"), 8), "");
  EXPECT_EQ(refusal(two("[4,8]", "[0,4]"), 8), "");
  EXPECT_REFUSED("starts at byte 8, the one before ends at 4", two("[0,4]", "[8,12]"), 12);
  EXPECT_REFUSED("starts at byte 2, the one before ends at 4", two("[0,4]", "[2,6]"), 6);
  EXPECT_REFUSED("starts at byte 0, the one before ends at 4", two("[0,4]", "[0,4]"), 4);
  EXPECT_REFUSED("starts at byte 4, the one before ends at 0", two("[4,8]", "[8,12]"), 12);
  EXPECT_REFUSED("need 8 bytes, it has 7", two("[0,4]", "[4,8]"), 7);
  EXPECT_REFUSED("need 8 bytes, it has 9", two("[0,4]", "[4,8]"), 9);
  EXPECT_REFUSED("need 0 bytes, it has 4", "{}", 4);
}

TEST(Checkpoint, WeightsMustBeFinite) {
  const auto with_bits = [](const std::string& dtype, size_t bytes, uint64_t bits) {
    Bytes file = file_of(
        R"({"t":{"dtype":")" + dtype + R"(","shape":[1],"data_offsets":[0,)" + std::to_string(bytes) + "]}}",
        bytes);
    std::memcpy(file.data() + file.size() - bytes, &bits, bytes);
    return file;
  };
  EXPECT_EQ(refusal(with_bits("F32", 4, 0x3F800000)), "");
  EXPECT_REFUSED("holds nan at element 0", with_bits("F32", 4, 0x7FC00000));
  EXPECT_REFUSED("holds inf", with_bits("F32", 4, 0x7F800000));
  EXPECT_REFUSED("holds -inf", with_bits("F64", 8, 0xFFF0000000000000));
  EXPECT_REFUSED("nan", with_bits("F16", 2, 0x7E00));
  EXPECT_REFUSED("holds -inf", with_bits("F16", 2, 0xFC00));
}

}  // namespace
}  // namespace sga
