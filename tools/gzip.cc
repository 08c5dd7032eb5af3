#include "tools/gzip.h"

#include <zlib.h>

#include <algorithm>

namespace sga {

std::string gunzip_if_needed(std::span<const std::byte> file, const std::string& name, int64_t limit) {
  if (file.size() < 2 || file[0] != std::byte{0x1f} || file[1] != std::byte{0x8b})
    return {reinterpret_cast<const char*>(file.data()), file.size()};
  SGA_CHECK(file.size() < (size_t{1} << 32), name, ": a gzip file above 4 GiB; unpack it first");
  z_stream stream{};
  SGA_CHECK(inflateInit2(&stream, 15 + 16) == Z_OK, name, ": cannot start zlib");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(file.data()));
  stream.avail_in = static_cast<uInt>(file.size());
  std::string text;
  for (int state = Z_OK; state != Z_STREAM_END;) {
    const size_t have = text.size();
    text.resize(have + (1 << 20));
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + have);
    stream.avail_out = 1 << 20;
    state = inflate(&stream, Z_NO_FLUSH);
    text.resize(text.size() - stream.avail_out);
    SGA_CHECK(static_cast<int64_t>(text.size()) <= limit, name, ": unpacks to more than ", limit, " bytes");
    SGA_CHECK(state == Z_OK || state == Z_STREAM_END, name, ": the gzip file is cut or damaged");
  }
  return text;
}

struct Packer::State {
  z_stream stream{};
  ~State() { deflateEnd(&stream); }
};

Packer::Packer() : state_(std::make_unique<State>()) {
  SGA_CHECK(deflateInit(&state_->stream, Z_DEFAULT_COMPRESSION) == Z_OK, "cannot start zlib: no memory");
}
Packer::~Packer() = default;

Bytes Packer::pack(std::span<const std::byte> data, bool last) {
  SGA_CHECK(data.size() < (size_t{1} << 32), "pack: at most 4 GiB at once");
  z_stream& stream = state_->stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  Bytes packed;
  do {
    constexpr uInt kPiece = 1 << 16;
    const size_t have = packed.size();
    packed.resize(have + kPiece);
    stream.next_out = reinterpret_cast<Bytef*>(packed.data() + have);
    stream.avail_out = kPiece;
    SGA_CHECK(deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH) != Z_STREAM_ERROR,
              "pack: zlib refused the data");
    packed.resize(have + kPiece - stream.avail_out);
  } while (stream.avail_out == 0);
  return packed;
}

uint32_t crc32_of(std::span<const std::byte> data) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<z_size_t>(data.size())));
}

}  // namespace sga
