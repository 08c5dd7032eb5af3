#include "engine/zip.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/byte_order.h"
#include "engine/crc32.h"
#include "kernels/check.h"

namespace sga {
namespace {

using Span = std::span<const std::byte>;
constexpr uint64_t kEndBytes = 22, kCentralBytes = 46, kLocalBytes = 30;
constexpr uint64_t kEndMark = 0x06054b50, kCentralMark = 0x02014b50, kLocalMark = 0x04034b50;
constexpr uint64_t kEncrypted = 1;

struct Entry {
  std::string name;
  uint64_t begin, data, end;  // of its local header, of its bytes, after them
  uint64_t crc;
};

struct Archive {
  Span file;
  const std::string& file_name;

  template <class... Parts>
  void require(bool condition, const Parts&... why) const {
    if (!condition) fail("cannot read \"", file_name, "\": ", why...);
  }
  uint64_t le(uint64_t at, int n) const { return little_endian(file, at, n); }
  std::string text(uint64_t at, uint64_t n) const {
    return {reinterpret_cast<const char*>(file.data()) + at, n};
  }

  // One row of the central directory, which ends at `limit`; `at` moves behind it.
  Entry entry(uint64_t& at, uint64_t limit) const {
    require(limit - at >= kCentralBytes && le(at, 4) == kCentralMark, "the zip directory is damaged at byte ",
            at);
    const uint64_t flags = le(at + 8, 2), method = le(at + 10, 2);
    const uint64_t packed = le(at + 20, 4), size = le(at + 24, 4), local = le(at + 42, 4);
    const uint64_t name_bytes = le(at + 28, 2), rest = le(at + 30, 2) + le(at + 32, 2);
    require(limit - at - kCentralBytes >= name_bytes + rest, "the zip directory is damaged at byte ", at);
    Entry e{text(at + kCentralBytes, name_bytes), local, 0, 0, le(at + 16, 4)};
    at += kCentralBytes + name_bytes + rest;
    require(name_bytes > 0 && std::all_of(e.name.begin(), e.name.end(), [](char c) { return c >= ' '; }),
            "an entry of the zip has a name that is no text");
    const auto check = [&](bool condition, const char* why) {
      require(condition, "its entry ", e.name, " ", why);
    };
    check(!(flags & kEncrypted), "is encrypted");
    check(method == 0, "is compressed; torch.save stores its entries, so save it anew");
    check(packed == size, "states two sizes");

    check(local <= limit && limit - local >= kLocalBytes && le(local, 4) == kLocalMark,
          "has no header where the zip directory says");
    const uint64_t local_name_bytes = le(local + 26, 2);
    e.data = local + kLocalBytes + local_name_bytes + le(local + 28, 2);
    check(e.data <= limit && text(local + kLocalBytes, local_name_bytes) == e.name && le(local + 8, 2) == 0,
          "has a header that contradicts the zip directory");
    check(size <= limit - e.data, "is longer than the file");
    e.end = e.data + size;
    return e;
  }
};

}  // namespace

std::map<std::string, Span> zip_entries(Span file, const std::string& file_name) {
  const Archive zip{file, file_name};
  zip.require(file.size() >= kEndBytes && zip.le(file.size() - kEndBytes, 4) == kEndMark,
              "the zip file is cut, it ends after ", file.size(),
              " bytes without its directory; get it again");
  const uint64_t end = file.size() - kEndBytes;
  zip.require(zip.le(end + 4, 4) == 0 && zip.le(end + 8, 2) == zip.le(end + 10, 2),
              "the zip archive has more than one part");
  const uint64_t count = zip.le(end + 10, 2), bytes = zip.le(end + 12, 4), first = zip.le(end + 16, 4);
  zip.require(first != 0xFFFFFFFF && count != 0xFFFF, "the zip archive is above 4 GiB or 65534 entries");
  zip.require(first <= end && bytes <= end - first && zip.le(end + 20, 2) == 0,
              "the zip directory does not lie in the file");

  std::vector<Entry> entries;
  for (uint64_t i = 0, at = first; i < count; ++i) entries.push_back(zip.entry(at, first + bytes));
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.begin < b.begin; });
  std::map<std::string, Span> found;
  uint64_t free = 0;  // where the entry before ends
  for (const Entry& e : entries) {
    zip.require(e.begin >= free && e.end <= first, "its entry ", e.name, " overlaps another part of the zip");
    const Span data = file.subspan(e.data, e.end - e.data);
    zip.require(crc32(data) == e.crc, "its entry ", e.name, " is damaged, the checksum does not match");
    zip.require(found.emplace(e.name, data).second, "the zip holds ", e.name, " twice");
    free = e.end;
  }
  return found;
}

}  // namespace sga
