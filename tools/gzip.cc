#include "tools/gzip.h"

#include <zlib.h>

#include <memory>

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

PackedPiece pack_piece(std::span<const std::byte> data, bool last) {
  SGA_CHECK(data.size() < (size_t{1} << 31), "pack: at most 2 GiB at once");
  z_stream stream{};
  SGA_CHECK(deflateInit2(&stream, 1, Z_DEFLATED, -15, 9, Z_RLE) == Z_OK, "cannot start zlib: no memory");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, deflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  PackedPiece piece;
  piece.bytes.resize(deflateBound(&stream, static_cast<uLong>(data.size())) + 16);
  stream.next_out = reinterpret_cast<Bytef*>(piece.bytes.data());
  stream.avail_out = static_cast<uInt>(piece.bytes.size());
  const int state = deflate(&stream, last ? Z_FINISH : Z_SYNC_FLUSH);
  SGA_CHECK(state == (last ? Z_STREAM_END : Z_OK) && stream.avail_in == 0 && stream.avail_out > 0,
            "pack: zlib refused the data");
  piece.bytes.resize(piece.bytes.size() - stream.avail_out);
  piece.adler = static_cast<uint32_t>(adler32_z(1, reinterpret_cast<const Bytef*>(data.data()), data.size()));
  return piece;
}

uint32_t adler_of_both(uint32_t first, uint32_t second, size_t size) {
  return static_cast<uint32_t>(adler32_combine(first, second, static_cast<z_off_t>(size)));
}

uint32_t crc32_of(std::span<const std::byte> data) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<z_size_t>(data.size())));
}

}  // namespace sga
