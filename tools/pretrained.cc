#include "tools/pretrained.h"

namespace sga {
namespace {

fs::path shipped(const char* name, const char* what, const char* option) {
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path();
  // <source>/build/tools/program and <prefix>/bin/program
  const fs::path tried[] = {program / "../../models/pretrained" / name,
                            program / "../share/singanimation/pretrained" / name};
  for (const fs::path& path : tried)
    if (fs::exists(path)) return path.lexically_normal();
  fail("the default ", what, " neither at ", tried[0].lexically_normal().string(), " nor at ",
       tried[1].lexically_normal().string(), "; give ", option);
}

}  // namespace

fs::path default_model() { return shipped("ganimation.safetensors", "model is", "one with --model"); }

fs::path default_inception() {
  return shipped("inception_stem.safetensors", "weights are", "some with --weights");
}

fs::path default_judge() { return shipped("au_judge.safetensors", "judge is", "one with --judge"); }

}  // namespace sga
