#include "models/singan/plateau.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "models/singan/config.h"

namespace sga::singan {
namespace {

struct Half {
  double mean = 0, variance_of_mean = 0;
};

Half half_of(const double* values, int64_t n) {
  Half half;
  for (int64_t i = 0; i < n; ++i) half.mean += values[i] / double(n);
  for (int64_t i = 0; i < n; ++i) {
    const double d = values[i] - half.mean;
    half.variance_of_mean += d * d / double(n * (n - 1));
  }
  return half;
}

struct Change {
  double before, fall, error;
};

// From the older to the newer half of the 2 * window values before `end`.
Change change(const std::vector<double>& values, int64_t end, int64_t window) {
  const double* newer = values.data() + end - window;
  const Half a = half_of(newer - window, window), b = half_of(newer, window);
  return {std::abs(a.mean), a.mean - b.mean, std::sqrt(a.variance_of_mean + b.variance_of_mean)};
}

bool still_at(const LearningCurve& curve, int64_t end, int64_t window) {
  const Change reconstruction = change(curve.reconstruction, end, window),
               gap = change(curve.gap, end, window);
  return reconstruction.fall <= std::max(0.01 * reconstruction.before, reconstruction.error) &&
         std::abs(gap.fall) <= std::max(0.05 * gap.before, 2 * gap.error);
}

void add_newest(std::vector<double>& values, double value, int64_t most) {
  values.push_back(value);
  if (std::ssize(values) > most) values.erase(values.begin(), values.end() - most);
}

}  // namespace

void LearningCurve::add(double reconstruction_loss, double critic_gap, int64_t most) {
  add_newest(reconstruction, reconstruction_loss, most);
  add_newest(gap, critic_gap, most);
}

bool on_plateau(const LearningCurve& curve, int64_t window) {
  const int64_t count = std::ssize(curve.gap);
  if (count < plateau_memory(window)) return false;
  for (int64_t end = count - window / 2; end <= count; ++end)
    if (!still_at(curve, end, window)) return false;
  return true;
}

std::string text_of(const LearningCurve& curve) {
  std::string text;
  for (size_t i = 0; i < curve.gap.size(); ++i)
    text.append(i ? " " : "")
        .append(to_text(curve.reconstruction[i]))
        .append(" ")
        .append(to_text(curve.gap[i]));
  return text;
}

LearningCurve parse_curve(const std::string& text, const std::string& what) {
  LearningCurve curve;
  std::istringstream words(text);
  for (std::string word; words >> word;)
    (curve.gap.size() < curve.reconstruction.size() ? curve.gap : curve.reconstruction)
        .push_back(parse_double(word, what));
  SGA_CHECK(curve.gap.size() == curve.reconstruction.size(), what, ": a pair is cut");
  return curve;
}

}  // namespace sga::singan
