// Files that are shipped with the tools.
#pragma once
#include "engine/io.h"

namespace sga {

/// models/pretrained/ganimation.safetensors: beside the build folder in a source tree, or below
/// share/singanimation of the installation the running program belongs to. Error naming the places tried.
fs::path default_model();

}  // namespace sga
