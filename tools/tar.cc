#include "tools/tar.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sga {
namespace {

constexpr uint64_t kBlock = 512;
constexpr uint64_t kMaxLongName = 1 << 20;

/// A text field ends at its first NUL or at its end.
std::string_view field(std::span<const std::byte> block, size_t at, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(block.data()) + at, size);
  return text.substr(0, text.find('\0'));
}

/// Octal digits, with blanks around; or, for sizes above 8 GiB, binary after a byte 0x80 (GNU).
std::optional<uint64_t> number(std::span<const std::byte> block, size_t at, size_t size) {
  if (block[at] == std::byte{0x80}) {
    uint64_t value = 0;
    for (size_t i = 1; i < size; ++i) {
      if (value >> 56) return std::nullopt;
      value = value << 8 | std::to_integer<uint64_t>(block[at + i]);
    }
    return value;
  }
  std::string_view text = field(block, at, size);
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The sum of a header's bytes with the checksum itself read as blanks.
bool checksum_holds(std::span<const std::byte> block) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i)
    sum += i >= 148 && i < 156 ? uint64_t{' '} : std::to_integer<uint64_t>(block[i]);
  return number(block, 148, 8) == sum;
}

/// The value of "path" among pax records "27 path=faces/0001.jpg\n", or "".
std::string pax_path(std::string_view records) {
  std::string path;
  while (!records.empty()) {
    uint64_t length = 0;
    const auto read = std::from_chars(records.data(), records.data() + records.size(), length);
    const auto digits = static_cast<size_t>(read.ptr - records.data());
    if (read.ec != std::errc{} || length <= digits || length > records.size()) break;
    const std::string_view record = records.substr(digits, length - digits);
    if (record.starts_with(" path=") && record.ends_with('\n')) path = record.substr(6, record.size() - 7);
    records.remove_prefix(length);
  }
  return path;
}

}  // namespace

std::vector<TarEntry> read_tar(std::span<const std::byte> archive, const std::string& name) {
  std::vector<TarEntry> entries;
  std::string long_name;
  for (uint64_t at = 0; at < archive.size();) {
    SGA_CHECK(archive.size() - at >= kBlock || at == 0, name, ": the archive is cut after ", at, " bytes");
    SGA_CHECK(archive.size() >= kBlock, name, " is no tar archive");
    const auto header = archive.subspan(at, kBlock);
    if (std::all_of(header.begin(), header.end(), [](std::byte b) { return b == std::byte{0}; })) break;
    const bool sound = checksum_holds(header);
    SGA_CHECK(sound || at > 0, name, " is no tar archive");
    SGA_CHECK(sound, name, ": damaged, the header at byte ", at, " has a wrong checksum");
    const std::optional<uint64_t> size = number(header, 124, 12);
    at += kBlock;
    SGA_CHECK(size && *size <= archive.size() - at, name, ": the archive is cut within ",
              field(header, 0, 100));
    const auto bytes = archive.subspan(at, *size);
    const uint64_t padded = (*size + kBlock - 1) / kBlock * kBlock;
    at = padded <= archive.size() - at ? at + padded : archive.size();

    const char type = static_cast<char>(header[156]);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (type == 'L' || type == 'x') {
      SGA_CHECK(*size <= kMaxLongName, name, ": damaged, a name of ", *size, " bytes");
      const std::string found = type == 'L' ? std::string(text.substr(0, text.find('\0'))) : pax_path(text);
      if (!found.empty()) long_name = found;
      continue;
    }
    if (type == 'K' || type == 'g') continue;  // a long link target; defaults for the whole archive
    if (type == '0' || type == '\0' || type == '7') {
      std::string path(field(header, 0, 100));
      const std::string_view prefix =
          field(header, 257, 5) == "ustar" && header[262] == std::byte{0} ? field(header, 345, 155) : "";
      if (!prefix.empty()) path = std::string(prefix) + "/" + path;
      if (!long_name.empty()) path = long_name;
      if (!path.ends_with('/')) entries.push_back({std::move(path), bytes});
    }
    long_name.clear();
  }
  return entries;
}

}  // namespace sga
