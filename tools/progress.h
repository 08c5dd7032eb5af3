// How far a long loop is: a bar on a terminal, a plain line now and then otherwise. All on stderr.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace sga {

/// "train scale 3  [####------]  412/2000  20.6%  38.2/s  0:42 left  loss 0.12": what both forms show.
/// `bar` is its width in characters, 0 for none. The rate is (done - first) / elapsed, with elapsed in
/// seconds.
std::string progress_text(std::string_view label, int64_t done, int64_t total, int64_t first, double elapsed,
                          std::string_view note, int bar);

///   Progress progress(steps, "train scale 3", options.quiet);
///   for (...) { ...; progress.advance(); }
class Progress {
 public:
  Progress(int64_t total, std::string label, bool quiet = false);
  ~Progress();  ///< on a terminal, shows the last state and ends the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(int64_t n = 1, std::string_view note = {});
  /// For loops that know where they are; the rate counts from the first call on, so a resumed loop reads
  /// right.
  void set(int64_t done, std::string_view note = {});

 private:
  using Clock = std::chrono::steady_clock;
  void show();

  int64_t total_, done_ = 0, shown_ = -1;
  int64_t first_ = 0;  ///< `done` at which the clock started
  std::string label_, note_;
  bool quiet_, terminal_, started_ = false;
  Clock::time_point start_, last_shown_;
};

}  // namespace sga
