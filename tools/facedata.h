// The subcommands of facedata.
#pragma once
#include "tools/command.h"

namespace sga {

void declare_facedata_prepare(CLI::App& app);
void declare_facedata_split(CLI::App& app);
void declare_facedata_doctor(CLI::App& app);
void declare_facedata_synthesize(CLI::App& app);
void declare_facedata_info(CLI::App& app);

/// A number from low to high; CLI::Range lets NaN through.
CLI::Validator number_in(int low, int high);

}  // namespace sga
