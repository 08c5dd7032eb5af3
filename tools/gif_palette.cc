#include "tools/gif_palette.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sga {
namespace {

using Point = std::array<double, 3>;  // a colour, in 8-bit levels

constexpr int kBits = 6;    // of each channel that are told apart
constexpr int kRounds = 4;  // of k-means; more change nothing that one sees

double squared_distance(const Point& a, const Point& b) {
  const double r = a[0] - b[0], g = a[1] - b[1], blue = a[2] - b[2];
  return r * r + g * g + blue * blue;
}

uint8_t to_byte(double v) { return uint8_t(std::lround(std::clamp(v, 0.0, 255.0))); }

// An RGB pixel in [0,1], every channel moved by `shift` levels.
Colour colour_of(const float* pixel, double shift) {
  return {to_byte(255 * pixel[0] + shift), to_byte(255 * pixel[1] + shift), to_byte(255 * pixel[2] + shift)};
}

size_t cell_of(const Colour& c) {
  constexpr int kDrop = 8 - kBits;
  return size_t(c[0] >> kDrop) << (2 * kBits) | size_t(c[1] >> kDrop) << kBits | size_t(c[2] >> kDrop);
}

// Pixels whose colours share a cell.
struct Cell {
  Point mean{};
  double pixels = 0;
};

std::vector<Cell> histogram(const std::vector<Image>& pictures) {
  std::vector<Cell> cells(size_t{1} << (3 * kBits));
  for (const Image& picture : pictures) {
    const Image rgb = convert_channels(picture, 3);
    for (size_t i = 0; i < rgb.pixels.size(); i += 3) {
      const Colour c = colour_of(&rgb.pixels[i], 0);
      Cell& cell = cells[cell_of(c)];
      for (size_t k = 0; k < 3; ++k) cell.mean[k] += c[k];
      ++cell.pixels;
    }
  }
  std::erase_if(cells, [](const Cell& cell) { return cell.pixels == 0; });
  for (Cell& cell : cells)
    for (double& v : cell.mean) v /= cell.pixels;
  return cells;
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
  const auto at = [&](size_t i) { return cells.begin() + static_cast<std::ptrdiff_t>(i); };
  std::vector<Box> boxes = {Box(cells, 0, cells.size())};
  while (boxes.size() < count) {
    Box& worst = *std::max_element(boxes.begin(), boxes.end(),
                                   [](const Box& a, const Box& b) { return a.total() < b.total(); });
    const Box box = worst;
    const size_t axis = box.widest();
    const auto middle = std::stable_partition(
        at(box.begin), at(box.end), [&](const Cell& cell) { return cell.mean[axis] <= box.mean[axis]; });
    const auto split = size_t(middle - cells.begin());
    if (split == box.begin || split == box.end) break;  // one colour is left in it, and in all others
    worst = Box(cells, box.begin, split);
    boxes.emplace_back(cells, split, box.end);
  }
  std::vector<Point> colours;
  for (const Box& box : boxes) colours.push_back(box.mean);
  return colours;
}

// The index of the colour nearest to p, but for index `except`.
size_t nearest_of(const std::vector<Point>& colours, const Point& p, size_t except = SIZE_MAX) {
  size_t best = 0;
  double smallest = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < colours.size(); ++i) {
    const double distance = squared_distance(colours[i], p);
    if (distance < smallest && i != except) smallest = distance, best = i;
  }
  return best;
}

// One round of k-means.
void refine(const std::vector<Cell>& cells, std::vector<Point>& colours) {
  std::vector<Cell> sums(colours.size());
  for (const Cell& cell : cells) {
    Cell& sum = sums[nearest_of(colours, cell.mean)];
    for (size_t k = 0; k < 3; ++k) sum.mean[k] += cell.pixels * cell.mean[k];
    sum.pixels += cell.pixels;
  }
  for (size_t i = 0; i < colours.size(); ++i)
    if (sums[i].pixels > 0)
      for (size_t k = 0; k < 3; ++k) colours[i][k] = sums[i].mean[k] / sums[i].pixels;
}

// Bayer's matrix at (y, x), in (-0.5, 0.5): the bits of x^y and y interleaved, the lowest first.
double threshold(int64_t y, int64_t x) {
  int64_t value = 0;
  for (int bit = 0; bit < 3; ++bit) value = value << 2 | ((x ^ y) >> bit & 1) << 1 | (y >> bit & 1);
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
  for (int round = 0; round < kRounds; ++round) refine(cells, colours);
  for (size_t i = 0; i < colours.size(); ++i) {
    const Point& next = colours[nearest_of(colours, colours[i], i)];
    step_.push_back(std::sqrt(squared_distance(colours[i], next) / 3));
  }
  for (const Point& p : colours) {
    palette_.push_back({to_byte(p[0]), to_byte(p[1]), to_byte(p[2])});
    points_.push_back({double(palette_.back()[0]), double(palette_.back()[1]), double(palette_.back()[2])});
  }
}

uint8_t Quantiser::nearest(const Colour& c) {
  int16_t& index = nearest_[cell_of(c)];
  if (index < 0) {
    constexpr int kWidth = 1 << (8 - kBits);  // of a cell; its middle stands for all its colours
    Point middle;
    for (size_t k = 0; k < 3; ++k) middle[k] = c[k] / kWidth * kWidth + (kWidth - 1) / 2.0;
    index = int16_t(nearest_of(points_, middle));
  }
  return uint8_t(index);
}

std::vector<uint8_t> Quantiser::operator()(const Image& picture) {
  const Image rgb = convert_channels(picture, 3);
  std::vector<uint8_t> indices;
  indices.reserve(size_t(rgb.height * rgb.width));
  for (int64_t y = 0; y < rgb.height; ++y) {
    for (int64_t x = 0; x < rgb.width; ++x) {
      const float* pixel = rgb.at(y, x);
      const double step = step_[nearest(colour_of(pixel, 0))];
      indices.push_back(nearest(colour_of(pixel, step * threshold(y % 8, x % 8))));
    }
  }
  return indices;
}

}  // namespace sga
