#include "models/ganimation/face_set.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <thread>

#include "engine/byte_order.h"
#include "engine/checkpoint.h"

namespace sga {
namespace {

constexpr int64_t kHeader = 64, kTrailer = 64;
constexpr std::string_view kMagic = "SGAFACES", kEnd = "SGAFEND.";
constexpr uint64_t kVersion = 2;
constexpr uint64_t kMaxName = 4096;

/// FNV-1a over 8 bytes at a time: several GB/s, and every bit of the input matters. The tail is taken byte by
/// byte.
constexpr uint64_t kChecksumStart = 0xcbf29ce484222325;
uint64_t checksum(uint64_t sum, std::span<const uint8_t> bytes) {
  constexpr uint64_t kPrime = 0x100000001b3;
  const auto mix = [&](uint64_t v) {
    sum = (sum ^ v) * kPrime;
    sum ^= sum >> 29;
  };
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    uint64_t v;
    std::memcpy(&v, bytes.data(), 8);
    mix(v);
  }
  for (uint8_t b : bytes) mix(b);
  return sum;
}

std::span<const uint8_t> as_u8(std::span<const std::byte> b) {
  return {reinterpret_cast<const uint8_t*>(b.data()), b.size()};
}

void put(Bytes& to, uint64_t value, int n) {
  for (int i = 0; i < n; ++i) to.push_back(static_cast<std::byte>(value >> (8 * i)));
}
void put(Bytes& to, std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  to.insert(to.end(), bytes.begin(), bytes.end());
}
void put_float(Bytes& to, float v) { put(to, std::bit_cast<uint32_t>(v), 4); }

/// Takes numbers and text off the front of a table; Error when it ends early.
class TableReader {
 public:
  TableReader(std::span<const std::byte> bytes, const fs::path& path) : rest_(bytes), path_(path) {}
  uint64_t number(int n) { return little_endian(take(static_cast<uint64_t>(n)), 0, n); }
  float number_float() { return std::bit_cast<float>(static_cast<uint32_t>(number(4))); }
  std::string text() {
    const uint64_t n = number(4);
    SGA_CHECK(n <= kMaxName, "face set ", path_, ": damaged, a text of ", n, " bytes in its table");
    const auto bytes = take(n);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::span<const std::byte> take(uint64_t n) {
    SGA_CHECK(n <= rest_.size(), "face set ", path_, ": damaged, its table ends early");
    const auto front = rest_.first(n);
    rest_ = rest_.subspan(n);
    return front;
  }
  std::span<const std::byte> rest_;
  const fs::path& path_;
};

}  // namespace

FaceSetWriter::FaceSetWriter(const fs::path& path, const CropRecipe& recipe)
    : file_(path), recipe_(parse_crop_recipe(to_text(recipe))), pixel_checksum_(kChecksumStart) {
  Bytes header;
  put(header, kMagic);
  put(header, kVersion, 8);
  put(header, static_cast<uint64_t>(recipe.size), 8);
  header.resize(kHeader);
  file_.write(header);
  const std::string text = to_text(recipe);
  put(table_, text.size(), 4);
  put(table_, text);
}

void FaceSetWriter::add(const FaceRecord& record, std::span<const uint8_t> rgb) {
  SGA_CHECK(static_cast<int64_t>(rgb.size()) == recipe_.size * recipe_.size * 3,
            "face set: a picture must have ", recipe_.size, "x", recipe_.size, " RGB pixels, got ",
            rgb.size(), " bytes");
  SGA_CHECK(record.name.size() <= kMaxName, "face set: a name of ", record.name.size(), " bytes is too long");
  SGA_CHECK(std::isfinite(record.confidence) && std::all_of(record.labels.begin(), record.labels.end(),
                                                            [](float v) { return std::isfinite(v); }),
            "face set: a label of ", record.name, " is no finite number");
  file_.write(std::as_bytes(rgb));
  for (float v : record.labels) put_float(table_, v);
  put_float(table_, record.confidence);
  put(table_, static_cast<uint64_t>(record.person), 8);
  put(table_, record.train, 1);
  put(table_, record.name.size(), 4);
  put(table_, record.name);
  const size_t end = table_.size();
  put(table_, checksum(kChecksumStart, rgb), 8);
  pixel_checksum_ = checksum(pixel_checksum_, as_u8(std::span(table_).subspan(end)));
  ++count_;
}

void FaceSetWriter::finish() {
  SGA_CHECK(count_ > 0, "face set: there is no face to write");
  Bytes trailer;
  put(trailer, static_cast<uint64_t>(count_), 8);
  put(trailer, table_.size(), 8);
  put(trailer, checksum(kChecksumStart, as_u8(table_)), 8);
  put(trailer, pixel_checksum_, 8);
  trailer.resize(kTrailer - kEnd.size());
  put(trailer, kEnd);
  file_.write(table_);
  file_.write(trailer);
  file_.commit();
}

FaceSet::FaceSet(const fs::path& path) : file_(path) {
  const std::span<const std::byte> all = file_.bytes();
  const auto holds = [&](uint64_t at, std::string_view text) {
    return std::memcmp(all.data() + at, text.data(), text.size()) == 0;
  };
  SGA_CHECK(all.size() >= kMagic.size() && holds(0, kMagic), path,
            " is no face set; make one with facedata prepare");
  SGA_CHECK(all.size() >= kHeader + kTrailer && holds(all.size() - kEnd.size(), kEnd), "face set ", path,
            ": the file is cut; make it again with facedata prepare");
  const uint64_t version = little_endian(all, 8, 8), side = little_endian(all, 16, 8);
  SGA_CHECK(version == 1 || version == kVersion, "face set ", path, ": version ", version,
            ", this program reads versions 1 to ", kVersion);
  SGA_CHECK(side >= 16 && side <= 1024, "face set ", path, ": damaged, pictures of ", side, " pixels");

  const uint64_t tail = all.size() - kTrailer, count = little_endian(all, tail, 8),
                 table = little_endian(all, tail + 8, 8);
  const uint64_t face = side * side * 3, body = tail - kHeader;
  SGA_CHECK(count >= 1 && count <= body / face && table <= body && count * face == body - table, "face set ",
            path, ": damaged, ", count, " pictures and a table of ", table, " bytes do not fill ", all.size(),
            " bytes");
  const auto table_bytes = all.subspan(kHeader + count * face, table);
  SGA_CHECK(checksum(kChecksumStart, as_u8(table_bytes)) == little_endian(all, tail + 16, 8), "face set ",
            path, ": damaged, the checksum of its table is wrong");
  pixel_checksum_ = little_endian(all, tail + 24, 8);
  pixels_ = as_u8(all.subspan(kHeader, count * face));

  TableReader reader(table_bytes, path);
  recipe_ = parse_crop_recipe(reader.text());
  SGA_CHECK(static_cast<uint64_t>(recipe_.size) == side, "face set ", path, ": damaged, pictures of ", side,
            " pixels under a recipe for ", recipe_.size);
  uint64_t sum_of_sums = kChecksumStart;
  for (uint64_t i = 0; i < count; ++i) {
    FaceRecord record;
    for (float& v : record.labels) {
      v = reader.number_float();
      SGA_CHECK(std::isfinite(v), "face set ", path, ": damaged, a label of face ", i, " is not finite");
    }
    record.confidence = reader.number_float();
    record.person = static_cast<int64_t>(reader.number(8));
    record.train = reader.number(1) != 0;
    record.name = reader.text();
    if (version > 1) {
      Bytes sum;
      put(sum, face_checksums_.emplace_back(reader.number(8)), 8);
      sum_of_sums = checksum(sum_of_sums, as_u8(sum));
    }
    records_.push_back(std::move(record));
  }
  SGA_CHECK(reader.empty(), "face set ", path, ": damaged, its table is too long");
  SGA_CHECK(version == 1 || sum_of_sums == pixel_checksum_, "face set ", path,
            ": damaged, the checksum of its pictures' checksums is wrong");
}

const FaceRecord& FaceSet::record(int64_t i) const {
  SGA_CHECK(i >= 0 && i < count(), "face set: there is no face ", i, " of ", count());
  return records_[static_cast<size_t>(i)];
}

std::span<const uint8_t> FaceSet::pixels(int64_t i) const {
  SGA_CHECK(i >= 0 && i < count(), "face set: there is no face ", i, " of ", count());
  const auto face = static_cast<size_t>(size() * size() * 3);
  return pixels_.subspan(static_cast<size_t>(i) * face, face);
}

Image FaceSet::image(int64_t i) const {
  const std::span<const uint8_t> from = pixels(i);
  Image image{size(), size(), 3, std::vector<float>(from.size())};
  std::transform(from.begin(), from.end(), image.pixels.begin(),
                 [](uint8_t v) { return static_cast<float>(v) / 255; });
  return image;
}

std::vector<int64_t> FaceSet::indices(bool train) const {
  const std::vector<int64_t>& bad = damaged();
  std::vector<int64_t> list;
  for (int64_t i = 0; i < count(); ++i)
    if (record(i).train == train && !std::binary_search(bad.begin(), bad.end(), i)) list.push_back(i);
  return list;
}

const std::vector<int64_t>& FaceSet::damaged() const {
  if (damaged_) return *damaged_;
  std::vector<uint8_t> bad(face_checksums_.size());
  std::atomic<size_t> next = 0;
  {
    const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, 16u);
    std::vector<std::jthread> workers;
    for (unsigned t = 0; t < threads; ++t)
      workers.emplace_back([&] {
        for (size_t i; (i = next++) < bad.size();)
          bad[i] = checksum(kChecksumStart, pixels(static_cast<int64_t>(i))) != face_checksums_[i];
      });
  }
  damaged_.emplace();
  for (size_t i = 0; i < bad.size(); ++i)
    if (bad[i]) damaged_->push_back(static_cast<int64_t>(i));
  return *damaged_;
}

std::string FaceSet::damage() const {
  constexpr size_t kNamed = 5;
  const std::vector<int64_t>& bad = damaged();
  if (bad.empty()) return "";
  std::string text =
      std::to_string(bad.size()) + " of " + std::to_string(count()) +
      (bad.size() == 1 ? " faces is damaged and left out:" : " faces are damaged and left out:");
  for (size_t i = 0; i < bad.size() && i < kNamed; ++i) text += (i ? ", " : " ") + record(bad[i]).name;
  return bad.size() > kNamed ? text + ", ..." : text;
}

std::vector<float> FaceSet::batch(std::span<const int64_t> indices, std::span<const uint8_t> flip) const {
  SGA_CHECK(flip.empty() || flip.size() == indices.size(), "face set: ", flip.size(), " flip flags for ",
            indices.size(), " pictures");
  const auto face = static_cast<size_t>(size() * size() * 3);
  std::vector<float> out(indices.size() * face);
  for (size_t k = 0; k < indices.size(); ++k)
    fill(std::span(out).subspan(k * face, face), indices[k], !flip.empty() && flip[k] != 0);
  return out;
}

void FaceSet::fill(std::span<float> out, int64_t i, bool flip) const {
  const std::span<const uint8_t> from = pixels(i);
  SGA_CHECK(out.size() == from.size(), "face set: room for ", out.size(), " of ", from.size(), " numbers");
  const auto scaled = [](uint8_t v) { return static_cast<float>(v) / 127.5f - 1; };
  if (!flip) {
    std::transform(from.begin(), from.end(), out.begin(), scaled);
    return;
  }
  const int64_t n = size();
  float* to = out.data();
  for (int64_t y = 0; y < n; ++y)
    for (int64_t x = n; x-- > 0; to += 3) {
      const uint8_t* p = from.data() + (y * n + x) * 3;
      for (int c = 0; c < 3; ++c) to[c] = scaled(p[c]);
    }
}

std::vector<float> FaceSet::labels(std::span<const int64_t> indices) const {
  std::vector<float> out;
  for (int64_t i : indices) out.insert(out.end(), record(i).labels.begin(), record(i).labels.end());
  return out;
}

bool FaceSet::pixels_intact() const {
  if (!face_checksums_.empty()) return damaged().empty();
  uint64_t sum = kChecksumStart;
  for (int64_t i = 0; i < count(); ++i) sum = checksum(sum, pixels(i));
  return sum == pixel_checksum_;
}

std::string FaceSet::identity() const {
  const std::span<const std::byte> all = file_.bytes();
  Bytes ends(all.begin(), all.begin() + kHeader);
  ends.insert(ends.end(), all.end() - kTrailer, all.end());
  return checksum(ends);
}

}  // namespace sga
