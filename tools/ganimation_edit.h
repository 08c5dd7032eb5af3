// ganimation edit: a photograph with another expression. ganimation info, export: what a model file holds.
#pragma once
#include "tools/command.h"

namespace sga {

void declare_ganimation_edit(CLI::App& app);
void declare_ganimation_info(CLI::App& app);
void declare_ganimation_export(CLI::App& app);

}  // namespace sga
