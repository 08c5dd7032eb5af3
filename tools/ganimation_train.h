// ganimation train: from a packed data set of faces to a model file.
#pragma once
#include "tools/command.h"

namespace sga {

void declare_ganimation_train(CLI::App& app);

}  // namespace sga
