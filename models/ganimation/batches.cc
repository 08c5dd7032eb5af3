#include "models/ganimation/batches.h"

#include <algorithm>
#include <chrono>

namespace sga::ganimation {
namespace {

constexpr float kShown = 0.2f;         // intensity 1 of 5
constexpr size_t kFewestShowing = 20;  // an AU shown by fewer faces is not worth a share of the draws
constexpr double kTargetNoise = 0.1;
constexpr uint64_t kBatchStream = 4;  // the first three labels of a seed are the trainer's

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

void BatchSampler::draw(int64_t n, Rng& rng, HostBatch& to) const {
  const auto face = size_t(set_.size() * set_.size() * 3), count = size_t(n), aus = size_t(kActionUnitCount);
  to.images.resize(count * face);
  to.source_aus.resize(count * aus);
  to.target_aus.resize(count * aus);
  for (size_t i = 0; i < count; ++i) {
    const int64_t chosen = draw_face(rng), other = draw_face(rng);
    set_.fill(std::span(to.images).subspan(i * face, face), chosen, rng.below(2) == 1);
    for (size_t au = 0; au < aus; ++au) {
      to.source_aus[i * aus + au] = set_.record(chosen).labels[au];
      to.target_aus[i * aus + au] =
          set_.record(other).labels[au] + float(kTargetNoise * (2 * rng.uniform() - 1));
    }
    if (shift_ > 0) {
      const auto amount = [&] { return int64_t(rng.below(uint64_t(2 * shift_ + 1))) - shift_; };
      const int64_t dy = amount(), dx = amount();
      move(std::span(to.images).subspan(i * face, face), set_.size(), dy, dx);
    }
  }
}

Batch BatchSampler::draw(int64_t n, Rng& rng) const {
  HostBatch batch;
  draw(n, rng, batch);
  return batch.to_device(set_.size());
}

Batch HostBatch::to_device(int64_t side) const {
  const auto n = int64_t(source_aus.size()) / kActionUnitCount;
  return {from_host<float>({n, side, side, 3}, images), from_host<float>({n, kActionUnitCount}, source_aus),
          from_host<float>({n, kActionUnitCount}, target_aus)};
}

BatchLoader::BatchLoader(const BatchSampler& sampler, int64_t n, uint64_t seed, int64_t first, size_t ahead)
    : sampler_(sampler), n_(n), first_(first), rng_(Rng(seed).fork(kBatchStream)), slots_(ahead) {
  SGA_CHECK(n > 0 && first >= 0 && ahead > 0, "ganimation: cannot load batches of ", n, " faces from the ",
            first, "th on, ", ahead, " ahead");
  thread_ = std::thread([this] {
    try {
      work();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
    }
    changed_.notify_all();
  });
}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void BatchLoader::work() {
  for (int64_t i = 0;; ++i) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || i < taken_ + int64_t(slots_.size()); });
      if (stop_) return;
    }
    Rng rng = rng_.fork(uint64_t(first_ + i));
    sampler_.draw(n_, rng, slots_[size_t(i) % slots_.size()]);
    {
      const std::lock_guard lock(mutex_);
      made_ = i + 1;
    }
    changed_.notify_all();
  }
}

Batch BatchLoader::next() {
  {
    const auto start = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return failure_ || made_ > taken_; });
    if (made_ <= taken_) std::rethrow_exception(failure_);
    waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  const Batch batch = slots_[size_t(taken_) % slots_.size()].to_device(sampler_.set_.size());
  {
    const std::lock_guard lock(mutex_);
    ++taken_;
  }
  changed_.notify_all();
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
