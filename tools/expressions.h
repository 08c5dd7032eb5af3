// What an edit is asked for: presets by name, or action units.
#pragma once
#include <string>
#include <vector>

#include "engine/io.h"
#include "models/ganimation/action_units.h"
#include "tools/command.h"

namespace sga {

struct ExpressionOptions {
  std::string presets;             ///< file; empty: those shipped
  std::vector<std::string> names;  ///< of presets
  std::string units;               ///< "12=0.8,6=0.5"
};
void add_expression_options(CLI::App& app, ExpressionOptions& options);

/// The presets of a file, or those shipped. Error if it cannot be read.
std::vector<Expression> presets_of(const std::string& file);
/// The presets named, and the units as "custom". Error on unknown ones, UsageError on one named twice.
std::vector<Expression> requested(const ExpressionOptions& options);

}  // namespace sga
