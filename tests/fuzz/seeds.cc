// fuzz_seeds DIR: small whole files for the fuzz targets to begin with, in DIR/torch_file and DIR/image. They
// come from the writers of the tests.
#include <cstdio>

#include "engine/image.h"
#include "tests/torch_bytes.h"

namespace sga {
namespace {

Bytes some_bytes(size_t n) {
  Bytes bytes(n);
  for (size_t i = 0; i < n; ++i) bytes[i] = std::byte(i * 37 % 251);
  return bytes;
}

std::vector<Bytes> torch_files() {
  std::vector<Bytes> files;
  for (const bool stream : {true, false}) {
    files.push_back(state_dict(stream));
    files.push_back(torch_file(module_pickle(stream).done(), {float_storage("0", {1, 2, 3, 4})}, stream));
    PickleWriter list;
    list.op(']').op('(').integer(1).real(0.5).short_text("old").op('N').op(')').number('r', 300, 4);
    list.number('j', 300, 4).tensor("0", 4, {1, 1, 2, 2}, {4, 4, 2, 1}, stream).op('e');
    files.push_back(torch_file(list.done(), {float_storage("0", {1, 2, 3, 4})}, stream));
  }
  files.push_back(module_pickle(false).done());
  return files;
}

std::vector<Bytes> pictures() {
  std::vector<Bytes> files;
  for (int64_t channels = 1; channels <= 4; ++channels) {
    Image image{5, 7, channels, std::vector<float>(size_t(35 * channels), 0.3f)};
    image.pixels[3] = 0.9f;
    files.push_back(encode_png(image));
  }
  const Bytes colours = png_chunk("PLTE", some_bytes(9));
  files.push_back(make_png(3, 8, 3, {some_bytes(3)},
                           ByteWriter().add(colours).add(png_chunk("tRNS", some_bytes(2))).bytes));
  for (const int bits : {1, 2, 4, 16})
    files.push_back(
        make_png(4, bits, 0, {some_bytes(size_t(bits + 1) / 2), some_bytes(size_t(bits + 1) / 2)}));
  files.push_back(make_png(3, 16, 4, {some_bytes(12), some_bytes(12)}));
  const Bytes grey = make_jpeg({{{10}, {20}}, {{30}, {255}}});
  files.push_back(grey);
  files.push_back(make_jpeg({{{76, 85, 255}, {1, 2, 3}}}));
  files.push_back(with_orientation(grey, 6, true));
  files.push_back(make_bmp(2, 24, {some_bytes(6), some_bytes(6)}));
  files.push_back(make_bmp(2, 32, {some_bytes(8)}));
  files.push_back(make_bmp(2, 4, {some_bytes(1)}, some_bytes(64)));
  return files;
}

void write_all(const fs::path& folder, const std::vector<Bytes>& files) {
  make_folder(folder);
  for (size_t i = 0; i < files.size(); ++i) write_file(folder / ("seed" + std::to_string(i)), files[i]);
}

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds DIR\n");
    return 2;
  }
  sga::write_all(sga::fs::path(argv[1]) / "torch_file", sga::torch_files());
  sga::write_all(sga::fs::path(argv[1]) / "image", sga::pictures());
}
