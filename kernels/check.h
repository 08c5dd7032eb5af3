// Error and the check macro: one sentence that says what was wrong and what was received.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace sga {

/// What every public function throws. `what()` is the sentence a user sees on stderr.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The GPU stopped answering: nothing on it can be used any more in this process.
struct LostDevice : Error {
  using Error::Error;
};

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(text.str());
}

}  // namespace sga

/// SGA_CHECK(x.rank() == 4, "instance_norm: x must be (N,H,W,C), got ", x.shape());
#define SGA_CHECK(condition, ...)               \
  do {                                          \
    if (!(condition)) ::sga::fail(__VA_ARGS__); \
  } while (0)
