// The one way tests compare numbers: |got - want| <= 16 eps |want| + 8 eps sqrt(k) max|want|.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace sga {

/// k: how many terms were summed for one number; factor widens the bound, with the reason beside the call.
inline void expect_close(const std::vector<double>& got, const std::vector<double>& want, double eps,
                         double k = 1, double factor = 1, const std::string& what = "") {
  ASSERT_EQ(got.size(), want.size()) << what;
  double largest = 0;
  for (double v : want) largest = std::max(largest, std::abs(v));
  size_t worst = 0;
  double excess = -1;
  for (size_t i = 0; i < got.size(); ++i) {
    const double bound = factor * (16 * eps * std::abs(want[i]) + 8 * eps * std::sqrt(k) * largest);
    const double error = std::abs(got[i] - want[i]) - bound;
    if (!(error <= excess)) excess = std::isnan(error) ? INFINITY : error, worst = i;
  }
  EXPECT_LE(excess, 0) << what << ": element " << worst << " is " << got[worst] << ", should be "
                       << want[worst];
}

}  // namespace sga
