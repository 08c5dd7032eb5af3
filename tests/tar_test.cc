// The archive and gzip readers: every dialect we meet, and no damaged or hostile file gets past them.
#include "tools/tar.h"

#include <gtest/gtest.h>

#include "tests/error_text.h"
#include "tests/picture_bytes.h"
#include "tools/gzip.h"

namespace sga {
namespace {

std::string octal(uint64_t value, int digits) {
  std::string text(static_cast<size_t>(digits), '0');
  for (int i = digits; i-- > 0; value /= 8) text[static_cast<size_t>(i)] = static_cast<char>('0' + value % 8);
  return text;
}

void put_text(Bytes& block, size_t at, const std::string& text) {
  for (size_t i = 0; i < text.size(); ++i) block[at + i] = static_cast<std::byte>(text[i]);
}

/// One header and the contents, padded to whole blocks.
Bytes entry(const std::string& name, const std::string& contents, char type = '0',
            const std::string& prefix = "", const std::string& size = "") {
  Bytes block(512);
  put_text(block, 0, name.substr(0, 100));
  put_text(block, 100, "0000644");
  put_text(block, 124, size.empty() ? octal(contents.size(), 11) : size);
  put_text(block, 148, "        ");
  block[156] = static_cast<std::byte>(type);
  put_text(block, 257, "ustar");
  put_text(block, 263, "00");
  put_text(block, 345, prefix);
  uint64_t sum = 0;
  for (std::byte b : block) sum += std::to_integer<uint64_t>(b);
  put_text(block, 148, octal(sum, 6) + std::string("\0 ", 2));
  block = ByteWriter().add(block).text(contents).bytes;
  block.resize((block.size() + 511) / 512 * 512);
  return block;
}

Bytes archive(const std::vector<Bytes>& entries) {
  ByteWriter all;
  for (const Bytes& e : entries) all.add(e);
  all.bytes.resize(all.bytes.size() + 1024);
  return all.bytes;
}

std::string text_of(const TarEntry& e) {
  return {reinterpret_cast<const char*>(e.bytes.data()), e.bytes.size()};
}

TEST(Tar, ListsRegularFilesOnly) {
  const Bytes tar =
      archive({entry("faces/", "", '5'), entry("faces/a.jpg", "first"), entry("link", "", '2'),
               entry("hard", "", '1'), entry("fifo", "", '6'), entry("old.jpg", "second", '\0'),
               entry("empty.jpg", ""), entry("b.jpg", std::string(512, 'x')), entry("c.jpg", "last")});
  const std::vector<TarEntry> entries = read_tar(tar, "t.tar");
  ASSERT_EQ(entries.size(), 5u);
  EXPECT_EQ(entries[0].name, "faces/a.jpg");
  EXPECT_EQ(text_of(entries[0]), "first");
  EXPECT_EQ(text_of(entries[1]), "second");
  EXPECT_EQ(text_of(entries[2]), "");
  EXPECT_EQ(text_of(entries[3]), std::string(512, 'x'));
  EXPECT_EQ(text_of(entries[4]), "last");
}

TEST(Tar, LongNames) {
  const std::string name = std::string(120, 'a') + "/" + std::string(90, 'b') + ".jpg";
  const std::string record = " path=" + name + "\n", length = std::to_string(record.size() + 3);
  const Bytes tar = archive({entry("././@LongLink", name + std::string(1, '\0'), 'L'), entry(name, "gnu"),
                             entry("pax", "13 mtime=1.5\n" + length + record, 'x'), entry("short", "pax"),
                             entry("global", "19 comment=nothing\n", 'g'),
                             entry("b.jpg", "ustar", '0', "some/folder"), entry("plain.jpg", "plain")});
  const std::vector<TarEntry> entries = read_tar(tar, "t.tar");
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[0].name, name);
  EXPECT_EQ(entries[1].name, name);
  EXPECT_EQ(text_of(entries[1]), "pax");
  EXPECT_EQ(entries[2].name, "some/folder/b.jpg");
  EXPECT_EQ(entries[3].name, "plain.jpg");
}

TEST(Tar, WithoutTheClosingBlocks) {
  Bytes tar = archive({entry("a.jpg", "first")});
  tar.resize(512 + 5);  // not even padded
  ASSERT_EQ(read_tar(tar, "t.tar").size(), 1u);
  EXPECT_TRUE(read_tar(Bytes(1024), "t.tar").empty());
}

TEST(Tar, RefusesWhatIsNone) {
  const std::string text =
      error_text([] { read_tar(ByteWriter().text(std::string(2000, 'x')).bytes, "photo.jpg"); });
  EXPECT_EQ(text, "photo.jpg is no tar archive");
  EXPECT_NE(error_text([] { read_tar(ByteWriter().text("short").bytes, "t.tar"); }), "");
}

TEST(Tar, EveryCutIsNoticedOrHarmless) {
  const Bytes tar = archive({entry("a.jpg", std::string(700, 'a')), entry("b.jpg", "b")});
  const size_t end = tar.size() - 1024 - 511;  // of the last byte of contents
  for (size_t n = 1; n < tar.size(); ++n) {
    const std::string error = error_text([&] { read_tar(std::span(tar).first(n), "t.tar"); });
    const bool between =
        n == 512 + 1024 || (n > 512 + 700 - 1 && n < 512 + 1024);  // a whole file, some padding
    if (n < end && !between) {
      EXPECT_NE(error, "") << n;
    }
  }
}

TEST(Tar, HostileHeaders) {
  Bytes tar = archive({entry("a.jpg", "a"), entry("b.jpg", "b")});
  tar[1024 + 3] ^= std::byte{1};  // in the second name: its checksum no longer holds
  EXPECT_NE(error_text([&] { read_tar(tar, "t.tar"); }).find("damaged, the header at byte 1024"),
            std::string::npos);
  for (const std::string size : {"77777777777", "-0000000001", "00000000x00", "           "})
    EXPECT_NE(error_text([&] { read_tar(archive({entry("a.jpg", "a", '0', "", size)}), "t.tar"); }), "")
        << size;
  const std::string binary("\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);  // 2^88 bytes
  EXPECT_NE(error_text([&] { read_tar(archive({entry("a.jpg", "a", '0', "", binary)}), "t.tar"); }), "");
  // Malformed pax records are left aside, not followed.
  for (const std::string records :
       {"99 path=x\n", "0 path=x\n", "x path=y\n", "5", "18446744073709551615 path=x\n"}) {
    const auto tar_with = archive({entry("pax", records, 'x'), entry("a.jpg", "a")});
    EXPECT_EQ(read_tar(tar_with, "t.tar").at(0).name, "a.jpg") << records;
  }
}

// ---- gzip

/// A gzip file with one stored block.
Bytes gzip(const std::string& text) {
  const Bytes plain = ByteWriter().text(text).bytes;
  return ByteWriter()
      .text(std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03\x01", 11))
      .le(text.size(), 2)
      .le(~text.size(), 2)
      .add(plain)
      .le(test_crc32(plain), 4)
      .le(text.size(), 4)
      .bytes;
}

TEST(Gzip, UnpacksOrPasses) {
  EXPECT_EQ(gunzip_if_needed(gzip("image,identity\n"), "t.gz"), "image,identity\n");
  EXPECT_EQ(gunzip_if_needed(ByteWriter().text("plain").bytes, "t.csv"), "plain");
  EXPECT_EQ(gunzip_if_needed(Bytes{}, "t.csv"), "");
}

TEST(Gzip, RefusesDamageAndBombs) {
  const Bytes whole = gzip("some text to be cut");
  for (size_t n = 2; n < whole.size(); ++n)
    EXPECT_NE(error_text([&] { gunzip_if_needed(std::span(whole).first(n), "t.gz"); }), "") << n;
  Bytes wrong = whole;
  wrong[20] ^= std::byte{1};  // the text no longer has its checksum
  EXPECT_NE(error_text([&] { gunzip_if_needed(wrong, "t.gz"); }), "");
  EXPECT_NE(error_text([&] { gunzip_if_needed(whole, "t.gz", 5); }), "");
}

}  // namespace
}  // namespace sga
