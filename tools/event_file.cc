#include "tools/event_file.h"

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace sga {
namespace {

// ---- protocol buffers: a field is its number and wire type, then the value

enum Wire { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

std::string number(uint64_t v) {
  std::string text;
  for (; v >= 128; v >>= 7) text += char((v & 127) | 128);
  return text + char(v);
}
template <class T>
std::string little_endian(T v) {
  std::string text;
  for (size_t i = 0; i < sizeof v; ++i) text += char(v >> 8 * i & 255);
  return text;
}
std::string tag(int field, Wire wire) { return number(uint64_t(field) << 3 | wire); }
std::string field(int number_of, uint64_t v) { return tag(number_of, varint) + number(v); }
std::string field(int number_of, double v) {
  return tag(number_of, fixed64) + little_endian(std::bit_cast<uint64_t>(v));
}
std::string field(int number_of, float v) {
  return tag(number_of, fixed32) + little_endian(std::bit_cast<uint32_t>(v));
}
std::string field(int number_of, const std::string& v) {
  return tag(number_of, bytes) + number(v.size()) + v;
}

// The checksum of records: turned and shifted, so that one of data that holds checksums is no fixed point.
uint32_t masked(std::string_view data) {
  const uint32_t c = crc32c(data);
  return (c >> 15 | c << 17) + 0xa282ead8u;
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

uint32_t crc32c(std::string_view data) {
  static constexpr std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0x82F63B78u ^ c >> 1 : c >> 1;
      table[i] = c;
    }
    return table;
  }();
  uint32_t c = ~0u;
  for (const char b : data) c = kTable[(c ^ uint8_t(b)) & 255] ^ c >> 8;
  return ~c;
}

EventFile::EventFile(const fs::path& folder, int64_t begin) {
  char name[64];
  std::snprintf(name, sizeof name, "events.out.tfevents.%010lld.sga", static_cast<long long>(begin));
  path_ = folder / name;
  write_file(path_, std::string_view());
  write(begin, field(3, std::string("brain.Event:2")));
  write(begin, field(7, field(1, uint64_t{1})));  // SessionLog START: later steps of older files are void
}

void EventFile::write(int64_t step, const std::string& fields) {
  const std::string event = field(1, now()) + field(2, uint64_t(step)) + fields;
  const std::string length = little_endian(uint64_t(event.size()));
  append_text(path_, length + little_endian(masked(length)) + event + little_endian(masked(event)));
}

void EventFile::scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  std::string summary;
  for (const auto& [name, value] : values)
    if (std::isfinite(value)) summary += field(1, field(1, name) + field(2, float(value)));
  if (!summary.empty()) write(step, field(5, summary));
}

void EventFile::picture(int64_t step, const std::string& name, const Image& image) {
  const Bytes png = encode_png(image);
  const std::string encoded(reinterpret_cast<const char*>(png.data()), png.size());
  const std::string value = field(1, uint64_t(image.height)) + field(2, uint64_t(image.width)) +
                            field(3, uint64_t(image.channels)) + field(4, encoded);
  write(step, field(5, field(1, field(1, name) + field(4, value))));
}

}  // namespace sga
