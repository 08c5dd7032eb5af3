// Files of torch.save made byte by byte, so that tests can make both containers, and wrong ones.
#pragma once
#include <bit>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tests/picture_bytes.h"

namespace sga {

/// Protocol 2, instruction by instruction. Nothing is memoised unless the test says so.
class PickleWriter {
 public:
  PickleWriter() { out_.be(0x8002, 2); }
  PickleWriter& op(int code) {
    out_.be(uint64_t(code), 1);
    return *this;
  }
  PickleWriter& integer(int64_t n) { return number('J', uint64_t(n), 4); }
  PickleWriter& number(int code, uint64_t n, int bytes) {
    op(code);
    out_.le(n, bytes);
    return *this;
  }
  PickleWriter& text(const std::string& s) {
    number('X', s.size(), 4);
    out_.text(s);
    return *this;
  }
  /// SHORT_BINSTRING, a str of Python 2.
  PickleWriter& short_text(const std::string& s) {
    number('U', s.size(), 1);
    out_.text(s);
    return *this;
  }
  PickleWriter& real(double v) {
    op('G');
    out_.be(std::bit_cast<uint64_t>(v), 8);
    return *this;
  }
  PickleWriter& global(const std::string& module, const std::string& name) {
    out_.text("c" + module + "\n" + name + "\n");
    return *this;
  }
  PickleWriter& tuple(const std::vector<int64_t>& numbers) {
    op('(');
    for (const int64_t n : numbers) integer(n);
    return op('t');
  }
  PickleWriter& ordered_dict() { return global("collections", "OrderedDict").op(')').op('R'); }
  /// The persistent id of a storage; the stream adds a None.
  PickleWriter& storage(const std::string& type, const std::string& key, int64_t count, bool stream) {
    op('(').text("storage").global("torch", type).text(key).text("cuda:0");
    number(0x8a, 8, 1);  // LONG1
    out_.le(uint64_t(count), 8);
    if (stream) op('N');
    return op('t').op('Q');
  }
  /// _rebuild_tensor_v2 of a whole storage or a part of it.
  PickleWriter& tensor(const std::string& key, int64_t count, const std::vector<int64_t>& size,
                       const std::vector<int64_t>& stride, bool stream, int64_t offset = 0,
                       const std::string& type = "FloatStorage") {
    global("torch._utils", "_rebuild_tensor_v2").op('(').storage(type, key, count, stream);
    return integer(offset).tuple(size).tuple(stride).op(0x89).ordered_dict().op('t').op('R');
  }
  PickleWriter& add(const PickleWriter& other) {  // without its protocol
    out_.bytes.insert(out_.bytes.end(), other.out_.bytes.begin() + 2, other.out_.bytes.end());
    return *this;
  }
  Bytes done() const { return Bytes(ByteWriter(out_).text(".").bytes); }

 private:
  ByteWriter out_;
};

struct TestStorage {
  std::string key;
  uint64_t count;
  Bytes bytes;
};

inline TestStorage float_storage(const std::string& key, const std::vector<float>& values) {
  Bytes bytes(values.size() * 4);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return {key, values.size(), bytes};
}

/// The stream of PyTorch before 1.6.
inline Bytes torch_stream(const Bytes& object, const std::vector<TestStorage>& storages) {
  ByteWriter out;
  out.be(0x80028a0a, 4).be(0x6cfc9c46f920, 6).be(0x6aa850192e, 5);
  out.add(PickleWriter().number('M', 1001, 2).done());
  out.add(PickleWriter().op('}').text("little_endian").op(0x88).op('s').done());
  out.add(object);
  PickleWriter keys;
  keys.op(']').op('(');
  for (const TestStorage& s : storages) keys.text(s.key);
  out.add(keys.op('e').done());
  for (const TestStorage& s : storages) out.le(s.count, 8).add(s.bytes);
  return out.bytes;
}

inline Bytes zip_of(const std::vector<std::pair<std::string, Bytes>>& entries) {
  ByteWriter out, directory;
  for (const auto& [name, data] : entries) {
    const uint64_t at = out.bytes.size();
    // As torch.save: sizes follow the data, and the directory alone states them; the data is aligned.
    const uint64_t padding = 63 - (at + 30 + name.size()) % 64;
    out.be(0x504b0304, 4)
        .le(0, 2)
        .le(0x808, 2)
        .le(0, 2)
        .le(0, 4)
        .add(Bytes(12))
        .le(name.size(), 2)
        .le(padding, 2);
    out.text(name).add(Bytes(padding, std::byte{'Z'})).add(data);
    out.be(0x504b0708, 4).le(test_crc32(data), 4).le(data.size(), 4).le(data.size(), 4);
    directory.be(0x504b0102, 4).le(0, 4).le(0x808, 2).le(0, 2).le(0, 4).le(test_crc32(data), 4);
    directory.le(data.size(), 4).le(data.size(), 4).le(name.size(), 2).le(0, 8).le(0, 4).le(at, 4).text(name);
  }
  const uint64_t at = out.bytes.size();
  out.add(directory.bytes).be(0x504b0506, 4).le(0, 4).le(entries.size(), 2).le(entries.size(), 2);
  return out.le(directory.bytes.size(), 4).le(at, 4).le(0, 2).bytes;
}

/// The zip of PyTorch from 1.6 on.
inline Bytes torch_zip(const Bytes& object, const std::vector<TestStorage>& storages) {
  std::vector<std::pair<std::string, Bytes>> entries = {{"a/data.pkl", object},
                                                        {"a/byteorder", ByteWriter().text("little").bytes}};
  for (const TestStorage& s : storages) entries.emplace_back("a/data/" + s.key, s.bytes);
  entries.emplace_back("a/version", ByteWriter().text("3\n").bytes);
  return zip_of(entries);
}

inline Bytes torch_file(const Bytes& object, const std::vector<TestStorage>& storages, bool stream) {
  return stream ? torch_stream(object, storages) : torch_zip(object, storages);
}

/// A state dict of a filter (2,1,1,3) and a count, with the attributes that PyTorch gives it.
inline Bytes state_dict(bool stream) {
  PickleWriter p;
  p.ordered_dict().op('(').text("conv.weight").tensor("0", 6, {2, 1, 1, 3}, {3, 3, 3, 1}, stream);
  p.text("steps").tensor("1", 1, {}, {}, stream, 0, "LongStorage").op('u');
  p.op('}').text("_metadata").ordered_dict().op('s').op('b');
  const Bytes count = ByteWriter().le(1234567890123, 8).bytes;
  return torch_file(p.done(), {float_storage("0", {1, 2, 3, 4, 5, 6}), {"1", 1, count}}, stream);
}

/// A module mine.Net with a "weight" and, in a part of it, "part.bias", over storage "0" of 4 floats.
inline PickleWriter module_pickle(bool stream) {
  PickleWriter p;
  const auto open = [&](const std::string& package, const std::string& name) {
    if (stream) p.op('(').text("module");
    p.global(package, name);
    if (stream) p.text("/path/x.py").text("class ...").op('t').op('Q');
    p.op(')').op(0x81).op('}').op('(').text("training").op(0x89).text("hooks").ordered_dict();
    p.text("_non_persistent").global("__builtin__", "set").op(']').op(0x85).op('R');
  };
  open("mine", "Net");
  p.text("_parameters").ordered_dict().op('(').text("weight").global("torch._utils", "_rebuild_parameter");
  p.tensor("0", 4, {2, 2}, {1, 2}, stream).op(0x88).ordered_dict().op(0x87).op('R').op('u');
  p.text("_modules").ordered_dict().op('(').text("part");
  open("torch.nn.modules.conv", "Conv2d");
  p.text("_buffers").ordered_dict().op('(').text("none").op('N').text("bias");
  p.tensor("0", 4, {2}, {1}, stream, 2).op('u').op('u').op('b').op('u').op('u').op('b');
  return p;
}

}  // namespace sga
