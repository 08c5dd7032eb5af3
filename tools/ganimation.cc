// ganimation: train a model of facial expressions, edit photographs with it.
#include "tools/command.h"
#include "tools/ganimation_edit.h"
#include "tools/ganimation_import.h"
#include "tools/ganimation_train.h"

int main(int argc, char** argv) {
  return sga::run_tool(
      argc, argv, {"ganimation", "Edits the expression of a face by action units.", "--batch or --conv-dim"},
      [](CLI::App& app) {
        sga::declare_ganimation_train(app);
        sga::declare_ganimation_edit(app);
        sga::declare_ganimation_grid(app);
        sga::declare_ganimation_interpolate(app);
        sga::declare_ganimation_emotions(app);
        sga::declare_ganimation_sequence(app);
        sga::declare_ganimation_info(app);
        sga::declare_ganimation_export(app);
        sga::declare_ganimation_import(app);
      });
}
