// Files of torch.save: what both containers hold is read, and any bytes give tensors or one sentence.
#include "engine/torch_file.h"

#include <gtest/gtest.h>

#include <limits>

#include "engine/pickle.h"
#include "engine/zip.h"
#include "tests/error_text.h"
#include "tests/torch_bytes.h"

namespace sga {
namespace {

constexpr std::string_view kClasses[] = {"mine.Net"};

Checkpoint decode(const Bytes& file) { return decode_torch_file(file, "some.pth", kClasses); }
std::string refusal(const Bytes& file) {
  return error_text([&] { decode(file); });
}

#define EXPECT_REFUSED(part, ...)                                                  \
  do {                                                                             \
    const std::string text = refusal(__VA_ARGS__);                                 \
    EXPECT_NE(text.find(part), std::string::npos) << text;                         \
    EXPECT_NE(text.find("\"some.pth\""), std::string::npos) << text;               \
    EXPECT_EQ(text.find('\n'), std::string::npos) << "more than a line: " << text; \
  } while (false)

Bytes object_file(const PickleWriter& p, const std::vector<TestStorage>& storages = {}) {
  return torch_zip(p.done(), storages);
}

// ---- what is read

TEST(TorchFile, StateDictsOfBothContainers) {
  for (const bool stream : {true, false}) {
    const Checkpoint c = decode(state_dict(stream));
    EXPECT_EQ(c.origin, "some.pth");
    ASSERT_EQ(c.tensors.size(), 2u);
    EXPECT_EQ(to_host<float>(c.get("conv.weight", {2, 1, 3, 1})), (std::vector<float>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(c.get("steps", {1}).item(), 1234567890123);
  }
}

TEST(TorchFile, WholeModules) {
  for (const bool stream : {true, false}) {
    const Bytes file = torch_file(module_pickle(stream).done(), {float_storage("0", {1, 2, 3, 4})}, stream);
    const Checkpoint c = decode(file);
    ASSERT_EQ(c.tensors.size(), 2u);
    EXPECT_EQ(to_host<float>(c.get("weight", {2, 2})), (std::vector<float>{1, 3, 2, 4})) << "transposed";
    EXPECT_EQ(to_host<float>(c.get("part.bias", {2})), (std::vector<float>{3, 4})) << "the second half";
  }
}

TEST(TorchFile, ListsNumbersAndTheOrderOfAxes) {
  std::vector<float> values(2 * 3 * 4);
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(i);
  PickleWriter p;
  p.op(']').op('(').integer(-3).real(0.5);
  p.tensor("k", 24, {1, 2, 3, 4}, {77777777, 12, 4, 1}, false).op('e');
  const Checkpoint c = decode(object_file(p, {float_storage("k", values)}));
  EXPECT_EQ(c.get("0", {1}).item(), -3);
  EXPECT_EQ(c.get("1", {1}).item(), 0.5);
  const std::vector<float> picture = to_host<float>(c.get("2", {1, 3, 4, 2}));
  EXPECT_EQ(picture[0], 0);
  EXPECT_EQ(picture[1], 12) << "the second channel of the first pixel";
  EXPECT_EQ(picture[2], 1);
}

TEST(TorchFile, ATensorAlone) {
  const Bytes file =
      object_file(PickleWriter().tensor("0", 2, {2}, {1}, false), {float_storage("0", {7, 8})});
  EXPECT_EQ(to_host<float>(decode(file).get("", {2})), (std::vector<float>{7, 8}));
}

TEST(TorchFile, OrderedDictsOfPython2) {
  PickleWriter q;
  q.global("collections", "OrderedDict").op(']').op(']').op('(').short_text("w").integer(5).op('e').op('a');
  q.op(0x85).op('R');
  EXPECT_EQ(decode(object_file(q)).get("w").item(), 5);
}

// ---- hostile pickles

TEST(TorchFile, GlobalsOutsideTheListAreRefusedByName) {
  const auto call = [](const std::string& module, const std::string& name) {
    return object_file(PickleWriter().global(module, name).op('(').text("true").op('t').op('R'));
  };
  EXPECT_REFUSED("refers to posix.system, which", call("posix", "system"));
  EXPECT_REFUSED("refers to builtins.eval,", call("builtins", "eval"));
  EXPECT_REFUSED("refers to mine.Other,", call("mine", "Other"));
  EXPECT_REFUSED("refers to torch.load,", call("torch", "load"));
  EXPECT_REFUSED("a global is no name", call("torch.nn.modules.conv", "os.system"));
  EXPECT_REFUSED("a global is no name", call("torch.nn.modules.\x1b[2J", "x"));
  EXPECT_REFUSED("a name has no end", call(std::string(300, 'a'), "x"));
  EXPECT_EQ(refusal(call("torch.nn.modules.conv", "Conv2d")), "") << "known, and still not called";
}

TEST(TorchFile, OtherInstructionsAreRefused) {
  for (int code = 0; code < 256; ++code) {
    const std::string known = "(.NKMJGXTU)t]ae}suqrhjcRbQ\x81\x85\x86\x87\x88\x89\x8a";
    if (known.find(char(code)) != std::string::npos) continue;
    EXPECT_REFUSED("has the instruction " + std::to_string(code) + " at byte 3",
                   object_file(PickleWriter().op('N').op(code)));
  }
  EXPECT_REFUSED("no pickle of protocol 2", torch_zip(ByteWriter().be(0x80044e2e, 4).bytes, {}));
}

TEST(TorchFile, CountsBeyondTheFile) {
  const int64_t huge = int64_t{1} << 31;
  for (const bool stream : {true, false}) {
    const Bytes object = PickleWriter().tensor("0", huge, {huge}, {1}, stream).done();
    EXPECT_REFUSED("storage 0", torch_file(object, {{"0", uint64_t(huge), Bytes(8)}}, stream));
  }
  EXPECT_REFUSED("longer than the file",
                 torch_stream(PickleWriter().tensor("0", huge, {huge}, {1}, true).done(),
                              {{"0", uint64_t(huge), Bytes(8)}}));
  EXPECT_REFUSED("2147483648 bytes are stated", object_file(PickleWriter().number('X', uint64_t(huge), 4)));
  EXPECT_REFUSED("a whole number of 255 bytes", object_file(PickleWriter().number(0x8a, 255, 1)));
  EXPECT_REFUSED("has -1 elements", object_file(PickleWriter().tensor("0", -1, {1}, {1}, false)));
}

TEST(TorchFile, DeepNestingNeedsNoStack) {
  for (const int deep : {100'000, 900'000}) {
    PickleWriter tuples, lists;
    tuples.op(')');
    for (int i = 0; i < deep; ++i) tuples.op(0x85);
    for (int i = 0; i < deep / 2; ++i) lists.op(']');
    for (int i = 1; i < deep / 2; ++i) lists.op('a');
    EXPECT_REFUSED("nested more than 200 deep", object_file(tuples));
    EXPECT_REFUSED("nested more than 200 deep", object_file(lists));
  }
  PickleWriter marks;
  for (int i = 0; i < 900'000; ++i) marks.op('(');
  EXPECT_REFUSED("a value is missing", object_file(marks));
  PickleWriter endless;
  for (int i = 0; i < 1'100'000; ++i) endless.op('N');
  EXPECT_REFUSED("more than 1000000 instructions", object_file(endless));
}

TEST(TorchFile, CyclesAndBombs) {
  EXPECT_REFUSED("contains itself",
                 object_file(PickleWriter().op(']').number('q', 0, 1).number('h', 0, 1).op('a')));
  // 60 lists, each ten times the one before.
  PickleWriter laughs;
  laughs.op(']').integer(1).op('a').number('q', 0, 1);
  for (uint64_t i = 0; i < 60; ++i) {
    laughs.op(']').op('(');
    for (int k = 0; k < 10; ++k) laughs.number('h', i, 1);
    laughs.op('e').number('q', i + 1, 1);
  }
  PickleWriter bomb;
  bomb.op('(').add(laughs).op('t');
  EXPECT_REFUSED("too often", object_file(bomb));
  EXPECT_REFUSED("memo 4294967295 is empty", object_file(PickleWriter().number('j', 0xFFFFFFFF, 4)));
  EXPECT_EQ(refusal(object_file(PickleWriter().op('N').number('r', 0xFFFFFFFF, 4))), "");

  // One list of 10,000 pairs becomes 10,000 OrderedDicts: 200 KB that would take 800 MB.
  PickleWriter pairs, dicts;
  pairs.op(']').op('(');
  pairs.op(']').short_text("w").op('a').integer(5).op('a').number('q', 0, 1);
  for (int i = 1; i < 10'000; ++i) pairs.number('h', 0, 1);
  pairs.op('e').op(0x85).number('q', 1, 1);
  dicts.op('(').add(pairs).global("collections", "OrderedDict").number('q', 2, 1);
  for (int i = 0; i < 10'000; ++i) dicts.number('h', 2, 1).number('h', 1, 1).op('R');
  EXPECT_REFUSED("OrderedDicts of more than 1000000 entries in all", object_file(dicts.op('t')));

  // Many tensors over one storage.
  PickleWriter many;
  many.op(']').op('(');
  for (int i = 0; i < 300; ++i) many.tensor("0", 100'000, {100'000}, {1}, false);
  EXPECT_REFUSED("more numbers than the file has bytes",
                 object_file(many.op('e'), {float_storage("0", std::vector<float>(100'000))}));
}

TEST(TorchFile, TheMachineStaysInItsStack) {
  for (const char* code : {"t", "\x85", "a", "e", "s", "u", "R", "b", "Q", "\x81", "("}) {
    EXPECT_REFUSED("missing", object_file(PickleWriter().op(*reinterpret_cast<const unsigned char*>(code))));
    // What lies below a mark is out of reach.
    EXPECT_REFUSED("damaged", object_file(PickleWriter().op(']').op(')').op('(').op(uint8_t(*code)).op('N')));
  }
  EXPECT_REFUSED("left over", object_file(PickleWriter().op('N').op('N')));
  EXPECT_REFUSED("no list", object_file(PickleWriter().op('N').op('N').op('a')));
  EXPECT_REFUSED("a key without a value", object_file(PickleWriter().op('}').op('(').op('N').op('u')));
  EXPECT_REFUSED("no object", object_file(PickleWriter().op('N').op('N').op('b')));
  EXPECT_REFUSED("no global", object_file(PickleWriter().op('N').op(')').op('R')));
}

// ---- tensors and containers that contradict themselves

TEST(TorchFile, TensorsStayInTheirStorage) {
  const auto tensor = [](std::vector<int64_t> size, std::vector<int64_t> stride, int64_t offset = 0) {
    return object_file(PickleWriter().tensor("0", 6, size, stride, false, offset),
                       {float_storage("0", {1, 2, 3, 4, 5, 6})});
  };
  EXPECT_EQ(refusal(tensor({2, 3}, {3, 1})), "");
  EXPECT_EQ(refusal(tensor({2, 3}, {0, 0}, 5)), "");
  EXPECT_REFUSED("reaches beyond", tensor({2, 3}, {3, 1}, 1));
  EXPECT_REFUSED("reaches beyond", tensor({2, 3}, {4, 1}));
  EXPECT_REFUSED("reaches beyond", tensor({2, 3}, {-1, 1}, 5));
  EXPECT_REFUSED("reaches beyond", tensor({3, 2}, {0x7FFFFFFF, 0x7FFFFFFF}));
  EXPECT_REFUSED("begins at element 6", tensor({1}, {1}, 6));
  EXPECT_REFUSED("begins at element -1", tensor({1}, {1}, -1));
  EXPECT_REFUSED("an extent of 7", tensor({7}, {0}));
  EXPECT_REFUSED("an extent of 0", tensor({0}, {1}));
  EXPECT_REFUSED("an extent of 3", tensor({3, 3}, {1, 1}));
  EXPECT_REFUSED("2 extents and 1 strides", tensor({1, 1}, {1}));
  EXPECT_REFUSED("9 extents", tensor({1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_REFUSED("holds nan", object_file(PickleWriter().tensor("0", 1, {1}, {1}, false),
                                          {float_storage("0", {std::numeric_limits<float>::quiet_NaN()})}));
  EXPECT_REFUSED(
      "torch.HalfStorage; read are",
      object_file(PickleWriter().tensor("0", 1, {1}, {1}, false, 0, "HalfStorage"), {{"0", 1, Bytes(2)}}));
}

TEST(TorchFile, StoragesMatchTheirTensors) {
  const Bytes one = PickleWriter().tensor("0", 2, {2}, {1}, true).done();
  const TestStorage good = float_storage("0", {1, 2});
  EXPECT_EQ(refusal(torch_stream(one, {good})), "");
  EXPECT_REFUSED("list of storages", torch_stream(one, {}));
  EXPECT_REFUSED("list of storages", torch_stream(one, {float_storage("1", {1, 2})}));
  EXPECT_REFUSED("list of storages", torch_stream(one, {good, good}));
  EXPECT_REFUSED("has 3 elements, its tensors state 2", torch_stream(one, {float_storage("0", {1, 2, 3})}));
  Bytes longer = torch_stream(one, {good});
  longer.push_back(std::byte{0});
  EXPECT_REFUSED("1 bytes too many", longer);
  EXPECT_REFUSED("is missing", torch_zip(one, {}));
  EXPECT_REFUSED("has 4 bytes, its tensors state 2", torch_zip(one, {float_storage("0", {1})}));
  PickleWriter two;
  two.op(']').tensor("0", 2, {2}, {1}, true).op('a').tensor("0", 3, {2}, {1}, true).op('a');
  EXPECT_REFUSED("two types or sizes", torch_stream(two.done(), {good}));
  EXPECT_REFUSED("of a storage is none",
                 torch_zip(PickleWriter().tensor("../x", 2, {2}, {1}, true).done(), {}));
  EXPECT_REFUSED("which is no type",
                 torch_zip(PickleWriter().tensor("0", 2, {2}, {1}, true, 0, "Size").done(), {good}));
  EXPECT_REFUSED(
      "some.pth\": it holds 0 twice",
      object_file(PickleWriter().op('}').op('(').text("0").integer(1).integer(0).integer(2).op('u')));
}

TEST(TorchFile, ZipsThatAreNotStoredWhole) {
  const Bytes object = PickleWriter().op('N').done();
  const Bytes good = zip_of({{"a/data.pkl", object}});
  EXPECT_EQ(refusal(good), "");
  EXPECT_REFUSED("no data.pkl", zip_of({{"b", object}}));
  EXPECT_REFUSED("no data.pkl", zip_of({{"a/b/data.pkl", object}}));
  EXPECT_REFUSED("holds a/data.pkl twice", zip_of({{"a/data.pkl", object}, {"a/data.pkl", object}}));
  EXPECT_REFUSED("not little-endian",
                 zip_of({{"a/data.pkl", object}, {"a/byteorder", ByteWriter().text("big").bytes}}));
  const size_t directory = good.size() - 22 - 46 - 10;
  const auto with = [&](size_t at, uint64_t value, int n) {
    Bytes file = good;
    for (int i = 0; i < n; ++i) file[at + size_t(i)] = std::byte(value >> 8 * i & 255);
    return file;
  };
  EXPECT_REFUSED("is encrypted", with(directory + 8, 1, 2));
  EXPECT_REFUSED("is compressed", with(directory + 10, 8, 2));
  EXPECT_REFUSED("checksum", with(directory + 16, 1, 4));
  EXPECT_REFUSED("two sizes", with(directory + 20, 3, 4));
  EXPECT_REFUSED("no header", with(directory + 42, 5, 4));
  EXPECT_REFUSED("no header", with(directory + 42, 0xFFFFFFFF, 4));
  EXPECT_REFUSED("directory is damaged", with(directory + 28, 60000, 2));
  EXPECT_REFUSED("above 4 GiB", with(good.size() - 6, 0xFFFFFFFF, 4));
  EXPECT_REFUSED("does not lie in the file", with(good.size() - 6, 0xFFFFFF, 4));
  EXPECT_REFUSED("more than one part", with(good.size() - 18, 1, 2));
}

TEST(TorchFile, WhatIsNoFileOfTorch) {
  EXPECT_REFUSED("no file of torch.save", Bytes{});
  EXPECT_REFUSED("no file of torch.save", ByteWriter().text("\x89PNG\r\n\x1a\n and so on").bytes);
  EXPECT_REFUSED("the zip file is cut", ByteWriter().text("PK\3\4").bytes);
}

// ---- damage

TEST(TorchFile, EveryCutIsRefused) {
  for (const bool stream : {true, false}) {
    const Bytes module = torch_file(module_pickle(stream).done(), {float_storage("0", {1, 2, 3, 4})}, stream);
    for (const Bytes& file : {state_dict(stream), module}) {
      ASSERT_EQ(refusal(file), "");
      for (size_t n = 0; n < file.size(); ++n)
        EXPECT_REFUSED("cannot read", Bytes(file.begin(), file.begin() + int64_t(n)));
    }
  }
}

TEST(TorchFile, EveryFlippedBitGivesTensorsOrASentence) {
  for (const bool stream : {true, false}) {
    const Bytes module = torch_file(module_pickle(stream).done(), {float_storage("0", {1, 2, 3, 4})}, stream);
    for (const Bytes& file : {state_dict(stream), module}) {
      size_t refused = 0;
      for (size_t bit = 0; bit < file.size() * 8; ++bit) {
        Bytes flipped = file;
        flipped[bit / 8] ^= std::byte(1 << bit % 8);
        const std::string text = refusal(flipped);
        EXPECT_TRUE(text.empty() || text.find("\"some.pth\"") != std::string::npos) << text;
        EXPECT_EQ(text.find('\n'), std::string::npos) << text;
        refused += !text.empty();
      }
      EXPECT_GT(refused, file.size());
    }
  }
}

}  // namespace
}  // namespace sga
