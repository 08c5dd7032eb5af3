// singan train --method gpnn: nothing to train, the same files.
#pragma once
#include "models/gpnn/model.h"
#include "tools/command.h"
#include "tools/run_folder.h"

namespace sga {

/// What this method has of its own.
void add_gpnn_options(CLI::App& train, gpnn::Config& config);
/// The coarsest level of GPNN is smaller than that of the others, unless --min-size was given. Before the
/// options are read or stored.
void set_gpnn_defaults(CLI::App& train);
/// True if prepare_gpnn has come to its end in this folder.
bool is_prepared(const RunFolder& run);
/// The model, its samples and the page, into the run's folder. `picture` is the name of the file.
void prepare_gpnn(const gpnn::Model& model, const RunFolder& run, const std::string& picture, bool quiet);

}  // namespace sga
