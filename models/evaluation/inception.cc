#include "models/evaluation/inception.h"

#include <algorithm>

namespace sga::evaluation {
namespace {

struct LayerKind {
  const char* name;
  NormedConvShape shape;
};
const LayerKind kLayers[] = {{"Conv2d_1a_3x3", {3, 32, 3, 3, 2}},
                             {"Conv2d_2a_3x3", {32, 32, 3, 3}},
                             {"Conv2d_2b_3x3", {32, 64, 3, 3, 1, 1, 1}},
                             {"Conv2d_3b_1x1", {64, 80}},
                             {"Conv2d_4a_3x3", {80, 192, 3, 3}}};

Tensor as_rows(const Tensor& map) { return reshape(map, {map.dim(1) * map.dim(2), map.dim(3)}); }

}  // namespace

InceptionStem::InceptionStem(const Checkpoint& weights) : centred_(enters_centred(weights)) {
  const std::string prefix = inception_prefix(weights);
  for (const LayerKind& kind : kLayers) {
    const std::string name = prefix + kind.name;
    if (layers_.size() == 3 && !weights.tensors.contains(name + ".conv.weight")) break;
    layers_.push_back(load_normed_conv(weights, name, kind.shape));
  }
}

InceptionStem::Features InceptionStem::operator()(const Tensor& picture) const {
  SGA_CHECK(picture.rank() == 4 && picture.dim(0) == 1 && picture.dim(3) == 3,
            "InceptionStem: the picture must be (1,H,W,3), got ", picture.shape());
  SGA_CHECK(std::min(picture.dim(1), picture.dim(2)) >= smallest_picture(), "the picture has ",
            picture.dim(2), "x", picture.dim(1), " pixels, these features need at least ", smallest_picture(),
            " on each side");
  NoGrad off;
  Tensor x = centred_ ? affine(picture, 2, -1) : picture;
  for (size_t layer = 0; layer < 3; ++layer) x = layers_[layer](x);
  Features features{as_rows(x), {}};
  if (has_second()) features.second = as_rows(layers_[4](layers_[3](max_pool(x))));
  return features;
}

}  // namespace sga::evaluation
