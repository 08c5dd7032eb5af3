#include "tools/kmeans.h"

#include <algorithm>
#include <opencv2/core.hpp>
#include <set>

#include "kernels/check.h"

namespace sga {

std::vector<float> kmeans(const std::vector<float>& rows, int64_t width, int64_t count) {
  const auto n = int64_t(rows.size()) / width;
  std::set<std::vector<float>> different;
  for (int64_t i = 0; i < n && int64_t(different.size()) < count; ++i)
    different.emplace(rows.begin() + i * width, rows.begin() + (i + 1) * width);
  SGA_CHECK(int64_t(different.size()) >= count, "there are only ", different.size(),
            " different colours, fewer than the ", count, " asked for; ask for fewer");
  cv::setNumThreads(1);
  cv::setRNGSeed(0);
  cv::Mat points(int(n), int(width), CV_32F), labels, centres;
  std::copy(rows.begin(), rows.end(), points.begin<float>());
  cv::kmeans(points, int(count), labels, {cv::TermCriteria::COUNT + cv::TermCriteria::EPS, 300, 1e-4}, 10,
             cv::KMEANS_PP_CENTERS, centres);
  return {centres.begin<float>(), centres.end<float>()};
}

}  // namespace sga
