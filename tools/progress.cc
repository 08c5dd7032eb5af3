#include "tools/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace sga {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr double kBarPeriod = 0.1;    // seconds between redraws of the bar
constexpr double kLinePeriod = 10.0;  // seconds between plain lines, over all loops of the process

std::string number(double value, const char* format) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string clock_text(double seconds) {
  const auto s = static_cast<long long>(seconds + 0.5);
  char text[32];
  if (s >= 3600)
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  else
    std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
  return text;
}

int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// When the last plain line was written by any loop: many short loops then do not flood a log.
std::chrono::steady_clock::time_point& last_line() {
  static std::chrono::steady_clock::time_point time{};
  return time;
}

}  // namespace

std::string progress_text(std::string_view label, int64_t done, int64_t total, int64_t first, double elapsed,
                          std::string_view note, int bar) {
  std::string text(label);
  const double part = total > 0 ? std::clamp(double(done) / double(total), 0.0, 1.0) : 0.0;
  if (bar > 0) {
    const auto full = static_cast<size_t>(part * bar);
    text += "  [" + std::string(full, '#') + std::string(static_cast<size_t>(bar) - full, '-') + "]";
  }
  text += "  " + std::to_string(done) + "/" + std::to_string(total) + "  " + number(100 * part, "%.1f%%");
  const double rate = elapsed > 0 ? double(done - first) / elapsed : 0.0;
  if (rate > 0) {
    text += "  " + (rate >= 1 ? number(rate, "%.1f/s") : number(1 / rate, "%.1f s each"));
    if (done < total)
      text += "  " + clock_text(double(total - done) / rate) + " left";
    else
      text += "  in " + clock_text(elapsed);
  }
  if (!note.empty()) text.append("  ").append(note);
  return text;
}

Progress::Progress(int64_t total, std::string label, bool quiet)
    : total_(total),
      label_(std::move(label)),
      quiet_(quiet),
      terminal_(isatty(STDERR_FILENO) == 1),
      start_(Clock::now()) {}

Progress::~Progress() {
  if (quiet_ || !terminal_ || shown_ < 0) return;
  show();
  std::fputc('\n', stderr);
}

void Progress::advance(int64_t n, std::string_view note) {
  started_ = true;
  set(done_ + n, note);
}

void Progress::set(int64_t done, std::string_view note) {
  if (!started_) {
    started_ = true;
    first_ = done;
    start_ = Clock::now();
  }
  done_ = done;
  if (quiet_) return;
  note_ = note;
  const auto now = Clock::now();
  const auto before = terminal_ ? last_shown_ : last_line();
  const bool due = before == Clock::time_point{} ||
                   Seconds(now - before).count() >= (terminal_ ? kBarPeriod : kLinePeriod);
  if (!due) return;
  show();
  last_shown_ = last_line() = now;
}

void Progress::show() {
  const double elapsed = Seconds(Clock::now() - start_).count();
  std::string text = progress_text(label_, done_, total_, first_, elapsed, note_, terminal_ ? 24 : 0);
  if (terminal_) {
    const auto width = static_cast<size_t>(std::max(20, terminal_width() - 1));
    if (text.size() > width) text.resize(width);
    std::fprintf(stderr, "\r%s\033[K", text.c_str());
    std::fflush(stderr);
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  shown_ = done_;
}

}  // namespace sga
