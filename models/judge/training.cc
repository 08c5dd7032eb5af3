#include "models/judge/training.h"

#include <charconv>
#include <cmath>
#include <numbers>

#include "engine/ops.h"

namespace sga::judge {
namespace {

constexpr double kSmallestDeviation =
    0.02;  // a tenth of intensity 1: a unit nobody shows must not weigh most

uint64_t parse_count(const Checkpoint& checkpoint, const std::string& key) {
  const std::string& text = checkpoint.meta(key);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  SGA_CHECK(error == std::errc() && end == text.data() + text.size(), checkpoint.origin, ": ", key,
            " must be a whole number, got '", text, "'");
  return value;
}

AuRegressor fresh(const RegressorConfig& config, uint64_t seed) {
  Rng rng = Rng(seed).fork(1);
  return AuRegressor(config, rng);
}

}  // namespace

Trainer::Trainer(const TrainingConfig& config, const FaceSet& set, std::vector<int64_t> faces)
    : config_(config),
      set_(set),
      faces_(std::move(faces)),
      rng_(Rng(config.seed).fork(2)),
      regressor_(fresh(config.regressor, config.seed)),
      adam_(regressor_.parameters(), {.beta1 = 0.9}) {
  SGA_CHECK(!faces_.empty(), "judge: there are no faces to train on");
  SGA_CHECK(config.batch >= 2 && config.batch <= 4096, "judge: the batch must be 2 to 4096, got ",
            config.batch);
  SGA_CHECK(config.lr > 0 && config.lr <= 1, "judge: the learning rate must lie between 0 and 1, got ",
            config.lr);
  for (size_t au = 0; au < kActionUnitCount; ++au) {
    double sum = 0, squares = 0;
    for (int64_t face : faces_) sum += double(set.record(face).labels[au]);
    const double mean = sum / double(faces_.size());
    for (int64_t face : faces_) squares += std::pow(double(set.record(face).labels[au]) - mean, 2);
    mean_[au] = float(mean);
    deviation_[au] = float(std::max(kSmallestDeviation, std::sqrt(squares / double(faces_.size()))));
  }
  regressor_.set_scale(mean_, deviation_);
}

void Trainer::step() {
  const int64_t n = config_.batch, size = config_.regressor.size;
  std::vector<float> pixels(size_t(n * size * size * 3)), labels;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t face = faces_[rng_.below(faces_.size())];
    random_view(set_.pixels(face), set_.size(), size, config_.augmentation, rng_,
                pixels.data() + i * size * size * 3);
    for (size_t au = 0; au < kActionUnitCount; ++au)
      labels.push_back((set_.record(face).labels[au] - mean_[au]) / deviation_[au]);
  }
  const Tensor x = from_host<float>({n, size, size, 3}, pixels);
  const Tensor loss = mse(regressor_.train_forward(x), from_host<float>({n, kActionUnitCount}, labels));
  const double at = double(iteration_) / double(config_.iterations);
  adam_.step(grad(loss, regressor_.parameters().trainable()),
             config_.lr * (1 + std::cos(std::numbers::pi * at)) / 2);
  loss_ = loss.detach();
  ++iteration_;
}

double Trainer::loss() const {
  SGA_CHECK(loss_, "judge: there is no loss before the first step");
  const double value = loss_.item();
  SGA_CHECK(std::isfinite(value), "judge: at iteration ", iteration_,
            " the loss is not a finite number; lower --lr");
  return value;
}

void Trainer::store(Checkpoint& checkpoint) const {
  checkpoint = export_regressor(regressor_, {});
  checkpoint.metadata["iteration"] = std::to_string(iteration_);
  checkpoint.metadata["rng.seed"] = std::to_string(rng_.seed());
  checkpoint.metadata["rng.counter"] = std::to_string(rng_.counter());
  adam_.store(checkpoint, "adam.");
}

void Trainer::load(const Checkpoint& checkpoint) {
  const RegressorConfig& mine = config_.regressor;
  SGA_CHECK(parse_count(checkpoint, "size") == uint64_t(mine.size) &&
                parse_count(checkpoint, "width") == uint64_t(mine.width),
            "judge: the checkpoint was trained with size ", checkpoint.meta("size"), " and width ",
            checkpoint.meta("width"), ", this run has ", mine.size, " and ", mine.width,
            "; give the same options or another --out");
  regressor_.parameters().load(checkpoint, "");
  adam_.load(checkpoint, "adam.");
  iteration_ = int64_t(parse_count(checkpoint, "iteration"));
  rng_ = Rng(parse_count(checkpoint, "rng.seed"), parse_count(checkpoint, "rng.counter"));
}

std::vector<ActionUnits> read_faces(const AuRegressor& judge, const Tensor& faces) {
  const std::vector<float> values = to_host<float>(judge.forward(faces));
  std::vector<ActionUnits> rows(size_t(faces.dim(0)));
  for (size_t i = 0; i < rows.size(); ++i)
    std::copy_n(values.begin() + std::ptrdiff_t(i) * kActionUnitCount, kActionUnitCount, rows[i].begin());
  return rows;
}

std::vector<ActionUnits> read_faces(const AuRegressor& judge, const FaceSet& set,
                                    const std::vector<int64_t>& faces) {
  constexpr size_t kAtOnce = 64;
  std::vector<ActionUnits> rows;
  for (size_t i = 0; i < faces.size(); i += kAtOnce) {
    const std::vector<int64_t> part(faces.begin() + std::ptrdiff_t(i),
                                    faces.begin() + std::ptrdiff_t(std::min(faces.size(), i + kAtOnce)));
    const std::vector<ActionUnits> read = read_faces(
        judge, from_host<float>({int64_t(part.size()), set.size(), set.size(), 3}, set.batch(part)));
    rows.insert(rows.end(), read.begin(), read.end());
  }
  return rows;
}

}  // namespace sga::judge
