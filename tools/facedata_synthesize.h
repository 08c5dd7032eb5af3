// facedata synthesize: a data set of drawn faces.
#pragma once
#include "tools/command.h"

namespace sga {

void declare_facedata_synthesize(CLI::App& app);

}  // namespace sga
