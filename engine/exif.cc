#include "engine/exif.h"

#include <cstring>

#include "engine/byte_order.h"

namespace sga {
namespace {

using Span = std::span<const std::byte>;

bool starts_with(Span bytes, const char* text, size_t n) {
  return bytes.size() >= n && std::memcmp(bytes.data(), text, n) == 0;
}

// The payload of the APP1 segment that holds "Exif", or nothing.
Span exif_segment(Span jpeg) {
  uint64_t at = 2;  // after the start-of-image marker
  while (at + 4 <= jpeg.size() && big_endian(jpeg, at, 1) == 0xFF) {
    const uint64_t marker = big_endian(jpeg, at + 1, 1);
    if (marker == 0xFF) {  // fill byte
      ++at;
      continue;
    }
    const uint64_t length = big_endian(jpeg, at + 2, 2);  // counts its own two bytes
    if (marker == 0xDA || length < 2 || at + 2 + length > jpeg.size()) break;
    const Span payload = jpeg.subspan(at + 4, length - 2);
    if (marker == 0xE1 && starts_with(payload, "Exif\0\0", 6)) return payload.subspan(6);
    at += 2 + length;
  }
  return {};
}

}  // namespace

int exif_orientation(Span jpeg) {
  const Span tiff = exif_segment(jpeg);
  const bool little = starts_with(tiff, "II*\0", 4);
  if (tiff.size() < 8 || (!little && !starts_with(tiff, "MM\0*", 4))) return 1;
  const auto number = [&](uint64_t at, int n) {
    return little ? little_endian(tiff, at, n) : big_endian(tiff, at, n);
  };

  const uint64_t directory = number(4, 4);
  if (directory + 2 > tiff.size()) return 1;
  const uint64_t entries = number(directory, 2);
  for (uint64_t i = 0; i < entries; ++i) {  // an entry: tag 2, type 2, count 4, value 4 bytes
    const uint64_t entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.size()) return 1;
    if (number(entry, 2) != 0x0112) continue;
    const uint64_t value = number(entry + 8, 2);
    const bool is_short = number(entry + 2, 2) == 3 && number(entry + 4, 4) == 1;
    return is_short && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace sga
