// k-means of a build without OpenCV: there is none.
#include "kernels/check.h"
#include "tools/kmeans.h"

namespace sga {

std::vector<float> kmeans(const std::vector<float>&, int64_t, int64_t) {
  fail("grouping colours needs OpenCV and this build is without; configure with -DSGA_OPENCV=ON");
}

}  // namespace sga
