// evaluate: how close generated pictures come to real ones.
#include "tools/evaluate.h"

int main(int argc, char** argv) {
  return sga::run_tool(
      argc, argv,
      {"evaluate", "Measures how close generated pictures come to real ones.", "the size of the pictures"},
      [](CLI::App& app) {
        sga::declare_swd(app);
        sga::declare_sifid(app);
        sga::declare_psnr(app);
        sga::declare_fid(app);
        sga::declare_au(app);
        sga::declare_au_train(app);
      });
}
