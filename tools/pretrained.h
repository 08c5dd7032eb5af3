// Files that are shipped with the tools, in models/pretrained: beside the build folder in a source tree, or
// below share/singanimation of the installation the running program belongs to. Error naming the places
// tried.
#pragma once
#include "engine/io.h"

namespace sga {

fs::path default_model();      ///< ganimation.safetensors
fs::path default_inception();  ///< inception_stem.safetensors
fs::path default_judge();      ///< au_judge.safetensors

}  // namespace sga
