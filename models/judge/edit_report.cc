#include "models/judge/edit_report.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"
#include "models/evaluation/similarity.h"
#include "models/judge/agreement.h"
#include "models/judge/training.h"

namespace sga::judge {
namespace {

constexpr int64_t kAtOnce = 16;
constexpr double kLevels[] = {0, 1.0 / 3, 2.0 / 3, 1};

// Pixels on the host: (N,S,S,C).
struct Pixels {
  std::vector<float> v;
  int64_t n, side, c;
  explicit Pixels(const Tensor& x) : v(to_host<float>(x)), n(x.dim(0)), side(x.dim(1)), c(x.dim(3)) {}
  float at(int64_t i, int64_t y, int64_t x, int64_t k) const {
    return v[size_t(((i * side + y) * side + x) * c + k)];
  }
};

// All faces through the editor, a few at a time.
ganimation::Edit edit_all(const Editor& editor, const LabelledFaces& faces,
                          const std::vector<ActionUnits>& targets) {
  const auto rows = [](const std::vector<ActionUnits>& all, int64_t first, int64_t count) {
    return std::vector<ActionUnits>(all.begin() + first, all.begin() + first + count);
  };
  std::vector<Tensor> edited, attention, colour;
  for (int64_t i = 0; i < faces.crops.dim(0); i += kAtOnce) {
    const int64_t n = std::min(kAtOnce, faces.crops.dim(0) - i);
    const ganimation::Edit e =
        editor(slice(faces.crops, 0, i, n), rows(targets, i, n), rows(faces.labels, i, n));
    edited.push_back(e.edited), attention.push_back(e.attention), colour.push_back(e.colour);
  }
  return {concat(edited, 0), concat(attention, 0), concat(colour, 0)};
}

// Sums of |a - b| above and below the tip of the nose.
std::pair<double, double> change_of_halves(const Pixels& a, const Pixels& b) {
  double upper = 0, lower = 0;
  for (int64_t i = 0; i < a.n; ++i)
    for (int64_t y = 0; y < a.side; ++y) {
      double row = 0;
      for (int64_t x = 0; x < a.side; ++x)
        for (int64_t k = 0; k < a.c; ++k)
          row += std::abs(double(a.at(i, y, x, k)) - double(b.at(i, y, x, k)));
      ((double(y) + 0.5) / double(a.side) < kNoseTip ? upper : lower) += row;
    }
  return {upper, lower};
}

double ssim_of_half(const Tensor& a, const Tensor& b, Half half) {
  const int64_t side = a.dim(1), tip = int64_t(std::lround(kNoseTip * double(side)));
  const int64_t top = half == Half::upper ? 0 : tip, h = half == Half::upper ? tip : side - tip;
  double sum = 0;
  for (int64_t i = 0; i < a.dim(0); ++i) {
    const auto part = [&](const Tensor& x) {
      return affine(crop(slice(x, 0, i, 1), top, 0, h, side), 0.5, 0.5);
    };
    sum += evaluation::similarity(part(a), part(b)).ssim;
  }
  return sum / double(a.dim(0));
}

// Mean |out - in| outside an oval from the forehead to the chin, in levels of 255.
double background_change(const Pixels& a, const Pixels& b) {
  double sum = 0;
  int64_t count = 0;
  for (int64_t y = 0; y < a.side; ++y)
    for (int64_t x = 0; x < a.side; ++x) {
      const double u = ((double(x) + 0.5) / double(a.side) - 0.5) / 0.42,
                   v = ((double(y) + 0.5) / double(a.side) - 0.53) / 0.45;
      if (u * u + v * v <= 1) continue;
      for (int64_t i = 0; i < a.n; ++i)
        for (int64_t k = 0; k < a.c; ++k, ++count)
          sum += 127.5 * std::abs(double(a.at(i, y, x, k)) - double(b.at(i, y, x, k)));
    }
  return count ? sum / double(count) : 0;
}

// Energy of the change in rows and columns at periods 2 and 4, as a multiple of what white noise has there.
double checkerboard_of(const Pixels& a, const Pixels& b) {
  double pattern = 0, all = 0;
  const int64_t side = a.side / 4 * 4;
  for (int64_t i = 0; i < a.n; ++i)
    for (int64_t k = 0; k < a.c; ++k)
      for (int axis = 0; axis < 2; ++axis)
        for (int64_t line = 0; line < side; ++line) {
          double two = 0, four_cos = 0, four_sin = 0, mean = 0, energy = 0;
          for (int64_t t = 0; t < side; ++t) {
            const int64_t y = axis ? t : line, x = axis ? line : t;
            const double r = double(a.at(i, y, x, k)) - double(b.at(i, y, x, k));
            two += t % 2 ? -r : r;
            four_cos += t % 4 == 0 ? r : t % 4 == 2 ? -r : 0;
            four_sin += t % 4 == 1 ? r : t % 4 == 3 ? -r : 0;
            mean += r;
            energy += r * r;
          }
          // Of white noise each of the three has `side` (or half of it) times the energy of a pixel.
          pattern += two * two + four_cos * four_cos + four_sin * four_sin;
          all += 2 * (energy - mean * mean / double(side));
        }
  return all > 0 ? pattern / all : 0;
}

void add_attention(EditReport& report, const ganimation::Edit& e) {
  const Pixels a(e.attention), c(e.colour);
  double sum = 0, high = 0, low = 0, entropy = 0, variation = 0, overflow = 0;
  for (int64_t i = 0; i < a.n; ++i)
    for (int64_t y = 0; y < a.side; ++y)
      for (int64_t x = 0; x < a.side; ++x) {
        const double v = std::clamp(double(a.at(i, y, x, 0)), 0.0, 1.0);
        sum += v, high += v > 0.95, low += v < 0.05;
        if (v > 0 && v < 1) entropy -= v * std::log2(v) + (1 - v) * std::log2(1 - v);
        if (x + 1 < a.side) variation += std::abs(v - double(a.at(i, y, x + 1, 0))) / 2;
        if (y + 1 < a.side) variation += std::abs(v - double(a.at(i, y + 1, x, 0))) / 2;
        bool extreme = false;
        for (int64_t k = 0; k < c.c; ++k) extreme = extreme || std::abs(c.at(i, y, x, k)) > 0.98f;
        overflow += extreme && v < 0.9;
      }
  const double n = double(a.n * a.side * a.side);
  report.attention = sum / n, report.attention_high = high / n, report.attention_low = low / n;
  report.attention_entropy = entropy / n, report.attention_variation = variation / n;
  report.overflow = overflow / n;
}

}  // namespace

Half half_of(int index) {
  const int unit = kActionUnitNumbers[size_t(index)];
  return unit == 6 || unit == 9 ? Half::both : unit < 9 || unit == 45 ? Half::upper : Half::lower;
}

EditReport report_edits(const Editor& editor, const AuRegressor& judge, const LabelledFaces& faces,
                        uint64_t seed, const std::function<void()>& on_step) {
  SGA_CHECK(
      faces.crops.rank() == 4 && faces.crops.dim(0) >= 2 && size_t(faces.crops.dim(0)) == faces.labels.size(),
      "judge: 2 faces or more with a label each are needed, got ", faces.crops.shape(), " and ",
      faces.labels.size(), " labels");
  NoGrad off;
  const size_t n = faces.labels.size();
  EditReport report;
  report.units.resize(kActionUnitCount);

  for (size_t au = 0; au < kActionUnitCount; ++au) {
    AuReport& unit = report.units[au];
    std::vector<Tensor> edits;
    std::vector<std::vector<ActionUnits>> read;
    for (const double level : kLevels) {
      std::vector<ActionUnits> targets = faces.labels;
      for (ActionUnits& target : targets) target[au] = float(level);
      edits.push_back(edit_all(editor, faces, targets).edited);
      read.push_back(read_faces(judge, edits.back()));
    }
    for (size_t i = 0; i < n; ++i) {
      std::vector<double> readings;
      for (const auto& rows : read) readings.push_back(double(rows[i][au]));
      unit.spearman += spearman(kLevels, readings) / double(n);
      unit.rise += 5 * (readings.back() - readings.front()) / double(n);
      for (size_t other = 0; other < kActionUnitCount; ++other)
        unit.leakage[other] += 5 * (read.back()[i][other] - read.front()[i][other]) / float(n);
    }
    const Half half = half_of(int(au));
    if (half == Half::both) {
      unit.other_half = unit.other_ssim = NAN;
    } else {
      const auto [upper, lower] = change_of_halves(Pixels(edits.back()), Pixels(edits.front()));
      unit.other_half = upper + lower > 0 ? (half == Half::upper ? lower : upper) / (upper + lower) : 0;
      unit.other_ssim =
          ssim_of_half(faces.crops, edits.back(), half == Half::upper ? Half::lower : Half::upper);
    }
    on_step();
  }

  {  // whole expressions, taken from other faces
    Rng rng(seed);
    std::vector<ActionUnits> targets;
    for (size_t i = 0; i < n; ++i) targets.push_back(faces.labels[rng.below(n)]);
    const ganimation::Edit edit = edit_all(editor, faces, targets);
    const std::vector<ActionUnits> read = read_faces(judge, edit.edited);
    for (size_t au = 0; au < kActionUnitCount; ++au) {
      std::vector<double> asked, got;
      for (size_t i = 0; i < n; ++i)
        asked.push_back(5 * double(targets[i][au])), got.push_back(5 * double(read[i][au]));
      AuReport& unit = report.units[au];
      unit.pearson = pearson(asked, got), unit.icc = icc31(asked, got);
      for (size_t i = 0; i < n; ++i) unit.mse += (asked[i] - got[i]) * (asked[i] - got[i]) / double(n);
    }
    const Pixels before(faces.crops), after(edit.edited);
    report.background = background_change(before, after);
    report.checkerboard = checkerboard_of(before, after);
    add_attention(report, edit);
    on_step();
  }
  {
    const Tensor same = edit_all(editor, faces, faces.labels).edited;
    const double error = mse(same, faces.crops).item() / 4;  // of values in [0,1]
    report.identity_psnr = error > 0 ? -10 * std::log10(error) : INFINITY;
    on_step();
  }
  {  // from what the face shows to a smile
    constexpr int kSteps = 8;
    double way = 0, distance = 0;
    Tensor first, last;
    for (int step = 0; step <= kSteps; ++step) {
      const float share = float(step) / kSteps;
      std::vector<ActionUnits> targets = faces.labels;
      for (ActionUnits& target : targets)
        for (const auto& [unit, value] : {std::pair{6, 0.6f}, {12, 0.8f}, {25, 0.5f}}) {
          float& v = target[size_t(index_of(unit))];
          v += share * (value - v);
        }
      const Tensor now = edit_all(editor, faces, targets).edited;
      if (last) way += l1(now, last).item();
      if (!first) first = now;
      last = now;
    }
    distance = l1(first, last).item();
    report.path = distance > 0 ? way / distance : 1;
    on_step();
  }
  return report;
}

}  // namespace sga::judge
