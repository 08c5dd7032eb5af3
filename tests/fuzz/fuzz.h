// What the fuzz targets share: libFuzzer's entry points, and what must hold whatever the bytes are.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "kernels/check.h"

extern "C" {
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed);
}

namespace sga {

/// Stops the fuzzer, which keeps the input.
inline void must_hold(bool condition) {
  if (!condition) std::abort();
}

/// Calls it; it may throw an Error of one printable line, and nothing else.
template <class Call>
void sentence_or_result(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    const std::string text = error.what();
    must_hold(!text.empty() &&
              std::none_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; }));
  }
}

/// The mutated bytes as seen by a repair of checksums.
inline std::span<std::byte> as_writable(uint8_t* data, size_t size) {
  return std::as_writable_bytes(std::span(data, size));
}

/// Writes a number of n bytes, least significant first.
inline void put_little_endian(std::span<std::byte> to, uint64_t value) {
  for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<std::byte>(value >> 8 * i);
}

}  // namespace sga
