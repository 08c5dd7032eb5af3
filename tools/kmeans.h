// Groups of points: k-means.
#pragma once
#include <cstdint>
#include <vector>

namespace sga {

/// Centres of `count` groups of the rows (n,width): k-means++ starts, the best of ten, the same for the same
/// rows. Error if there are fewer different rows than `count`, or in a build without OpenCV.
std::vector<float> kmeans(const std::vector<float>& rows, int64_t width, int64_t count);

}  // namespace sga
