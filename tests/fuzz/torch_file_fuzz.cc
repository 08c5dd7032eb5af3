// Unpickler, zip and stream: any bytes give tensors or a sentence.
#include "engine/byte_order.h"
#include "engine/crc32.h"
#include "engine/pickle.h"
#include "engine/torch_file.h"
#include "tests/fuzz/fuzz.h"

namespace sga {
namespace {

constexpr std::string_view kClasses[] = {"mine.Net"};

/// Makes the checksums in a zip directory right where its entries can be found: what matters lies behind.
void repair_zip(std::span<std::byte> file) {
  if (file.size() < 22) return;
  const uint64_t end = file.size() - 22;
  for (uint64_t at = little_endian(file, end + 16, 4); at < end && end - at >= 46;) {
    const uint64_t size = little_endian(file, at + 24, 4), local = little_endian(file, at + 42, 4);
    if (local < end && end - local >= 30) {
      const uint64_t data =
          local + 30 + little_endian(file, local + 26, 2) + little_endian(file, local + 28, 2);
      if (data <= end && size <= end - data)
        put_little_endian(file.subspan(at + 16, 4), crc32(file.subspan(data, size)));
    }
    at += 46 + little_endian(file, at + 28, 2) + little_endian(file, at + 30, 2) +
          little_endian(file, at + 32, 2);
  }
}

}  // namespace
}  // namespace sga

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  sga::sentence_or_result([&] {
    for (const auto& [name, tensor] : sga::decode_torch_file(file, "x", sga::kClasses).tensors)
      sga::must_hold(tensor.numel() >= 1 && !sga::has_nonfinite(tensor));
  });
  sga::sentence_or_result([&] {
    const sga::Pickle pickle = sga::decode_pickle(file, "x", [](std::string_view) { return true; });
    sga::must_hold(pickle.root < pickle.values.size() && pickle.bytes <= size);
  });
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 != 0) sga::repair_zip(sga::as_writable(data, size));
  return size;
}
