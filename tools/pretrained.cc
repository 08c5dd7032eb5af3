#include "tools/pretrained.h"

namespace sga {

fs::path default_model() {
  const fs::path program = fs::read_symlink("/proc/self/exe");
  const fs::path name = "pretrained/ganimation.safetensors";
  // <source>/build/tools/program and <prefix>/bin/program
  const fs::path tried[] = {program.parent_path() / "../../models" / name,
                            program.parent_path() / "../share/singanimation" / name};
  for (const fs::path& path : tried)
    if (fs::exists(path)) return path.lexically_normal();
  fail("the default model is neither at ", tried[0].lexically_normal().string(), " nor at ",
       tried[1].lexically_normal().string(), "; give one with --model");
}

}  // namespace sga
