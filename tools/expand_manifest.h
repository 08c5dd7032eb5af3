// The labels of a set of generated faces, as files that other programs read.
#pragma once
#include <string>
#include <vector>

#include "models/ganimation/action_units.h"

namespace sga {

struct ManifestRow {
  std::string file, expression;
  ActionUnits units{};  ///< as asked of the network, 0..1.25
  std::string start_scale;
  uint64_t seed = 0;
  std::string model_checksum;
  int64_t width = 0, height = 0;
};

/// Header and rows: file, expression, AU01..AU45 (0..1.25), start_scale, seed, model_checksum, width, height.
std::string manifest_header();
std::string manifest_row(const ManifestRow& row);

}  // namespace sga
