// ganimation edit and its relatives: photographs with other expressions. ganimation info, export: what a
// model file holds.
#pragma once
#include "tools/command.h"

namespace sga {

void declare_ganimation_edit(CLI::App& app);
void declare_ganimation_grid(CLI::App& app);
void declare_ganimation_interpolate(CLI::App& app);
void declare_ganimation_emotions(CLI::App& app);
void declare_ganimation_sequence(CLI::App& app);
void declare_ganimation_info(CLI::App& app);
void declare_ganimation_export(CLI::App& app);

}  // namespace sga
