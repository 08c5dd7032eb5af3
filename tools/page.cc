#include "tools/page.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tools/font.h"

namespace sga {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60656c; --line: #d9dce0; --paper: #fcfcfd; --card: #fff;
  --c0: #1f6fd6; --c1: #d1571b; --c2: #2a8a4a; --c3: #8e4ec6; --c4: #b8860b; --c5: #c2255c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #9ba1a8; --line: #363a3f; --paper: #16181a;
  --card: #1f2224; --c0: #6cb0ff; --c1: #ff9a62; --c2: #63d08a; --c3: #c79bf2; --c4: #e6bf4a; --c5: #ff86ac; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 1rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .75rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .925rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(9rem, 45%), 1fr)); align-items: start; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; overflow: hidden; }
figure img { display: block; width: 100%; height: auto; }
figcaption { padding: .35rem .6rem; font-size: .85rem; color: var(--soft); }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); }
.chart { padding: .3rem .6rem .6rem; }
svg { display: block; width: 100%; max-width: 52rem; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--soft); } svg .grid-line { stroke: var(--line); } svg .curve { fill: none; stroke-width: 1.6; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .9rem; }
.legend i { display: inline-block; width: 1.1rem; height: .2rem; margin-right: .4rem; vertical-align: middle; }
)";

constexpr size_t kColours = 6;       // --c0 .. --c5 in the style
constexpr size_t kMostPoints = 600;  // of one curve in the page
// A diagram, in SVG units.
struct Frame {
  double width, height;
  int x_ticks;  // about
};
constexpr Frame kWhole{800, 300, 8}, kSmall{420, 220, 4};
constexpr double kLeft = 64, kRight = 30, kTop = 12, kBottom = 44;  // margins for the labels

/// Shortest text of `value` with at most six digits, the same in every locale.
std::string number(double value) {
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 6).ptr;
  return {text.data(), end};
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void include(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
};

/// A step of 1, 2 or 5 times a power of ten that divides the range into about `count` parts.
double tick_step(Range range, int count) {
  const double raw = (range.high - range.low) / count;
  const double unit = std::pow(10.0, std::floor(std::log10(raw)));
  for (double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * unit) return factor * unit;
  return 10 * unit;
}

/// Widens a range to whole ticks, and an empty one around its only value.
Range rounded(Range range, int count) {
  if (!(range.high > range.low)) {
    const double half = range.low == 0 ? 1 : std::abs(range.low) * 0.1;
    range = {range.low - half, range.high + half};
  }
  const double step = tick_step(range, count);
  return {std::floor(range.low / step) * step, std::ceil(range.high / step) * step};
}

/// The finite points of a series; of many, the lowest and highest of every bin, so that no spike is lost.
std::vector<std::pair<double, double>> thinned(const Series& series) {
  std::vector<std::pair<double, double>> points;
  for (size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i)
    if (std::isfinite(series.x[i]) && std::isfinite(series.y[i]))
      points.emplace_back(series.x[i], series.y[i]);
  if (points.size() <= kMostPoints) return points;
  std::vector<std::pair<double, double>> kept;
  const size_t bins = kMostPoints / 2;
  for (size_t bin = 0; bin < bins; ++bin) {
    const auto begin = points.begin() + static_cast<std::ptrdiff_t>(points.size() * bin / bins);
    const auto end = points.begin() + static_cast<std::ptrdiff_t>(points.size() * (bin + 1) / bins);
    auto [low, high] = std::minmax_element(begin, end, [](auto& a, auto& b) { return a.second < b.second; });
    if (high < low) std::swap(low, high);
    kept.push_back(*low);
    if (low != high) kept.push_back(*high);
  }
  return kept;
}

std::string colour(size_t series) { return "var(--c" + std::to_string(series % kColours) + ")"; }

/// <text> at (x, y).
std::string label(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\">" +
         escape_html(text) + "</text>\n";
}

std::string grid_line(double x1, double y1, double x2, double y2) {
  return "<line class=\"grid-line\" x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
         "\" y2=\"" + number(y2) + "\"/>\n";
}

using Points = std::vector<std::pair<double, double>>;

/// Values on the y axis where lines and labels go. Linear: whole multiples of a step, so that 0.1 + 0.2 never
/// shows. Logarithmic: 1, 2 and 5 times powers of ten, of a wide range the powers alone.
std::vector<double> y_ticks(Range& ys, bool logarithmic) {
  std::vector<double> ticks;
  if (!logarithmic) {
    ys = rounded(ys, 5);
    const double step = tick_step(ys, 5);
    for (double k = std::ceil(ys.low / step - 1e-9); k * step <= ys.high + 1e-9 * step; ++k)
      ticks.push_back(k * step + 0.0);  // no "-0"
    return ticks;
  }
  const bool wide = ys.high / ys.low > 200;
  for (double power = std::floor(std::log10(ys.low));; ++power)
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (wide && factor > 1) continue;
      const double tick = factor * std::pow(10.0, power);
      if (tick <= ys.low) ticks.clear();
      ticks.push_back(tick);
      if (tick <= ys.low || tick < ys.high) continue;
      ys = {ticks.front(), tick};
      return ticks;
    }
}

std::string diagram(const std::vector<Points>& curves, std::string_view x_label, Frame frame,
                    bool logarithmic = false) {
  Range xs, ys;
  for (const Points& curve : curves) {
    for (const auto& [x, y] : curve) {
      xs.include(x);
      ys.include(y);
    }
  }
  const double x_step = tick_step(rounded(xs, frame.x_ticks), frame.x_ticks);
  if (!(xs.high > xs.low)) xs = rounded(xs, frame.x_ticks);
  const std::vector<double> ticks = y_ticks(ys, logarithmic);
  const auto scaled = [&](double v) { return logarithmic ? std::log(v) : v; };
  const auto to_x = [&](double v) {
    return kLeft + (v - xs.low) / (xs.high - xs.low) * (frame.width - kLeft - kRight);
  };
  const auto to_y = [&](double v) {
    return frame.height - kBottom -
           (scaled(v) - scaled(ys.low)) / (scaled(ys.high) - scaled(ys.low)) *
               (frame.height - kTop - kBottom);
  };
  std::string svg = "<div class=\"wide\"><svg viewBox=\"0 0 " + number(frame.width) + " " +
                    number(frame.height) + "\" role=\"img\" style=\"min-width:" + number(frame.width * 0.64) +
                    "px\">\n";
  for (const double tick : ticks) {
    svg += grid_line(kLeft, to_y(tick), frame.width - kRight, to_y(tick));
    svg += label(kLeft - 8, to_y(tick) + 4, "end", number(tick));
  }
  for (double k = std::ceil(xs.low / x_step - 1e-9); k * x_step <= xs.high + 1e-9 * x_step; ++k) {
    svg += grid_line(to_x(k * x_step), frame.height - kBottom, to_x(k * x_step), frame.height - kBottom + 5);
    svg += label(to_x(k * x_step), frame.height - kBottom + 18, "middle", number(k * x_step));
  }
  svg += label((kLeft + frame.width - kRight) / 2, frame.height - 6, "middle", std::string(x_label));
  for (size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].empty()) continue;
    svg += "<polyline class=\"curve\" stroke=\"" + colour(i) + "\" points=\"";
    for (const auto& [x, y] : curves[i]) {
      const auto tenth = [](double v) { return number(std::round(10 * v) / 10); };  // finer than a pixel
      svg += tenth(to_x(x)) + "," + tenth(to_y(y)) + " ";
    }
    svg += "\"/>\n";
  }
  return svg + "</svg></div>\n";
}

bool all_empty(const std::vector<Points>& curves) {
  return std::all_of(curves.begin(), curves.end(), [](const Points& p) { return p.empty(); });
}

}  // namespace

std::vector<Series> read_metrics(const fs::path& metrics_jsonl, const std::string& x,
                                 const std::vector<std::string>& keys) {
  std::vector<Series> series;
  for (const std::string& key : keys) series.push_back({key, {}, {}});
  std::error_code ignored;
  if (!fs::exists(metrics_jsonl, ignored)) return series;
  const Bytes bytes = read_file(metrics_jsonl, int64_t{1} << 30, true);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const auto line = nlohmann::json::parse(text.substr(begin, end - begin), nullptr, false);
    begin = end + 1;
    if (!line.is_object() || !line.contains(x) || !line[x].is_number()) continue;
    for (Series& s : series) {
      if (!line.contains(s.name) || !line[s.name].is_number()) continue;
      s.x.push_back(line[x].get<double>());
      s.y.push_back(line[s.name].get<double>());
    }
  }
  return series;
}

std::string fixed(double v, int digits) {
  char text[400];
  return {text, std::to_chars(text, text + sizeof text, v, std::chars_format::fixed, digits).ptr};
}

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string encode_path(std::string_view path) {
  constexpr std::string_view kPlain = "-._~/";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter_or_digit || kPlain.find(c) != std::string_view::npos)
      encoded += c;
    else
      encoded.append({'%', kHex[byte >> 4], kHex[byte & 15]});
  }
  return encoded;
}

Page::Page(std::string title) : title_(std::move(title)) {}

void Page::heading(std::string_view text) { body_ += "<h2>" + escape_html(text) + "</h2>\n"; }

void Page::paragraph(std::string_view text) { body_ += "<p>" + escape_html(text) + "</p>\n"; }

void Page::table(const std::vector<std::pair<std::string, std::string>>& rows) {
  body_ += "<div class=\"wide\"><table>\n";
  for (const auto& [key, value] : rows)
    body_ += "<tr><th scope=\"row\">" + escape_html(key) + "</th><td>" + escape_html(value) + "</td></tr>\n";
  body_ += "</table></div>\n";
}

void Page::table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows) {
  body_ += "<div class=\"wide\"><table>\n<tr>";
  for (const std::string& cell : header) body_ += "<th scope=\"col\">" + escape_html(cell) + "</th>";
  body_ += "</tr>\n";
  for (const auto& row : rows) {
    SGA_CHECK(row.size() == header.size(), "page: a table row must have ", header.size(), " cells, got ",
              row.size());
    body_ += "<tr>";
    for (const std::string& cell : row) body_ += "<td>" + escape_html(cell) + "</td>";
    body_ += "</tr>\n";
  }
  body_ += "</table></div>\n";
}

void Page::picture(const Picture& picture) {
  const std::string source = escape_html(encode_path(picture.file));
  const std::string caption = escape_html(picture.caption);
  const std::string link = picture.link.empty() ? source : escape_html(encode_path(picture.link));
  body_ += "<figure><a href=\"" + link + "\"><img src=\"" + source + "\" alt=\"" + caption +
           "\" loading=\"lazy\"></a><figcaption>" + caption + "</figcaption></figure>\n";
}

void Page::pictures(std::string_view heading_text, const std::vector<Picture>& pictures) {
  heading(heading_text);
  body_ += "<div class=\"grid\">\n";
  for (const Picture& p : pictures) picture(p);
  body_ += "</div>\n";
}

void Page::legend(const std::vector<Series>& series) {
  body_ += "<div class=\"legend\">";
  for (size_t i = 0; i < series.size(); ++i) {
    body_ += "<span><i style=\"background:" + colour(i) + "\"></i>" + escape_html(series[i].name);
    if (const Points points = thinned(series[i]); !points.empty())
      body_ += ", last " + number(points.back().second);
    body_ += "</span>";
  }
  body_ += "</div>\n";
}

void Page::curves(std::string_view heading_text, const std::vector<Series>& series,
                  std::string_view x_label) {
  heading(heading_text);
  std::vector<Points> points;
  for (const Series& s : series) points.push_back(thinned(s));
  if (all_empty(points)) return paragraph("No numbers yet.");
  body_ += diagram(points, x_label, kWhole);
  legend(series);
}

void Page::charts(std::string_view heading_text, const std::vector<Chart>& charts, std::string_view x_label) {
  heading(heading_text);
  body_ += "<div class=\"charts\">\n";
  for (const Chart& chart : charts) {
    std::vector<Points> points;
    for (const Series& s : chart.series) {
      points.push_back(thinned(s));
      if (chart.logarithmic) std::erase_if(points.back(), [](const auto& p) { return !(p.second > 0); });
    }
    body_ += "<figure class=\"chart\"><figcaption>" + escape_html(chart.title) + "</figcaption>\n";
    if (all_empty(points)) {
      paragraph("No numbers yet.");
    } else {
      body_ += diagram(points, x_label, kSmall, chart.logarithmic);
      legend(chart.series);
    }
    body_ += "</figure>\n";
  }
  body_ += "</div>\n";
}

std::string Page::html() const {
  std::string html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  if (refresh_ > 0) html += "<meta http-equiv=\"refresh\" content=\"" + std::to_string(refresh_) + "\">\n";
  html += "<title>" + escape_html(title_) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n";
  return html + "<h1>" + escape_html(title_) + "</h1>\n" + body_ + "</body>\n</html>\n";
}

void Page::write(const fs::path& file) const { write_file(file, html()); }

namespace {

int64_t label_scale(int64_t cell_w) { return cell_w >= 192 ? 2 : 1; }
int64_t label_height(int64_t cell_w) { return kGlyphHeight * label_scale(cell_w) + 4; }

}  // namespace

Image SheetCells::fitted(const Image& image) const {
  if (shrunk == 1) return image;
  const auto fit = [&](int64_t side, int64_t most) {
    return std::clamp<int64_t>(std::lround(double(side) * shrunk), 1, most);
  };
  return resize_image(image, fit(image.height, height), fit(image.width, width));
}

SheetCells sheet_cells(int64_t count, int64_t height, int64_t width, int64_t columns, bool labels) {
  columns = std::min(columns, count);
  const int64_t rows = (count + columns - 1) / columns, longest = std::max(height, width);
  const auto at = [&](int64_t side) {  // the cells whose longer side is that
    const auto scaled = [&](int64_t n) {
      return std::max<int64_t>(1, std::lround(double(n) * double(side) / double(longest)));
    };
    return SheetCells{scaled(height), scaled(width), double(side) / double(longest)};
  };
  const auto fits = [&](int64_t side) {
    const SheetCells c = at(side);
    const int64_t h = kSheetGap + rows * (c.height + (labels ? label_height(c.width) : 0) + kSheetGap),
                  w = kSheetGap + columns * (c.width + kSheetGap);
    return h <= kMaxSide && w <= kMaxSide && h * w <= kMaxSheetPixels;
  };
  if (fits(longest)) return at(longest);
  SGA_CHECK(fits(1), "contact sheet: ", count, " pictures in ", columns, " columns have no room in ",
            kMaxSide, " pixels a side; take fewer");
  int64_t fitting = 1, beyond = longest;
  while (beyond - fitting > 1) {
    const int64_t middle = (fitting + beyond) / 2;
    (fits(middle) ? fitting : beyond) = middle;
  }
  return at(fitting);
}

Image contact_sheet(const std::vector<Image>& images, int64_t columns,
                    const std::vector<std::string>& labels) {
  SGA_CHECK(!images.empty(), "contact sheet: there are no pictures");
  SGA_CHECK(columns >= 1, "contact sheet: columns must be at least 1, got ", columns);
  SGA_CHECK(labels.empty() || labels.size() == images.size(), "contact sheet: ", images.size(),
            " pictures need ", images.size(), " labels, got ", labels.size());
  int64_t cell_h = 0, cell_w = 0;
  for (const Image& image : images) {
    cell_h = std::max(cell_h, image.height);
    cell_w = std::max(cell_w, image.width);
  }
  const auto count = static_cast<int64_t>(images.size());
  const SheetCells cells = sheet_cells(count, cell_h, cell_w, columns, !labels.empty());
  cell_h = cells.height, cell_w = cells.width;
  const int64_t scale = label_scale(cell_w), label_h = labels.empty() ? 0 : label_height(cell_w);
  columns = std::min(columns, count);
  const int64_t rows = (count + columns - 1) / columns;
  Image sheet{
      kSheetGap + rows * (cell_h + label_h + kSheetGap), kSheetGap + columns * (cell_w + kSheetGap), 3, {}};
  sheet.pixels.assign(static_cast<size_t>(sheet.height * sheet.width * sheet.channels), 1.0f);
  for (int64_t i = 0; i < count; ++i) {
    const Image image = cells.fitted(convert_channels(images[static_cast<size_t>(i)], 3));
    const int64_t top = kSheetGap + i / columns * (cell_h + label_h + kSheetGap),
                  left = kSheetGap + i % columns * (cell_w + kSheetGap);
    for (int64_t y = 0; y < image.height; ++y)
      std::copy_n(image.at(y, 0), image.width * 3, sheet.at(top + y, left));
    if (labels.empty()) continue;
    std::string text = labels[static_cast<size_t>(i)];
    while (text_width(text, scale) > cell_w) text.pop_back();
    draw_text(sheet, top + cell_h + 4, left, text, 0.1f, scale);
  }
  return sheet;
}

}  // namespace sga
