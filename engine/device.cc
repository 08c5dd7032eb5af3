#include "engine/device.h"

#include <charconv>
#include <fstream>
#include <string>

#include "engine/memory.h"
#include "kernels/check.h"
#include "kernels/conv.h"
#include "kernels/cuda.h"

namespace sga {
namespace {

bool use_gpu = false;
Cuda chosen;
std::string gpu_name;
Precision current = Precision::fp32;

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

std::string described(const cuda::Device& d) {
  return d.name + " (" + std::to_string(d.memory >> 30) + " GiB, sm_" + std::to_string(d.major) +
         std::to_string(d.minor) + ")";
}

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw DeviceError(text.str());
}

// Takes GPU `wanted`, or for -1 the first that can run. "" or why there is none.
std::string take_gpu(int wanted) {
  if constexpr (kCudaBuilt) {
    // One device and one stream for the life of the process: captured steps and scratch belong to it.
    static int opened = -1;
    if (opened >= 0 && (wanted < 0 || wanted == opened)) {
      use_gpu = true;
      return "";
    }
    std::string why;
    const std::vector<cuda::Device> devices = cuda::devices(&why);
    for (const cuda::Device& d : devices) {
      if (wanted >= 0 && d.index != wanted) continue;
      const std::string refusal = cuda::refusal(d);
      if (refusal.empty()) {
        if (opened >= 0)
          return "GPU " + std::to_string(opened) + " is in use already; one process uses one GPU";
        opened = d.index;
        chosen = cuda::open(d.index);
        cuda::when_out_of_memory(release_cached_memory);
        gpu_name = "cuda:" + std::to_string(d.index) + ": " + described(d) + ", " + cuda::versions();
        use_gpu = true;
        return "";
      }
      why += (why.empty() ? "" : "; ") + described(d) + ": " + refusal;
    }
    if (wanted >= 0 && why.empty())
      why = "there is no GPU " + std::to_string(wanted) + ", only " + std::to_string(devices.size());
    return why;
  } else {
    (void)wanted;
    return "this build has no CUDA kernels; build it where there is a CUDA toolkit with cuDNN";
  }
}

void use_cpu() {
  use_gpu = false;
  if (current == Precision::tf32) current = Precision::fp32;
}

}  // namespace

std::string set_device(const std::string& name) {
  if (name == "cpu") {
    use_cpu();
    return device_description();
  }
  int index = -1;
  const bool numbered = name.rfind("cuda:", 0) == 0;
  if (numbered) {
    const char* end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + 5, end, index);
    if (error != std::errc{} || stop != end || index < 0) index = -2;
  }
  if (index == -2 || (!numbered && name != "cuda" && name != "auto"))
    fail("device: must be auto, cpu, cuda or cuda:N, got '", name, "'");
  const std::string why = take_gpu(index);
  if (why.empty()) {
    current = Precision::tf32;
    return device_description();
  }
  if (name != "auto") refuse("device: ", name, " cannot run here: ", why, "; use --device cpu or auto");
  use_cpu();
  return device_description() + (kCudaBuilt ? " (no GPU: " + why + ")" : "");
}

std::vector<std::string> list_devices() {
  std::vector<std::string> lines{"cpu: " + processor_name() + ", " + std::to_string(kernels::cpu_threads()) +
                                 " threads"};
  if constexpr (kCudaBuilt) {
    std::string why;
    for (const cuda::Device& d : cuda::devices(&why)) {
      const std::string refusal = cuda::refusal(d);
      lines.push_back("cuda:" + std::to_string(d.index) + ": " + described(d) +
                      (refusal.empty() ? "" : ", cannot run this build: " + refusal));
    }
    if (!why.empty()) lines.push_back("cuda: none, " + why);
  } else {
    lines.push_back("cuda: none, this build has no CUDA kernels");
  }
  return lines;
}

std::string device_description() {
  const std::string arithmetic = std::string(name_of(current)) + " convolutions";
  if (use_gpu) return gpu_name + ", " + arithmetic;
  return "cpu: " + processor_name() + ", " + std::to_string(kernels::cpu_threads()) + " threads, " +
         arithmetic;
}

void set_precision(Precision p) {
  if (!use_gpu && p == Precision::bf16 && !kernels::cpu_has_bf16())
    refuse(
        "precision: this processor has neither AVX512-BF16 nor AMX, so bf16 cannot run; use --precision "
        "fp32");
  if (!use_gpu && p == Precision::tf32)
    refuse("precision: tf32 is an arithmetic of GPUs and this runs on the CPU; use --precision fp32 or bf16");
  current = p;
}

Precision precision() { return current; }

Precision parse_precision(const std::string& name) {
  if (name == "auto") return use_gpu ? Precision::tf32 : Precision::fp32;
  for (const Precision p : {Precision::fp32, Precision::tf32, Precision::bf16})
    if (name == name_of(p)) return p;
  fail("precision: must be auto, fp32, tf32 or bf16, got '", name, "'");
}

const char* name_of(Precision p) {
  return p == Precision::fp32 ? "fp32" : p == Precision::tf32 ? "tf32" : "bf16";
}

bool on_gpu() { return use_gpu; }
Cuda gpu() {
  const Cuda main = gpu_without_waiting();
  if constexpr (kCudaBuilt) cuda::Graph::join(main);
  return main;
}
Cuda gpu_without_waiting() { return {chosen.stream, current}; }

}  // namespace sga
