#include "tools/expressions.h"

namespace sga {

void add_expression_options(CLI::App& app, ExpressionOptions& options) {
  app.add_option("--preset", options.names, "Expressions by name, e.g. happiness,surprise")->delimiter(',');
  app.add_option("--au", options.units,
                 "Action units, e.g. 12=0.8,6=0.5; R12=0.3 on the person's right side alone");
  app.add_option("--presets", options.presets, "File of presets; empty: those shipped");
}

std::vector<Expression> presets_of(const std::string& file) {
  return file.empty() ? parse_presets(default_presets(), "presets.txt")
                      : parse_presets(read_text(file, 1 << 20), file);
}

std::vector<Expression> requested(const ExpressionOptions& options) {
  const std::vector<Expression> known = presets_of(options.presets);
  std::vector<Expression> result;
  for (const std::string& name : options.names) result.push_back(find_preset(known, name));
  if (!options.units.empty()) {
    result.push_back(parse_action_units(options.units));
    result.back().name = "custom";
  }
  for (size_t i = 0; i < result.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (result[i].name == result[k].name)
        throw UsageError("the expression " + result[i].name + " is asked for twice");
  return result;
}

}  // namespace sga
