// Pictures: any bytes give a picture or a sentence.
#include "engine/byte_order.h"
#include "engine/crc32.h"
#include "engine/exif.h"
#include "engine/image.h"
#include "tests/fuzz/fuzz.h"

namespace sga {
namespace {

constexpr int64_t kPixels = 1 << 16;  // larger ones are slow and not different

/// Makes the checksums of a PNG right as far as its chunks can be found: what matters lies behind.
void repair_png(std::span<std::byte> file) {
  if (file.size() < 8 || big_endian(file, 0, 8) != 0x89504e470d0a1a0a) return;
  for (uint64_t at = 8; file.size() - at >= 12;) {
    const uint64_t length = big_endian(file, at, 4);
    if (length > file.size() - at - 12) return;
    const uint32_t crc = crc32(file.subspan(at + 4, 4 + length));
    put_little_endian(file.subspan(at + 8 + length, 4), __builtin_bswap32(crc));
    at += 12 + length;
  }
}

}  // namespace
}  // namespace sga

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  const int orientation = sga::exif_orientation(file);
  sga::must_hold(orientation >= 1 && orientation <= 8);
  sga::sentence_or_result([&] {
    const sga::ImageInfo info = sga::image_info(file, "x");
    if (info.height * info.width > sga::kPixels) return;
    const sga::Image image = sga::decode_image(file, "x");
    sga::must_hold(image.pixels.size() == size_t(image.height * image.width * image.channels));
    for (const float v : image.pixels) sga::must_hold(v >= 0 && v <= 1);
    sga::convert_channels(image, 3);
  });
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 != 0) sga::repair_png(sga::as_writable(data, size));
  return size;
}
