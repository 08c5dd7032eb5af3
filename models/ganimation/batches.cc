#include "models/ganimation/batches.h"

#include <algorithm>
#include <chrono>
#include <numeric>

namespace sga::ganimation {
namespace {

constexpr float kShown = 0.2f;         // intensity 1 of 5
constexpr size_t kFewestShowing = 20;  // an AU shown by fewer faces is not worth a share of the draws
constexpr double kTargetNoise = 0.1;
constexpr uint64_t kBatchStream = 4;  // the first three labels of a seed are the trainer's
constexpr uint64_t kOrderStream = 5;

void resize(HostBatch& batch, size_t count, size_t face) {
  batch.images.resize(count * face);
  batch.source_aus.resize(count * size_t(kActionUnitCount));
  batch.target_aus.resize(count * size_t(kActionUnitCount));
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
  resize(to, size_t(n), face_numbers());
  for (size_t i = 0; i < size_t(n); ++i) put(draw_face(rng), rng, to, i);
}

void BatchSampler::draw(const std::vector<int64_t>& chosen, Rng& rng, HostBatch& to) const {
  resize(to, chosen.size(), face_numbers());
  for (size_t i = 0; i < chosen.size(); ++i) put(chosen[i], rng, to, i);
}

void BatchSampler::put(int64_t chosen, Rng& rng, HostBatch& to, size_t i) const {
  const size_t face = face_numbers(), aus = size_t(kActionUnitCount);
  const int64_t other = draw_face(rng);
  const bool flip = rng.below(2) == 1;
  const auto amount = [&] { return shift_ > 0 ? int64_t(rng.below(uint64_t(2 * shift_ + 1))) - shift_ : 0; };
  const int64_t down = amount(), right = amount();
  set_.fill(std::span(to.images).subspan(i * face, face), chosen, flip, down, right);
  for (size_t au = 0; au < aus; ++au) {
    to.source_aus[i * aus + au] = set_.record(chosen).labels[au];
    to.target_aus[i * aus + au] =
        set_.record(other).labels[au] + float(kTargetNoise * (2 * rng.uniform() - 1));
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

ShuffledEpochs::ShuffledEpochs(std::vector<int64_t> faces, const Rng& rng)
    : faces_(std::move(faces)), rng_(rng) {}

int64_t ShuffledEpochs::at(int64_t i) {
  const auto count = int64_t(faces_.size());
  if (i / count != epoch_) {
    epoch_ = i / count;
    order_ = faces_;
    Rng rng = rng_.fork(uint64_t(epoch_));
    for (size_t left = order_.size(); left > 1; --left) std::swap(order_[left - 1], order_[rng.below(left)]);
  }
  return order_[size_t(i % count)];
}

BatchLoader::BatchLoader(const BatchSampler& sampler, int64_t n, uint64_t seed, int64_t first, bool shuffle,
                         size_t ahead)
    : sampler_(sampler), n_(n), first_(first), rng_(Rng(seed).fork(kBatchStream)), slots_(ahead) {
  SGA_CHECK(n > 0 && first >= 0 && ahead > 0, "ganimation: cannot load batches of ", n, " faces from the ",
            first, "th on, ", ahead, " ahead");
  if (shuffle) epochs_.emplace(sampler.faces_, Rng(seed).fork(kOrderStream));
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
    HostBatch& slot = slots_[size_t(i) % slots_.size()];
    if (epochs_) {
      std::vector<int64_t> chosen(static_cast<size_t>(n_));
      for (int64_t k = 0; k < n_; ++k) chosen[size_t(k)] = epochs_->at((first_ + i) * n_ + k);
      sampler_.draw(chosen, rng, slot);
    } else {
      sampler_.draw(n_, rng, slot);
    }
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
