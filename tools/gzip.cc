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

}  // namespace sga
