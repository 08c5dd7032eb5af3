// ganimation import: networks of the PyTorch codes as a model of ours.
#pragma once
#include "tools/command.h"

namespace sga {

void declare_ganimation_import(CLI::App& app);

}  // namespace sga
