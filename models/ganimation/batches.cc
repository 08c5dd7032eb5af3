#include "models/ganimation/batches.h"

#include <algorithm>

namespace sga::ganimation {
namespace {

constexpr float kShown = 0.2f;         // intensity 1 of 5
constexpr size_t kFewestShowing = 20;  // an AU shown by fewer faces is not worth a share of the draws
constexpr double kTargetNoise = 0.1;

// An RGB square moved down by dy and right by dx pixels; what comes in repeats the edge.
void move(std::span<float> rgb, int64_t side, int64_t dy, int64_t dx) {
  const std::vector<float> from(rgb.begin(), rgb.end());
  for (int64_t y = 0; y < side; ++y)
    for (int64_t x = 0; x < side; ++x) {
      const int64_t v = std::clamp<int64_t>(y - dy, 0, side - 1),
                    u = std::clamp<int64_t>(x - dx, 0, side - 1);
      std::copy_n(from.begin() + (v * side + u) * 3, 3, rgb.begin() + (y * side + x) * 3);
    }
}

}  // namespace

BatchSampler::BatchSampler(const FaceSet& set, std::vector<int64_t> faces, double balance, int64_t shift)
    : set_(set), faces_(std::move(faces)), balance_(balance), shift_(shift) {
  SGA_CHECK(!faces_.empty(), "ganimation: the data set has no faces to train on");
  SGA_CHECK(balance >= 0 && balance <= 1, "ganimation: balance must be in [0,1], got ", balance);
  for (size_t au = 0; au < kActionUnitCount; ++au) {
    std::vector<int64_t> showing;
    for (int64_t face : faces_)
      if (set_.record(face).labels[au] > kShown) showing.push_back(face);
    if (showing.size() >= kFewestShowing) showing_.push_back(std::move(showing));
  }
}

int64_t BatchSampler::draw_face(Rng& rng) const {
  const bool balanced = rng.uniform() < balance_ && !showing_.empty();
  const std::vector<int64_t>& from = balanced ? showing_[rng.below(showing_.size())] : faces_;
  return from[rng.below(from.size())];
}

Batch BatchSampler::draw(int64_t n, Rng& rng) const {
  std::vector<int64_t> faces, others;
  std::vector<uint8_t> flip;
  for (int64_t i = 0; i < n; ++i) {
    faces.push_back(draw_face(rng));
    others.push_back(draw_face(rng));
    flip.push_back(uint8_t(rng.below(2)));
  }
  Batch batch;
  std::vector<float> pixels = set_.batch(faces, flip);
  if (shift_ > 0) {
    const auto amount = [&] { return int64_t(rng.below(uint64_t(2 * shift_ + 1))) - shift_; };
    for (int64_t i = 0; i < n; ++i) {
      const int64_t dy = amount(), dx = amount();
      move(std::span(pixels).subspan(size_t(i * set_.size() * set_.size() * 3),
                                     size_t(set_.size() * set_.size() * 3)),
           set_.size(), dy, dx);
    }
  }
  batch.images = from_host<float>({n, set_.size(), set_.size(), 3}, pixels);
  batch.source_aus = from_host<float>({n, kActionUnitCount}, set_.labels(faces));
  const Tensor noise = affine(rng.uniform({n, kActionUnitCount}), 2 * kTargetNoise, -kTargetNoise);
  batch.target_aus = add(from_host<float>({n, kActionUnitCount}, set_.labels(others)), noise);
  return batch;
}

Batch batch_of(const FaceSet& set, const std::vector<int64_t>& faces) {
  const int64_t n = int64_t(faces.size());
  const Tensor labels = from_host<float>({n, kActionUnitCount}, set.labels(faces));
  return {from_host<float>({n, set.size(), set.size(), 3}, set.batch(faces)), labels, labels};
}

ActionUnits label_quantiles(const FaceSet& set, const std::vector<int64_t>& faces, double quantile) {
  SGA_CHECK(!faces.empty(), "ganimation: there are no faces to take quantiles of");
  ActionUnits result{};
  for (size_t au = 0; au < kActionUnitCount; ++au) {
    std::vector<float> values;
    for (int64_t face : faces) values.push_back(set.record(face).labels[au]);
    const auto at = values.begin() + int64_t(quantile * double(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    result[au] = *at;
  }
  return result;
}

}  // namespace sga::ganimation
