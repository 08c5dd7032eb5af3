// TensorBoard's event files, taken apart by the rules of protocol buffers.
#include "tools/event_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "tests/temp_folder.h"

namespace sga {
namespace {

uint64_t number(std::string_view& in) {
  uint64_t v = 0;
  for (int shift = 0;; shift += 7) {
    const auto b = uint8_t(in.at(0));
    in.remove_prefix(1);
    v |= uint64_t(b & 127) << shift;
    if (b < 128) return v;
  }
}
template <class T>
T fixed(std::string_view& in) {
  T v;
  std::memcpy(&v, in.substr(0, sizeof v).data(), sizeof v);
  in.remove_prefix(sizeof v);
  return v;
}

struct Fields {
  std::map<int, uint64_t> numbers;
  std::map<int, double> reals;
  std::multimap<int, std::string> texts;
  std::string text(int field) const { return texts.count(field) ? texts.find(field)->second : ""; }
};
Fields parse(std::string_view in) {
  Fields f;
  while (!in.empty()) {
    const uint64_t tag = number(in);
    const int field = int(tag >> 3);
    switch (tag & 7) {
      case 0:
        f.numbers[field] = number(in);
        break;
      case 1:
        f.reals[field] = fixed<double>(in);
        break;
      case 5:
        f.reals[field] = double(fixed<float>(in));
        break;
      case 2: {
        const size_t n = size_t(number(in));
        f.texts.emplace(field, std::string(in.substr(0, n)));
        in.remove_prefix(n);
        break;
      }
      default:
        ADD_FAILURE() << "wire type " << (tag & 7);
        return f;
    }
  }
  return f;
}

uint32_t masked(std::string_view data) {
  const uint32_t c = crc32c(data);
  return ((c >> 15) | (c << 17)) + 0xa282ead8u;
}

std::vector<Fields> events_in(const fs::path& path) {
  const std::string all = read_text(path);
  std::string_view in = all;
  std::vector<Fields> events;
  while (!in.empty()) {
    const std::string_view length = in.substr(0, 8);
    const auto n = size_t(fixed<uint64_t>(in));
    EXPECT_EQ(fixed<uint32_t>(in), masked(length));
    const std::string_view event = in.substr(0, n);
    in.remove_prefix(n);
    EXPECT_EQ(fixed<uint32_t>(in), masked(event));
    events.push_back(parse(event));
  }
  return events;
}

TEST(EventFile, ChecksumOfThePublishedExample) { EXPECT_EQ(crc32c("123456789"), 0xe3069283u); }

TEST(EventFile, HoldsScalarsAndPictures) {
  TempFolder folder;
  EventFile file(folder.path(), 40);
  file.scalars(300, {{"loss", 0.25}, {"broken", NAN}, {"rate", 1e-4}});
  file.scalars(301, {{"broken", INFINITY}});
  file.picture(302, "faces", Image{2, 3, 3, std::vector<float>(18, 0.5f)});
  const std::vector<Fields> events = events_in(folder / "events.out.tfevents.0000000040.sga");
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].text(3), "brain.Event:2");
  EXPECT_GT(events[0].reals.at(1), 1.6e9);                // seconds since 1970
  EXPECT_EQ(parse(events[1].text(7)).numbers.at(1), 1u);  // START
  EXPECT_EQ(events[1].numbers.at(2), 40u);
  EXPECT_EQ(events[2].numbers.at(2), 300u);
  const Fields summary = parse(events[2].text(5));
  ASSERT_EQ(summary.texts.size(), 2u);
  std::map<std::string, double> values;
  for (const auto& [field, text] : summary.texts) values[parse(text).text(1)] = parse(text).reals.at(2);
  EXPECT_EQ(values.at("loss"), 0.25);
  EXPECT_EQ(values.at("rate"), double(1e-4f));
  const Fields value = parse(parse(events[3].text(5)).text(1)), image = parse(value.text(4));
  EXPECT_EQ(value.text(1), "faces");
  EXPECT_EQ(image.numbers.at(1), 2u);
  EXPECT_EQ(image.numbers.at(2), 3u);
  EXPECT_EQ(image.numbers.at(3), 3u);
  EXPECT_EQ(image.text(4).substr(1, 3), "PNG");
}

TEST(EventFile, AResumedRunAddsAFileAndReplacesItsOwn) {
  TempFolder folder;
  EventFile(folder.path(), 0).scalars(5, {{"a", 1}});
  EventFile(folder.path(), 5).scalars(9, {{"a", 2}});
  EventFile(folder.path(), 5).scalars(8, {{"a", 3}});
  EXPECT_EQ(events_in(folder / "events.out.tfevents.0000000000.sga").size(), 3u);
  const auto second = events_in(folder / "events.out.tfevents.0000000005.sga");
  ASSERT_EQ(second.size(), 3u);
  EXPECT_EQ(second[2].numbers.at(2), 8u);
}

}  // namespace
}  // namespace sga
