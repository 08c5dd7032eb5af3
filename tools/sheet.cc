#include "tools/sheet.h"

#include <algorithm>

#include "tools/font.h"

namespace sga {
namespace {

constexpr int64_t kGap = 6;              // pixels between cells and around them
constexpr int64_t kNameCharacters = 13;  // a name of a row is broken at this width
constexpr float kInk = 0.1f, kFrame = 0.8f;

/// `text` in lines of at most `characters`, broken at blanks where there are any.
std::vector<std::string> lines_of(std::string text, size_t characters) {
  std::vector<std::string> lines;
  while (text.size() > characters) {
    size_t cut = text.rfind(' ', characters);
    const bool blank = cut != std::string::npos && cut > 0;
    if (!blank) cut = characters;
    lines.push_back(text.substr(0, cut));
    text.erase(0, cut + (blank ? 1 : 0));
  }
  lines.push_back(text);
  return lines;
}

void draw_lines(Image& sheet, int64_t y, int64_t x, const std::vector<std::string>& lines, int64_t scale) {
  for (const std::string& line : lines) {
    draw_text(sheet, y, x, line, kInk, scale);
    y += (kGlyphHeight + 3) * scale;
  }
}

}  // namespace

Image labelled_sheet(const std::vector<std::vector<Image>>& rows, const std::vector<std::string>& names,
                     const std::vector<std::string>& columns) {
  SGA_CHECK(!rows.empty() && !columns.empty() && rows.size() == names.size(), "sheet: ", rows.size(),
            " rows with ", names.size(), " names and ", columns.size(), " columns");
  int64_t cell_h = 0, cell_w = 0;
  for (const std::vector<Image>& row : rows) {
    SGA_CHECK(row.size() == columns.size(), "sheet: a row of ", row.size(), " pictures for ", columns.size(),
              " columns");
    for (const Image& image : row) {
      cell_h = std::max(cell_h, image.height);
      cell_w = std::max(cell_w, image.width);
    }
  }
  const int64_t scale = cell_w >= 128 ? 2 : 1, advance = kGlyphAdvance * scale;
  std::vector<std::vector<std::string>> row_lines, column_lines;
  size_t longest = 0, most = 1;
  for (const std::string& name : names) {
    row_lines.push_back(lines_of(name, size_t(kNameCharacters)));
    for (const std::string& line : row_lines.back()) longest = std::max(longest, line.size());
  }
  for (const std::string& column : columns) {
    column_lines.push_back(lines_of(column, size_t(std::max<int64_t>(1, cell_w / advance))));
    most = std::max(most, column_lines.back().size());
  }
  const int64_t left = kGap + (longest > 0 ? int64_t(longest) * advance + kGap : 0);
  const int64_t top = kGap + int64_t(most) * (kGlyphHeight + 3) * scale + kGap;
  Image sheet{
      top + int64_t(rows.size()) * (cell_h + kGap), left + int64_t(columns.size()) * (cell_w + kGap), 3, {}};
  sheet.pixels.assign(size_t(sheet.height * sheet.width * 3), 1.0f);
  for (size_t j = 0; j < columns.size(); ++j)
    draw_lines(sheet, kGap, left + int64_t(j) * (cell_w + kGap), column_lines[j], scale);
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t y = top + int64_t(i) * (cell_h + kGap);
    draw_lines(sheet, y + kGap, kGap, row_lines[i], scale);
    for (size_t j = 0; j < columns.size(); ++j) {
      if (rows[i][j].pixels.empty()) continue;
      const Image image = convert_channels(rows[i][j], 3);
      const int64_t x = left + int64_t(j) * (cell_w + kGap);
      for (int64_t k = -1; k <= image.height; ++k)
        std::fill_n(sheet.at(y + k, x - 1), (image.width + 2) * 3, kFrame);
      for (int64_t k = 0; k < image.height; ++k)
        std::copy_n(image.at(k, 0), image.width * 3, sheet.at(y + k, x));
    }
  }
  return sheet;
}

}  // namespace sga
