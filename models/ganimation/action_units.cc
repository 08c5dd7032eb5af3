#include "models/ganimation/action_units.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace sga {
namespace {

constexpr std::array<const char*, kActionUnitCount> kNames = {"Inner brow raiser",
                                                              "Outer brow raiser",
                                                              "Brow lowerer",
                                                              "Upper lid raiser",
                                                              "Cheek raiser",
                                                              "Lid tightener",
                                                              "Nose wrinkler",
                                                              "Upper lip raiser",
                                                              "Lip corner puller",
                                                              "Dimpler",
                                                              "Lip corner depressor",
                                                              "Chin raiser",
                                                              "Lip stretcher",
                                                              "Lip tightener",
                                                              "Lips part",
                                                              "Jaw drop",
                                                              "Blink"};

constexpr std::string_view kBlank = " \t\r";

std::string known_numbers() {
  std::string list;
  for (int number : kActionUnitNumbers) list.append(list.empty() ? "" : ", ").append(std::to_string(number));
  return list;
}

/// Adds "12=0.8" or "AU12=0.8" to an expression.
void add_pair(std::string_view pair, Expression& expression) {
  const size_t equals = pair.find('=');
  SGA_CHECK(equals != std::string_view::npos, "action units: expected AU=value, got '", pair, "'");
  std::string_view number = pair.substr(0, equals), value = pair.substr(equals + 1);
  Side side = Side::both;
  if (number.starts_with("R") || number.starts_with("L")) {
    side = number[0] == 'R' ? Side::right : Side::left;
    number.remove_prefix(1);
  }
  if (number.starts_with("AU") || number.starts_with("au")) number.remove_prefix(2);
  int action_unit = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), action_unit);
  SGA_CHECK(!number.empty() && read.ec == std::errc{} && read.ptr == number.data() + number.size(),
            "action units: '", pair.substr(0, equals), "' is not an AU number; there are ", known_numbers());
  const int index = index_of(action_unit);
  float v = 0;
  const auto end = std::from_chars(value.data(), value.data() + value.size(), v);
  SGA_CHECK(!value.empty() && end.ec == std::errc{} && end.ptr == value.data() + value.size(),
            "action units: '", value, "' is not a number for AU ", action_unit);
  SGA_CHECK(std::isfinite(v) && v >= 0 && v <= kMaxActionUnit, "action units: AU ", action_unit,
            " must be in [0, ", kMaxActionUnit, "], got ", value);
  SGA_CHECK(!expression.listed[size_t(index)], "action units: AU ", action_unit, " is given twice");
  expression.values[size_t(index)] = v;
  expression.listed[size_t(index)] = true;
  if (side == Side::both) return;
  SGA_CHECK(expression.side == Side::both || expression.side == side, "action units: '", pair,
            "' is on the other side than those before; an expression can be one-sided on one side only");
  expression.side = side;
  expression.one_sided[size_t(index)] = true;
}

/// The words of `text` between any of `separators`.
std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> words;
  for (size_t begin = text.find_first_not_of(separators); begin != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(separators, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(separators, end);
  }
  return words;
}

Expression parse_preset_line(std::string_view line) {
  Expression preset;
  const size_t hash = std::min(line.find('#'), line.size());
  if (hash < line.size()) {
    const std::string_view source = line.substr(hash + 1);
    const size_t first = source.find_first_not_of(kBlank);
    if (first != std::string_view::npos)
      preset.source = source.substr(first, source.find_last_not_of(kBlank) + 1 - first);
  }
  const std::vector<std::string_view> words = split(line.substr(0, hash), kBlank);
  preset.name = words.at(0);
  SGA_CHECK(preset.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos,
            "the name '", preset.name, "' may hold only a-z, 0-9, - and _");
  for (size_t i = 1; i < words.size(); ++i) add_pair(words[i], preset);
  if (words.size() == 1) preset.listed.fill(true);
  return preset;
}

}  // namespace

const char* action_unit_name(int index) {
  SGA_CHECK(index >= 0 && index < kActionUnitCount, "action units: index must be 0..16, got ", index);
  return kNames[size_t(index)];
}

int index_of(int action_unit) {
  const auto at = std::find(kActionUnitNumbers.begin(), kActionUnitNumbers.end(), action_unit);
  SGA_CHECK(at != kActionUnitNumbers.end(), "action units: there is no AU ", action_unit, "; there are ",
            known_numbers());
  return static_cast<int>(at - kActionUnitNumbers.begin());
}

Expression parse_action_units(std::string_view text) {
  Expression expression;
  const std::vector<std::string_view> pairs = split(text, ", \t");
  SGA_CHECK(!pairs.empty(), "action units: expected AU=value pairs such as 12=0.8,6=0.5, got nothing");
  for (std::string_view pair : pairs) add_pair(pair, expression);
  return expression;
}

std::string to_text(const Expression& expression) {
  std::string text;
  for (size_t i = 0; i < kActionUnitCount; ++i) {
    if (!expression.listed[i]) continue;
    char value[32];
    const auto end = std::to_chars(value, value + sizeof value, expression.values[i]);
    text.append(text.empty() ? "" : ",");
    if (expression.one_sided[i]) text += expression.side == Side::right ? 'R' : 'L';
    text.append(std::to_string(kActionUnitNumbers[i])).append("=");
    text.append(value, end.ptr);
  }
  return text;
}

std::vector<Expression> parse_presets(std::string_view text, const std::string& file) {
  std::vector<Expression> presets;
  int64_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    const size_t first = line.find_first_not_of(kBlank);
    if (first == std::string_view::npos || line[first] == '#') continue;
    try {
      Expression preset = parse_preset_line(line);
      for (const Expression& other : presets)
        SGA_CHECK(other.name != preset.name, "'", preset.name, "' is defined twice");
      presets.push_back(std::move(preset));
    } catch (const Error& error) {
      fail(file, ", line ", number, ": ", error.what());
    }
  }
  SGA_CHECK(!presets.empty(), file, ": no preset in it; a line reads: happiness 6=.6 12=.8 25=.5");
  return presets;
}

const Expression& find_preset(const std::vector<Expression>& presets, const std::string& name) {
  std::string names;
  for (const Expression& preset : presets) {
    if (preset.name == name) return preset;
    names.append(names.empty() ? "" : ", ").append(preset.name);
  }
  fail("there is no expression '", name, "'; there are ", names);
}

}  // namespace sga
