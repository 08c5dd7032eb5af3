#include "engine/checkpoint.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/byte_order.h"

namespace sga {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "safetensors is little-endian; this code copies it as is");

constexpr uint64_t kMaxHeader = uint64_t{16} << 20;
constexpr size_t kMaxName = 256, kMaxTensors = 65'536, kMaxRank = 8;
constexpr char kMetadata[] = "__metadata__";

enum class Format { f16, f32, f64, i64 };
constexpr const char* kFormatNames[] = {"F16", "F32", "F64", "I64"};
constexpr uint64_t kFormatBytes[] = {2, 4, 8, 8};

const char* name_of(Format f) { return kFormatNames[static_cast<int>(f)]; }
uint64_t size_of(Format f) { return kFormatBytes[static_cast<int>(f)]; }

// To the nearest half, ties to even; infinity from 65520 on. `x` is finite.
uint16_t to_half(float x) {
  uint32_t bits = std::bit_cast<uint32_t>(x);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  bits &= 0x7FFFFFFFu;
  uint32_t half;
  if (bits >= 0x47800000u) {  // 65536 and above
    half = 0x7C00u;
  } else if (bits < 0x38800000u) {  // below 2^-14: adding 0.5 lines the bits up and rounds in hardware
    half = std::bit_cast<uint32_t>(std::bit_cast<float>(bits) + 0.5f) - std::bit_cast<uint32_t>(0.5f);
  } else {  // exponent bias 127 -> 15, and round the 13 bits that go
    half = (bits - (112u << 23) + 0xFFFu + (bits >> 13 & 1u)) >> 13;
  }
  return static_cast<uint16_t>(sign | half);
}

// Without branches, so that a loop of it becomes vector code: the bits at float's places are 2^112 too small,
// and of infinities and NaN the exponent is filled.
float from_half(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16, rest = (half & 0x7FFFu) << 13;
  const uint32_t bits = std::bit_cast<uint32_t>(std::bit_cast<float>(rest) * 0x1p112f);
  return std::bit_cast<float>(bits | sign | (rest >= 0x7C00u << 13 ? 0xFFu << 23 : 0u));
}

// ---- writing

Format format_of(const Tensor& t, Storage storage) {
  if (storage == Storage::f16) return Format::f16;
  return t.dtype() == Dtype::f64 ? Format::f64 : Format::f32;
}

std::string header_text(const Checkpoint& checkpoint, Storage storage) {
  SGA_CHECK(checkpoint.tensors.size() <= kMaxTensors, "cannot save a checkpoint of ",
            checkpoint.tensors.size(), " tensors, the limit is ", kMaxTensors);
  Json header = Json::object();
  for (const auto& [key, text] : checkpoint.metadata) {
    SGA_CHECK(key.size() <= kMaxName, "cannot save a checkpoint: a metadata key has ", key.size(),
              " bytes, the limit is ", kMaxName);
    header[kMetadata][key] = text;
  }
  uint64_t offset = 0;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    SGA_CHECK(!name.empty() && name.size() <= kMaxName && name != kMetadata,
              "cannot save a checkpoint: a tensor needs a name of 1 to ", kMaxName, " bytes, got \"", name,
              "\"");
    SGA_CHECK(tensor && tensor.numel() > 0, "cannot save a checkpoint: tensor \"", name, "\" is empty");
    SGA_CHECK(tensor.shape().extents().size() <= kMaxRank, "cannot save a checkpoint: tensor \"", name,
              "\" has shape ", tensor.shape(), ", the limit is ", kMaxRank, " axes");
    const Format format = format_of(tensor, storage);
    const uint64_t end = offset + static_cast<uint64_t>(tensor.numel()) * size_of(format);
    header[name] = {
        {"dtype", name_of(format)}, {"shape", tensor.shape().extents()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception&) {
    fail("cannot save a checkpoint: a name or a metadata text is not valid UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the tensors start at a multiple of 8 bytes
  SGA_CHECK(text.size() <= kMaxHeader, "cannot save a checkpoint: its header has ", text.size(),
            " bytes, the limit is ", kMaxHeader);
  return text;
}

template <class T, class Encode>
void append(Bytes& out, const std::string& name, const Tensor& tensor, Encode&& encode) {
  const std::vector<T> values = to_host<T>(tensor);
  using Stored = decltype(encode(T{}));
  const size_t begin = out.size();
  out.resize(begin + values.size() * sizeof(Stored));
  for (size_t i = 0; i < values.size(); ++i) {
    // A file with such a weight could not be loaded again: better no file than that.
    SGA_CHECK(std::isfinite(values[i]), "cannot save a checkpoint: tensor \"", name, "\" holds ", values[i],
              " at element ", i);
    const Stored stored = encode(values[i]);
    std::memcpy(out.data() + begin + i * sizeof(Stored), &stored, sizeof(Stored));
  }
}

// ---- reading

struct Entry {
  std::string name;
  Format format;
  Shape shape;
  uint64_t begin, end;  // bytes after the header
};

struct Reader {
  std::span<const std::byte> file;
  const std::string& file_name;

  template <class... Parts>
  void require(bool condition, const Parts&... why) const {
    if (!condition) fail("cannot read the checkpoint \"", file_name, "\": ", why...);
  }

  Json parse_header(const char* begin, const char* end) const {
    require(*begin == '{', "it is no safetensors file, its header is not JSON");
    // The JSON library takes a NUL byte for the end of the text and would not see what follows.
    require(std::find(begin, end, '\0') == end, "its header is not valid JSON");
    std::vector<std::set<std::string>> keys;  // of each object being read
    const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
      using Event = Json::parse_event_t;
      if (event == Event::object_start || event == Event::array_start)
        require(depth <= 2, "its header is nested too deeply");  // header, entry, shape
      if (event == Event::object_start) keys.emplace_back();
      if (event == Event::object_end) keys.pop_back();
      if (event == Event::key) {
        const auto& key = value.get_ref<const std::string&>();
        require(key.size() <= kMaxName, "its header holds a name of ", key.size(), " bytes, the limit is ",
                kMaxName);
        require(keys.back().insert(key).second, "its header holds the name \"", key, "\" twice");
        require(keys.front().size() <= kMaxTensors + 1, "it holds more than ", kMaxTensors, " tensors");
      }
      return true;
    };
    try {
      return Json::parse(begin, end, watch);
    } catch (const Json::exception&) {
      fail("cannot read the checkpoint \"", file_name, "\": its header is not valid JSON");
    }
  }

  Entry read_entry(const std::string& name, const Json& value) const {
    const auto check = [&](bool condition, const auto&... why) {
      require(condition, "tensor \"", name, "\" ", why...);
    };
    check(!name.empty(), "has no name");
    check(value.is_object() && value.size() == 3 && value.contains("dtype") && value.contains("shape") &&
              value.contains("data_offsets"),
          "must state dtype, shape and data_offsets and nothing else");
    const Json &dtype = value["dtype"], &shape = value["shape"], &offsets = value["data_offsets"];
    check(dtype.is_string(), "has a dtype that is no text");
    const auto known =
        std::find(std::begin(kFormatNames), std::end(kFormatNames), dtype.get_ref<const std::string&>());
    check(known != std::end(kFormatNames), "has dtype ", dtype.get_ref<const std::string&>(),
          ", only F16, F32 and F64 are read, and I64 passed over");
    const auto format = static_cast<Format>(known - std::begin(kFormatNames));

    check(shape.is_array() && shape.size() <= kMaxRank, "needs a shape of at most ", kMaxRank, " extents");
    uint64_t bytes = size_of(format);
    std::vector<int64_t> extents;
    for (const Json& extent : shape) {
      // Nothing of extent 0: tensors without bytes could share a place.
      check(extent.is_number_unsigned() && extent.get<uint64_t>() >= 1,
            "has an extent that is no whole number above 0");
      check(!__builtin_mul_overflow(bytes, extent.get<uint64_t>(), &bytes) && bytes <= file.size(),
            "has a shape larger than the file");
      extents.push_back(extent.get<int64_t>());
    }
    check(offsets.is_array() && offsets.size() == 2 && offsets[0].is_number_unsigned() &&
              offsets[1].is_number_unsigned(),
          "needs two data_offsets");
    const auto begin = offsets[0].get<uint64_t>(), end = offsets[1].get<uint64_t>();
    check(begin <= end && end - begin == bytes, "needs ", bytes, " bytes for its shape, its offsets are ",
          begin, " to ", end);
    return {name, format, Shape(std::move(extents)), begin, end};
  }

  template <class T, class Stored, class Decode>
  Tensor read_values(const Entry& entry, std::span<const std::byte> bytes, Decode&& decode) const {
    std::vector<T> values(bytes.size() / sizeof(Stored));
    for (size_t i = 0; i < values.size(); ++i) {
      Stored stored;
      std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
      values[i] = decode(stored);
    }
    bool finite = true;  // looked at apart, as a loop that may stop is no vector code
    for (const T v : values) finite &= std::abs(v) <= std::numeric_limits<T>::max();
    for (size_t i = 0; !finite && i < values.size(); ++i)
      require(std::isfinite(values[i]), "tensor \"", entry.name, "\" holds ", values[i], " at element ", i);
    return from_host(entry.shape, values);
  }

  Tensor read_tensor(const Entry& entry, std::span<const std::byte> bytes) const {
    switch (entry.format) {
      case Format::f16:
        return read_values<float, uint16_t>(entry, bytes, from_half);
      case Format::f32:
        return read_values<float, float>(entry, bytes, [](float v) { return v; });
      case Format::f64:
        return read_values<double, double>(entry, bytes, [](double v) { return v; });
      case Format::i64:
        break;
    }
    return {};
  }
};

}  // namespace

const Tensor& Checkpoint::get(const std::string& name, const Shape& shape) const {
  const auto found = tensors.find(name);
  SGA_CHECK(found != tensors.end(), origin, ": tensor \"", name,
            "\" is missing; the file is of another model");
  SGA_CHECK(shape.rank() == 0 || found->second.shape() == shape, origin, ": tensor \"", name,
            "\" must have shape ", shape, ", got ", found->second.shape(), "; the file is of another model");
  return found->second;
}

const std::string& Checkpoint::meta(const std::string& key) const {
  const auto found = metadata.find(key);
  SGA_CHECK(found != metadata.end(), origin, ": the metadata \"", key,
            "\" is missing; the file is of another model");
  return found->second;
}

Bytes encode_checkpoint(const Checkpoint& checkpoint, Storage storage) {
  const std::string header = header_text(checkpoint, storage);
  Bytes out(8 + header.size());
  const uint64_t length = header.size();
  std::memcpy(out.data(), &length, 8);
  std::memcpy(out.data() + 8, header.data(), header.size());
  for (const auto& [name, tensor] : checkpoint.tensors) {
    switch (format_of(tensor, storage)) {
      case Format::f16:
        append<float>(out, name, tensor, [&, &name = name](float v) {
          const uint16_t half = to_half(v);
          SGA_CHECK((half & 0x7C00u) != 0x7C00u, "cannot save a checkpoint: tensor \"", name, "\" holds ", v,
                    ", the largest F16 is 65504");
          return half;
        });
        break;
      case Format::f32:
        append<float>(out, name, tensor, [](float v) { return v; });
        break;
      case Format::f64:
        append<double>(out, name, tensor, [](double v) { return v; });
        break;
      case Format::i64:
        break;  // never written
    }
  }
  return out;
}

Checkpoint decode_checkpoint(std::span<const std::byte> file, const std::string& name) {
  const Reader reader{file, name};
  reader.require(file.size() >= 8 + 2, "it has ", file.size(),
                 " bytes, which is too short for a safetensors file");
  const uint64_t header_bytes = little_endian(file, 0, 8);
  reader.require(header_bytes >= 2 && header_bytes <= kMaxHeader, "it states a header of ", header_bytes,
                 " bytes, 2 to ", kMaxHeader, " are allowed; it is no safetensors file or is damaged");
  reader.require(header_bytes <= file.size() - 8, "it is cut inside its header, after ", file.size(),
                 " bytes");
  const auto* text = reinterpret_cast<const char*>(file.data()) + 8;
  const Json header = reader.parse_header(text, text + header_bytes);
  const auto data = file.subspan(8 + header_bytes);

  Checkpoint checkpoint{.tensors = {}, .metadata = {}, .origin = name};
  std::vector<Entry> entries;
  for (const auto& [key, value] : header.items()) {
    if (key != kMetadata) {
      entries.push_back(reader.read_entry(key, value));
      continue;
    }
    reader.require(value.is_object(), "its metadata is no object");
    for (const auto& [meta_key, meta_value] : value.items()) {
      reader.require(meta_value.is_string(), "its metadata \"", meta_key, "\" is no text");
      checkpoint.metadata[meta_key] = meta_value.get<std::string>();
    }
  }
  reader.require(entries.size() <= kMaxTensors, "it holds ", entries.size(), " tensors, the limit is ",
                 kMaxTensors);

  // Every byte of the data belongs to one tensor.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.begin < b.begin; });
  uint64_t expected = 0;
  for (const Entry& entry : entries) {
    reader.require(entry.begin == expected, "tensor \"", entry.name, "\" starts at byte ", entry.begin,
                   ", the one before ends at ", expected);
    expected = entry.end;
  }
  reader.require(expected == data.size(), "its tensors need ", expected, " bytes, it has ", data.size(),
                 "; it is cut or damaged");

  for (const Entry& entry : entries)
    if (entry.format != Format::i64)
      checkpoint.tensors[entry.name] =
          reader.read_tensor(entry, data.subspan(entry.begin, entry.end - entry.begin));
  return checkpoint;
}

void save_checkpoint(const fs::path& path, const Checkpoint& checkpoint, Storage storage) {
  write_file(path, encode_checkpoint(checkpoint, storage));
}

Checkpoint load_checkpoint(const fs::path& path) { return decode_checkpoint(read_file(path), path.string()); }

std::string checksum(std::span<const std::byte> bytes) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (std::byte b : bytes) hash = (hash ^ std::to_integer<uint64_t>(b)) * 0x100000001B3u;
  std::string hex(16, '0');
  for (size_t i = 16; i-- > 0; hash >>= 4) hex[i] = "0123456789abcdef"[hash & 15];
  return hex;
}

std::string file_checksum(const fs::path& path) { return checksum(read_file(path, int64_t{4} << 30, true)); }

}  // namespace sga
