// What zlib does: text that may be gzip-compressed, and the packed stream of a PNG.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "engine/io.h"

namespace sga {

/// The bytes as they are, or unpacked if they start like a gzip file. Error if it is damaged, cut, or holds
/// more than `limit` bytes.
std::string gunzip_if_needed(std::span<const std::byte> file, const std::string& name,
                             int64_t limit = int64_t{1} << 30);

/// Packs a stream as RFC 1950 says, piece by piece, in memory that does not grow with it.
class Packer {
 public:
  Packer();
  ~Packer();
  /// The next bytes of the packed stream, often none; all that are left with `last`.
  Bytes pack(std::span<const std::byte> data, bool last = false);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// CRC-32 as PNG and gzip have it (ISO 3309).
uint32_t crc32_of(std::span<const std::byte> data);

}  // namespace sga
