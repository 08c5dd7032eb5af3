// The checksum of PNG and zip.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sga {

/// CRC-32 of IEEE 802.3, reflected (polynomial 0xEDB88320).
inline uint32_t crc32(std::span<const std::byte> bytes) {
  static constexpr std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
      table[i] = c;
    }
    return table;
  }();
  uint32_t c = ~0u;
  for (std::byte b : bytes) c = kTable[(c ^ std::to_integer<uint32_t>(b)) & 255] ^ c >> 8;
  return ~c;
}

}  // namespace sga
