// Numbers in files: unsigned integers of 1 to 8 bytes in either byte order.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace sga {

/// The number in bytes [at, at + n), most significant first. The caller has checked that they exist.
inline uint64_t big_endian(std::span<const std::byte> bytes, uint64_t at, int n) {
  uint64_t value = 0;
  for (int i = 0; i < n; ++i)
    value = value << 8 | std::to_integer<uint64_t>(bytes[at + static_cast<uint64_t>(i)]);
  return value;
}

/// The number in bytes [at, at + n), least significant first. The caller has checked that they exist.
inline uint64_t little_endian(std::span<const std::byte> bytes, uint64_t at, int n) {
  uint64_t value = 0;
  for (int i = n; i-- > 0;)
    value = value << 8 | std::to_integer<uint64_t>(bytes[at + static_cast<uint64_t>(i)]);
  return value;
}

}  // namespace sga
