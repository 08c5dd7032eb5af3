#include "models/ganimation/au_sequence.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "models/ganimation/csv.h"

namespace sga {
namespace {

constexpr int64_t kMostFrames = 1'000'000;

/// d(a, b), and d(c - b, b - a) where there is a c.
double distance(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(double(b.pixels[i]) - double(a.pixels[i]));
  return 255 * sum / double(a.pixels.size());
}
double turn(const Image& a, const Image& b, const Image& c) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i)
    sum += std::abs(double(c.pixels[i]) - 2 * double(b.pixels[i]) + double(a.pixels[i]));
  return 255 * sum / double(a.pixels.size());
}

}  // namespace

double frame_rate(std::string_view text, const std::string& name) {
  CsvReader csv(text, name);
  const CsvHeader header(csv);
  const int64_t frame_at = header.find("frame"), time_at = header.find("timestamp");
  if (frame_at < 0 || time_at < 0) return 0;
  int64_t first_frame = 0, last_frame = 0;
  double first_time = 0, last_time = 0;
  bool any = false;
  for (std::vector<std::string> cells; csv.next(cells);) {
    int64_t frame = 0;
    double time = 0;
    if (cells.size() != header.size() || !parse_number(cells[size_t(frame_at)], frame) ||
        !parse_number(cells[size_t(time_at)], time))
      continue;
    if (!any) first_frame = frame, first_time = time;
    any = true;
    last_frame = frame, last_time = time;
  }
  const double rate = double(last_frame - first_frame) / (last_time - first_time);
  return std::isfinite(rate) && rate > 0 ? rate : 0;
}

AuSequence make_au_sequence(const FaceTable& table, const std::string& name) {
  SGA_CHECK(table.has_frame || table.has_image, name, ": these columns are missing: frame");
  std::map<int64_t, std::map<int64_t, ActionUnits>> people;  // face -> frame -> units
  for (const FaceRow& row : table.rows) {
    std::map<int64_t, ActionUnits>& person = people[row.face];
    person.try_emplace(table.has_frame ? row.frame : int64_t(person.size()) + 1, row.action_units());
  }
  AuSequence sequence;
  sequence.people = int64_t(people.size());
  const auto most = std::max_element(people.begin(), people.end(), [](const auto& a, const auto& b) {
    return a.second.size() < b.second.size();
  });
  SGA_CHECK(most != people.end() && most->second.size() >= 2, name, ": too few usable frames, ",
            most == people.end() ? size_t{0} : most->second.size(), "; a sequence needs 2 or more; ",
            table.rejected.empty() ? "give the CSV of a video"
                                   : "the first that cannot: " + table.rejected[0].reason);
  const std::map<int64_t, ActionUnits>& known = most->second;
  sequence.first = known.begin()->first;
  const int64_t last = known.rbegin()->first;
  SGA_CHECK(last - sequence.first < kMostFrames, name, ": frames ", sequence.first, " to ", last,
            " are more than ", kMostFrames, "; is the column frame right?");
  for (auto at = known.begin(), next = std::next(at); next != known.end(); at = next++) {
    const int64_t gap = next->first - at->first;
    sequence.missing += gap - 1;
    for (int64_t i = 0; i < gap; ++i) {
      const float share = float(i) / float(gap);
      ActionUnits units;
      for (size_t k = 0; k < units.size(); ++k)
        units[k] = (1 - share) * at->second[k] + share * next->second[k];
      sequence.frames.push_back(units);
    }
  }
  sequence.frames.push_back(known.rbegin()->second);
  return sequence;
}

std::vector<ActionUnits> smoothed(const std::vector<ActionUnits>& frames, double sigma) {
  SGA_CHECK(std::isfinite(sigma) && sigma >= 0 && sigma <= 1000,
            "smoothing: the standard deviation must be 0 to 1000 frames, got ", sigma);
  if (sigma == 0) return frames;
  const auto reach = static_cast<int64_t>(std::ceil(3 * sigma));
  std::vector<double> weights;
  double sum = 0;
  for (int64_t i = -reach; i <= reach; ++i)
    sum += weights.emplace_back(std::exp(-0.5 * double(i * i) / (sigma * sigma)));
  std::vector<ActionUnits> result(frames.size());
  const int64_t last = std::ssize(frames) - 1;
  for (int64_t t = 0; t <= last; ++t)
    for (size_t k = 0; k < kActionUnitCount; ++k) {
      double value = 0;
      for (int64_t i = -reach; i <= reach; ++i)
        value += weights[size_t(i + reach)] * double(frames[size_t(std::clamp<int64_t>(t + i, 0, last))][k]);
      result[size_t(t)][k] = float(value / sum);
    }
  return result;
}

void MotionMeter::add(const Image& frame) {
  if (frames_ == 0) first_ = frame;
  SGA_CHECK(frame.pixels.size() == first_.pixels.size() && frame.width == first_.width, "motion: a frame of ",
            frame.width, "x", frame.height, " pixels after one of ", first_.width, "x", first_.height);
  if (frames_ >= 1) {
    const double step = distance(last_, frame);
    steps_ += step;
    largest_ = std::max(largest_, step);
  }
  if (frames_ >= 2) turns_ += turn(before_, last_, frame);
  before_ = std::move(last_);
  last_ = frame;
  ++frames_;
}

Motion MotionMeter::result() const {
  Motion motion;
  if (frames_ < 2) return motion;
  motion.mean_step = steps_ / double(frames_ - 1);
  motion.largest_step = largest_;
  if (const double direct = distance(first_, last_); direct > 0) motion.detour = steps_ / direct;
  if (frames_ > 2) motion.flicker = turns_ / double(frames_ - 2);
  return motion;
}

}  // namespace sga
