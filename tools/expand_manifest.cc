#include "tools/expand_manifest.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace sga {
namespace {

std::string number(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, 3).ptr);
}

std::string au_column(int index, const char* ending) {
  char text[16];
  std::snprintf(text, sizeof text, "AU%02d%s", kActionUnitNumbers[size_t(index)], ending);
  return text;
}

std::string join(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) line += (line.empty() ? "" : ",") + cell;
  return line + "\n";
}

}  // namespace

std::string manifest_header() {
  std::vector<std::string> cells = {"file", "expression"};
  for (int i = 0; i < kActionUnitCount; ++i) cells.push_back(au_column(i, ""));
  for (const char* name : {"start_scale", "seed", "model_checksum", "width", "height"}) cells.push_back(name);
  return join(cells);
}

std::string manifest_row(const ManifestRow& row) {
  std::vector<std::string> cells = {row.file, row.expression};
  for (float v : row.units) cells.push_back(number(double(v)));
  cells.insert(cells.end(), {row.start_scale, std::to_string(row.seed), row.model_checksum,
                             std::to_string(row.width), std::to_string(row.height)});
  return join(cells);
}

}  // namespace sga
