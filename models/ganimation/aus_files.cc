#include "models/ganimation/aus_files.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "engine/byte_order.h"
#include "engine/pickle.h"
#include "models/ganimation/csv.h"

namespace sga {
namespace {

using Kind = PickleValue::Kind;

/// Data sets have up to a few hundred thousand faces of about twenty instructions each.
constexpr PickleLimits kLimits{.protocol = 5, .instructions = 20'000'000};
/// A text or a vector longer than this is no label; entries may share it, and each would copy it.
constexpr size_t kLongest = 1 << 16;

bool is_numpy(std::string_view global, std::string_view name) {
  for (const char* module : {"numpy.", "numpy.core.multiarray.", "numpy._core.multiarray.",
                             "numpy.core.numeric.", "numpy._core.numeric."})
    if (global == std::string(module).append(name)) return true;
  return false;
}

bool known(std::string_view global) {
  return is_numpy(global, "_reconstruct") || is_numpy(global, "ndarray") || is_numpy(global, "dtype") ||
         is_numpy(global, "_frombuffer") || is_numpy(global, "scalar") || global == "_codecs.encode";
}

/// Finds vectors of numbers in a pickle.
class Vectors {
 public:
  explicit Vectors(const Pickle& pickle) : pickle_(pickle) {}

  /// The numbers of a numpy array, a list or a tuple; nothing if it is none of them.
  std::optional<std::vector<double>> numbers(uint32_t i) const {
    const PickleValue& v = pickle_[i];
    if ((v.kind == Kind::list || v.kind == Kind::tuple) && v.parts.size() <= kLongest / 8) {
      std::vector<double> values;
      for (const uint32_t part : v.parts) {
        const std::optional<double> one = number(part);
        if (!one) return std::nullopt;
        values.push_back(*one);
      }
      return values;
    }
    if (v.kind != Kind::object) return std::nullopt;
    const std::string& made_by = pickle_[v.parts[0]].text;
    const PickleValue& arguments = pickle_[v.parts[1]];
    if (is_numpy(made_by, "_reconstruct") && v.parts.size() == 3) {
      const PickleValue& state = pickle_[v.parts[2]];  // version, shape, dtype, column order, bytes
      if (state.kind == Kind::tuple && state.parts.size() == 5)
        return unpacked(state.parts[2], state.parts[4]);
    } else if (is_numpy(made_by, "_frombuffer") && arguments.parts.size() >= 2) {
      return unpacked(arguments.parts[1], arguments.parts[0]);
    }
    return std::nullopt;
  }

  std::optional<std::string> bytes(uint32_t i) const {
    const PickleValue& v = pickle_[i];
    if (v.kind == Kind::text) return v.text.size() <= kLongest ? std::optional(v.text) : std::nullopt;
    if (v.kind != Kind::object || pickle_[v.parts[0]].text != "_codecs.encode") return std::nullopt;
    // Python 3 writes bytes in protocol 2 as the call encode(text, "latin1").
    const PickleValue& arguments = pickle_[v.parts[1]];
    if (arguments.parts.empty() || pickle_[arguments.parts[0]].kind != Kind::text) return std::nullopt;
    std::string decoded;
    const std::string& utf8 = pickle_[arguments.parts[0]].text;
    if (utf8.size() > kLongest) return std::nullopt;
    for (size_t k = 0; k < utf8.size(); ++k) {
      const auto c = static_cast<unsigned char>(utf8[k]);
      if (c < 0x80) {
        decoded += utf8[k];
      } else if ((c & 0xfc) == 0xc0 && k + 1 < utf8.size()) {
        decoded += static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(utf8[++k]) & 0x3f));
      } else {
        return std::nullopt;
      }
    }
    return decoded;
  }

 private:
  std::optional<double> number(uint32_t i) const {
    const PickleValue& v = pickle_[i];
    if (v.kind == Kind::real) return v.real;
    if (v.kind == Kind::integer) return static_cast<double>(v.integer);
    if (v.kind != Kind::object || !is_numpy(pickle_[v.parts[0]].text, "scalar")) return std::nullopt;
    const PickleValue& arguments = pickle_[v.parts[1]];
    if (arguments.parts.size() != 2) return std::nullopt;
    const auto values = unpacked(arguments.parts[0], arguments.parts[1]);
    return values && values->size() == 1 ? std::optional((*values)[0]) : std::nullopt;
  }

  std::optional<std::vector<double>> unpacked(uint32_t dtype, uint32_t data) const {
    const PickleValue& type = pickle_[dtype];
    const std::optional<std::string> raw = bytes(data);
    if (!raw || type.kind != Kind::object || !is_numpy(pickle_[type.parts[0]].text, "dtype"))
      return std::nullopt;
    const PickleValue& arguments = pickle_[type.parts[1]];
    if (arguments.parts.empty()) return std::nullopt;
    const std::string& code = pickle_[arguments.parts[0]].text;
    if (code != "f8" && code != "f4") return std::nullopt;
    if (type.parts.size() == 3) {  // version, byte order, ...
      const PickleValue& state = pickle_[type.parts[2]];
      if (state.parts.size() < 2 || pickle_[state.parts[1]].text != "<") return std::nullopt;
    }
    const size_t size = code == "f8" ? 8 : 4;
    if (raw->size() % size != 0) return std::nullopt;
    std::vector<double> values;
    for (size_t at = 0; at < raw->size(); at += size) {
      const uint64_t bits = little_endian(std::as_bytes(std::span(*raw)), at, static_cast<int>(size));
      values.push_back(size == 8 ? std::bit_cast<double>(bits)
                                 : static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(bits))));
    }
    return values;
  }

  const Pickle& pickle_;
};

/// Adds a row, or why there is none.
void add(FaceTable& table, const std::string& image, int64_t line, const std::vector<double>& values) {
  FaceRow row;
  row.image = image;
  row.line = line;
  std::string reason;
  if (image.empty()) reason = "the name of the picture is empty";
  if (values.size() != kActionUnitCount)
    reason = "its label has " + std::to_string(values.size()) + " numbers instead of 17";
  for (size_t i = 0; reason.empty() && i < values.size(); ++i) {
    if (!(values[i] >= 0 && values[i] <= 5))  // NaN too
      reason = "the intensity of AU " + std::to_string(kActionUnitNumbers[i]) + " is not in [0,5]";
    row.intensity[i] = static_cast<float>(values[i]);
  }
  if (reason.empty())
    table.rows.push_back(std::move(row));
  else
    table.rejected.push_back({image, line, std::move(reason)});
}

}  // namespace

FaceTable parse_aus_pickle(std::span<const std::byte> file, const std::string& name) {
  const Pickle pickle = decode_pickle(file, name, known, kLimits);
  const PickleValue& root = pickle[pickle.root];
  const Vectors vectors(pickle);
  FaceTable table;
  table.has_image = true;
  size_t entries = 0, right_size = 0;
  size_t length = 0;
  const auto entry = [&](const std::optional<std::string>& image, std::optional<uint32_t> label) {
    ++entries;
    const auto values = label ? vectors.numbers(*label) : std::nullopt;
    if (!image || !values) {
      table.rejected.push_back({image.value_or(""), 0, "it is no picture with a vector of numbers"});
      return;
    }
    length = values->size();
    right_size += length == kActionUnitCount;
    add(table, *image, 0, *values);
  };
  if (root.kind == Kind::dict) {
    for (size_t i = 0; i + 1 < root.parts.size(); i += 2)
      entry(vectors.bytes(root.parts[i]), root.parts[i + 1]);
  } else if (root.kind == Kind::list) {
    for (const uint32_t part : root.parts) {
      const PickleValue& item = pickle[part];
      std::optional<std::string> image;
      std::optional<uint32_t> label;
      for (size_t i = 0; item.kind == Kind::dict && i + 1 < item.parts.size(); i += 2) {
        const std::optional<std::string> key = vectors.bytes(item.parts[i]);
        if (key == "file_path") image = vectors.bytes(item.parts[i + 1]);
        if (key == "aus") label = item.parts[i + 1];
      }
      entry(image, label);
    }
  } else {
    fail(name,
         ": this pickle holds no labels; expected a dict from pictures to 17 intensities (aus_openface.pkl) "
         "or a "
         "list of dicts with file_path and aus (aus_dataset.pkl)");
  }
  SGA_CHECK(entries > 0, name, ": this pickle holds no picture");
  SGA_CHECK(
      right_size > 0, name, ": no picture has a label of 17 numbers, the last has ", length,
      "; expected OpenFace's intensities of AU 1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45");
  return table;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  constexpr std::string_view kBlanks = " \t\r";
  for (size_t at = line.find_first_not_of(kBlanks); at != std::string_view::npos;
       at = line.find_first_not_of(kBlanks, at)) {
    const size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

FaceTable parse_aus_text(std::string_view text, const std::string& name) {
  FaceTable table;
  table.has_image = true;
  int64_t line_number = 0, labels = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    SGA_CHECK(line.find('\0') == std::string_view::npos, name, ", line ", line_number, ": this is not text");
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) continue;
    std::vector<double> values;
    bool good = true;
    for (size_t i = 1; i < words.size(); ++i) {
      double v = 0;
      // parse_number wants finite numbers; a NaN is a label that cannot be used, not a line of another kind.
      if (words[i] == "nan" || words[i] == "NaN" || words[i] == "-nan")
        v = std::nan("");
      else if (!parse_number(words[i], v))
        good = false;
      values.push_back(v);
    }
    if (good && values.size() == kActionUnitCount)
      add(table, words[0], line_number, values), ++labels;
    else if (line_number > 2 || labels > 0)
      table.rejected.push_back({words[0], line_number, "the line is no picture and 17 numbers"});
  }
  SGA_CHECK(labels > 0, name, ": no line holds a picture and its 17 intensities");
  return table;
}

std::vector<std::string> parse_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && std::string_view(" \t\r").find(line.back()) != std::string_view::npos)
      line.remove_suffix(1);
    while (line.starts_with(' ') || line.starts_with('\t')) line.remove_prefix(1);
    if (!line.empty()) lines.emplace_back(line);
  }
  return lines;
}

}  // namespace sga
