// The sentence of the Error that a call throws, so that a test can look at it.
#pragma once
#include <string>

#include "kernels/check.h"

namespace sga {

/// "" if nothing was thrown. Any other exception passes through and fails the test.
template <class F>
std::string error_text(F&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace sga
