// Recorded numbers that tests compare with.
#pragma once
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace sga {

/// tests/golden/<name>, or <SGA_GOLDEN>/<name> where the source tree is not (the bundle).
inline std::string golden_path(const std::string& name) {
  const char* folder = std::getenv("SGA_GOLDEN");
  return std::string(folder ? folder : SGA_SOURCE_DIR "/tests/golden") + "/" + name;
}
inline nlohmann::json golden_json(const std::string& name) {
  std::ifstream file(golden_path(name));
  return nlohmann::json::parse(file);
}

}  // namespace sga
