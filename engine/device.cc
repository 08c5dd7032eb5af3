#include "engine/device.h"

#include <fstream>
#include <string>

#include "kernels/check.h"
#include "kernels/conv.h"

namespace sga {
namespace {
Precision current = Precision::fp32;

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown processor";
}
}  // namespace

void set_device(const std::string& name) {
  SGA_CHECK(name == "cpu" || name == "auto", "device: this build runs on the CPU only, got '", name,
            "'; use --device cpu or auto");
}

std::string device_description() {
  return "cpu: " + processor_name() + ", " + std::to_string(kernels::cpu_threads()) + " threads, " +
         (current == Precision::bf16 ? "bf16" : "fp32") + " convolutions";
}

void set_precision(Precision p) {
  SGA_CHECK(
      p != Precision::bf16 || kernels::cpu_has_bf16(),
      "precision: this processor has neither AVX512-BF16 nor AMX, so bf16 cannot run; use --precision fp32");
  current = p;
}

Precision precision() { return current; }

Precision parse_precision(const std::string& name) {
  if (name == "fp32") return Precision::fp32;
  if (name == "bf16") return Precision::bf16;
  fail("precision: must be fp32 or bf16, got '", name, "'");
}

}  // namespace sga
