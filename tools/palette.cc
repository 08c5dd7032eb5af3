#include "tools/palette.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sga {
namespace {

using Point = std::array<double, 3>;  // in 8-bit levels

constexpr int kBits = 6;    // of each channel that are told apart
constexpr int kRounds = 4;  // of k-means; more change nothing that one sees

double squared_distance(const Point& a, const Point& b) {
  const double r = a[0] - b[0], g = a[1] - b[1], blue = a[2] - b[2];
  return r * r + g * g + blue * blue;
}

size_t cell_of(const std::array<uint8_t, 3>& c) {
  constexpr int kDrop = 8 - kBits;
  return (size_t(c[0] >> kDrop) << (2 * kBits)) | (size_t(c[1] >> kDrop) << kBits) | size_t(c[2] >> kDrop);
}

uint8_t to_byte(double v) { return uint8_t(std::lround(std::clamp(v, 0.0, 255.0))); }

// Pixels whose colours share a cell.
struct Cell {
  Point mean{};
  double pixels = 0;
};

std::vector<Cell> histogram(const std::vector<Image>& pictures) {
  std::vector<Cell> all(size_t{1} << (3 * kBits));
  for (const Image& picture : pictures) {
    const Image rgb = convert_channels(picture, 3);
    for (size_t i = 0; i < rgb.pixels.size(); i += 3) {
      const Colour c = {to_byte(255 * rgb.pixels[i]), to_byte(255 * rgb.pixels[i + 1]),
                        to_byte(255 * rgb.pixels[i + 2])};
      Cell& cell = all[cell_of(c)];
      for (size_t k = 0; k < 3; ++k) cell.mean[k] += c[k];
      ++cell.pixels;
    }
  }
  std::erase_if(all, [](const Cell& cell) { return cell.pixels == 0; });
  for (Cell& cell : all)
    for (double& v : cell.mean) v /= cell.pixels;
  return all;
}

// Cells [begin, end), with their mean and the squared error of each channel.
struct Box {
  size_t begin, end;
  Point mean{}, error{};

  Box(const std::vector<Cell>& cells, size_t first, size_t last) : begin(first), end(last) {
    double pixels = 0;
    for (size_t i = begin; i < end; ++i) {
      pixels += cells[i].pixels;
      for (size_t k = 0; k < 3; ++k) mean[k] += cells[i].pixels * cells[i].mean[k];
    }
    for (double& v : mean) v /= pixels;
    for (size_t i = begin; i < end; ++i)
      for (size_t k = 0; k < 3; ++k)
        error[k] += cells[i].pixels * (cells[i].mean[k] - mean[k]) * (cells[i].mean[k] - mean[k]);
  }
  size_t widest() const { return size_t(std::max_element(error.begin(), error.end()) - error.begin()); }
  double total() const { return error[0] + error[1] + error[2]; }
};

std::vector<Point> cut(std::vector<Cell>& cells, size_t count) {
  std::vector<Box> boxes = {Box(cells, 0, cells.size())};
  while (boxes.size() < count) {
    const auto worst = std::max_element(boxes.begin(), boxes.end(),
                                        [](const Box& a, const Box& b) { return a.total() < b.total(); });
    const Box box = *worst;
    const size_t axis = box.widest();
    if (box.error[axis] <= 0) break;  // a colour for every cell
    const auto at = [&](size_t i) { return cells.begin() + static_cast<std::ptrdiff_t>(i); };
    const auto middle = std::stable_partition(
        at(box.begin), at(box.end), [&](const Cell& cell) { return cell.mean[axis] <= box.mean[axis]; });
    const auto split = static_cast<size_t>(middle - cells.begin());
    if (split == box.begin || split == box.end) break;  // the rest of the error is rounding
    *worst = Box(cells, box.begin, split);
    boxes.emplace_back(cells, split, box.end);
  }
  std::vector<Point> colours;
  for (const Box& box : boxes) colours.push_back(box.mean);
  return colours;
}

size_t nearest_of(const std::vector<Point>& colours, const Point& p) {
  size_t best = 0;
  double smallest = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < colours.size(); ++i) {
    const double distance = squared_distance(colours[i], p);
    if (distance < smallest) smallest = distance, best = i;
  }
  return best;
}

// One round of k-means; returns the mean squared error before it.
double refine(const std::vector<Cell>& cells, std::vector<Point>& colours) {
  std::vector<Cell> sums(colours.size());
  double error = 0, pixels = 0;
  for (const Cell& cell : cells) {
    const size_t i = nearest_of(colours, cell.mean);
    error += cell.pixels * squared_distance(colours[i], cell.mean);
    pixels += cell.pixels;
    for (size_t k = 0; k < 3; ++k) sums[i].mean[k] += cell.pixels * cell.mean[k];
    sums[i].pixels += cell.pixels;
  }
  for (size_t i = 0; i < colours.size(); ++i)
    if (sums[i].pixels > 0)
      for (size_t k = 0; k < 3; ++k) colours[i][k] = sums[i].mean[k] / sums[i].pixels;
  return error / pixels;
}

// Bayer's matrix at (y, x), in (-0.5, 0.5): bits of x^y and y interleaved, the lowest first.
double threshold(int64_t y, int64_t x) {
  int64_t value = 0;
  for (int bit = 0; bit < 3; ++bit) value = value << 2 | (((x ^ y) >> bit & 1) << 1) | (y >> bit & 1);
  return (double(value) + 0.5) / 64 - 0.5;
}

}  // namespace

Quantiser::Quantiser(const std::vector<Image>& examples, int64_t count)
    : nearest_(size_t{1} << (3 * kBits), int16_t{-1}) {
  SGA_CHECK(!examples.empty() && count >= 1 && count <= 256,
            "palette: needs pictures and 1 to 256 colours, got ", examples.size(), " pictures and ", count,
            " colours");
  std::vector<Cell> cells = histogram(examples);
  std::vector<Point> colours = cut(cells, size_t(count));
  double error = 0;
  for (int round = 0; round < kRounds; ++round) error = refine(cells, colours);
  // Even steps of size d along a line leave the mean squared error d^2 / 12.
  step_ = std::sqrt(12 * error / 3);
  for (const Point& p : colours) palette_.push_back({to_byte(p[0]), to_byte(p[1]), to_byte(p[2])});
}

std::vector<uint8_t> Quantiser::operator()(const Image& picture) {
  const Image rgb = convert_channels(picture, 3);
  std::vector<Point> colours;
  for (const Colour& c : palette_) colours.push_back({double(c[0]), double(c[1]), double(c[2])});
  std::vector<uint8_t> indices;
  indices.reserve(size_t(rgb.height * rgb.width));
  constexpr double kHalfCell = (1 << (8 - kBits)) / 2.0 - 0.5;
  for (int64_t y = 0; y < rgb.height; ++y) {
    for (int64_t x = 0; x < rgb.width; ++x) {
      const double shift = step_ * threshold(y % 8, x % 8);
      Colour c;
      for (size_t k = 0; k < 3; ++k) c[k] = to_byte(255 * rgb.at(y, x)[k] + shift);
      int16_t& index = nearest_[cell_of(c)];
      if (index < 0) {
        Point centre;
        for (size_t k = 0; k < 3; ++k) centre[k] = (c[k] >> (8 - kBits) << (8 - kBits)) + kHalfCell;
        index = int16_t(nearest_of(colours, centre));
      }
      indices.push_back(uint8_t(index));
    }
  }
  return indices;
}

}  // namespace sga
