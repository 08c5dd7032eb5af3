#include "tools/mask.h"

#include <algorithm>
#include <cmath>

namespace sga {
namespace {

void check_mask(const Image& mask) {
  SGA_CHECK(mask.channels == 1 && mask.height > 0 && mask.width > 0, "a mask must have one channel, got ",
            mask.channels);
}

void check_same_size(const Image& a, const Image& b) {
  SGA_CHECK(a.height == b.height && a.width == b.width, "two pictures must have one size, got ", a.width, "x",
            a.height, " and ", b.width, "x", b.height);
}

Image like(const Image& image) {
  Image out{image.height, image.width, image.channels, {}};
  out.pixels.resize(image.pixels.size());
  return out;
}

float median(std::vector<float> values) {
  const auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// One axis of a blur: pixel i of `count` pixels, `step` apart.
void blur_line(const float* from, float* to, int64_t count, int64_t step,
               const std::vector<double>& weights) {
  const auto radius = int64_t(weights.size()) - 1;
  for (int64_t i = 0; i < count; ++i) {
    double total = 0;
    for (int64_t k = -radius; k <= radius; ++k)
      total += weights[size_t(std::abs(k))] * double(from[std::clamp<int64_t>(i + k, 0, count - 1) * step]);
    to[i * step] = float(total);
  }
}

}  // namespace

Image threshold(const Image& grey, float at) {
  check_mask(grey);
  Image out = like(grey);
  std::transform(grey.pixels.begin(), grey.pixels.end(), out.pixels.begin(),
                 [at](float v) { return v >= at ? 1.0f : 0.0f; });
  return out;
}

Image dilate(const Image& mask, int64_t radius) {
  check_mask(mask);
  SGA_CHECK(radius >= 0, "dilate: the radius must not be negative, got ", radius);
  if (radius == 0) return mask;
  // Distance of every pixel to the nearest 1 of its row; a disk is one row of half width w for every dy.
  const int64_t h = mask.height, w = mask.width, far = h + w + radius;
  std::vector<int64_t> distance(size_t(h * w), far);
  for (int64_t y = 0; y < h; ++y) {
    int64_t* row = distance.data() + y * w;
    for (int64_t x = 0, last = -far; x < w; ++x) {
      if (*mask.at(y, x) > 0) last = x;
      row[x] = x - last;
    }
    for (int64_t x = w - 1, next = w + far; x >= 0; --x) {
      if (*mask.at(y, x) > 0) next = x;
      row[x] = std::min(row[x], next - x);
    }
  }
  Image out = like(mask);
  for (int64_t dy = -std::min(radius, h); dy <= std::min(radius, h); ++dy) {
    const auto half = int64_t(std::sqrt(double(radius * radius - dy * dy)));
    for (int64_t y = std::max<int64_t>(0, -dy); y < std::min(h, h - dy); ++y)
      for (int64_t x = 0; x < w; ++x)
        if (distance[size_t((y + dy) * w + x)] <= half) *out.at(y, x) = 1;
  }
  return out;
}

Image erode(const Image& mask, int64_t radius) {
  const auto complement = [](Image image) {
    for (float& v : image.pixels) v = v > 0 ? 0.0f : 1.0f;
    return image;
  };
  return complement(dilate(complement(mask), radius));
}

Image blur(const Image& image, double sigma) {
  check_mask(image);
  SGA_CHECK(sigma >= 0 && sigma <= 1e4, "blur: sigma must lie between 0 and 10000, got ", sigma);
  const auto radius = int64_t(4 * sigma + 0.5);
  if (radius == 0) return image;
  std::vector<double> weights;
  double total = 0;
  for (int64_t k = 0; k <= radius; ++k) {
    weights.push_back(std::exp(-0.5 * double(k * k) / (sigma * sigma)));
    total += k == 0 ? weights.back() : 2 * weights.back();
  }
  for (double& weight : weights) weight /= total;
  Image rows = like(image), out = like(image);
  for (int64_t y = 0; y < image.height; ++y)
    blur_line(image.at(y, 0), rows.at(y, 0), image.width, 1, weights);
  for (int64_t x = 0; x < image.width; ++x)
    blur_line(rows.at(0, x), out.at(0, x), image.height, image.width, weights);
  return out;
}

Image feather(const Image& mask, double sigma) {
  Image out = blur(mask, sigma);
  const auto [low, high] = std::minmax_element(out.pixels.begin(), out.pixels.end());
  const float from = *low, range = *high - *low;
  SGA_CHECK(range > 0, "a mask that is the same everywhere has no edge to feather");
  for (float& v : out.pixels) v = (v - from) / range;
  return out;
}

double share(const Image& mask) {
  check_mask(mask);
  double total = 0;
  for (float v : mask.pixels) total += double(v);
  return total / double(mask.pixels.size());
}

Image composite(const Image& mask, const Image& inside, const Image& outside) {
  check_mask(mask);
  check_same_size(mask, inside);
  check_same_size(inside, outside);
  SGA_CHECK(inside.channels == outside.channels, "composite: channels differ, got ", inside.channels, " and ",
            outside.channels);
  Image out = like(inside);
  for (size_t i = 0; i < out.pixels.size(); ++i) {
    const float m = mask.pixels[i / size_t(inside.channels)];
    out.pixels[i] = m * inside.pixels[i] + (1 - m) * outside.pixels[i];
  }
  return out;
}

Difference difference(const Image& a, const Image& b) {
  check_same_size(a, b);
  SGA_CHECK(a.channels == b.channels, "difference: channels differ, got ", a.channels, " and ", b.channels);
  Image apart{a.height, a.width, 1, {}};
  for (size_t i = 0; i < a.pixels.size(); i += size_t(a.channels)) {
    float most = 0;
    for (size_t c = 0; c < size_t(a.channels); ++c)
      most = std::max(most, std::abs(a.pixels[i + c] - b.pixels[i + c]));
    apart.pixels.push_back(most);
  }
  apart = blur(apart, 1);
  const float usual = median(apart.pixels);
  std::vector<float> deviations;
  for (float v : apart.pixels) deviations.push_back(std::abs(v - usual));
  const float at = std::clamp(usual + 6 * 1.4826f * median(deviations), 0.06f, 0.25f);
  const Image opened = dilate(erode(threshold(apart, at), 1), 1);
  return {erode(dilate(opened, 3), 3), at};
}

double difference_outside(const Image& a, const Image& b, const Image& mask) {
  check_mask(mask);
  check_same_size(a, b);
  check_same_size(a, mask);
  double total = 0, count = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) {
    if (mask.pixels[i / size_t(a.channels)] > 0) continue;
    total += std::abs(double(a.pixels[i]) - double(b.pixels[i]));
    ++count;
  }
  return count > 0 ? total / count : 0;
}

}  // namespace sga
