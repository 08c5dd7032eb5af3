// Includes go down only: kernels <- engine <- layers <- optim <- models <- tools; tests and bench may include
// anything. A third-party header is known to the one place that wraps it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kLayers = {"kernels", "engine", "layers", "optim", "models", "tools"};

/// What begins a third-party include, and the files that may have it.
const std::map<std::string, std::regex> kThirdParty = {
    {"dnnl", std::regex("kernels/[a-z]+_onednn\\.cc")},
    {"oneapi/", std::regex("kernels/[a-z]+_onednn\\.cc")},
    {"stb", std::regex("engine/image\\.cc")},
    {"nlohmann/", std::regex("(engine/checkpoint|tools/run_folder|tools/page|tools/evaluate_(pairs|au|fid))\\.cc")},
    {"CLI/", std::regex("tools/command\\.h")},
    {"Eigen/", std::regex("models/evaluation/gaussian\\.cc")},
    {"opencv", std::regex("tools/(face_detector|kmeans|video)\\.cc")},
    {"gif_lib", std::regex("tools/gif\\.cc")},
    {"zlib", std::regex("tools/gzip\\.cc")},
    {"gtest/", std::regex("tests/.*")},
    {"benchmark/", std::regex("bench/.*")},
};

struct Include {
  std::string file, header;
  bool quoted;
};

std::vector<Include> includes_of_the_tree() {
  const fs::path root = SGA_SOURCE_DIR;
  const std::regex line_form("\\s*#\\s*include\\s*([<\"])([^>\"]+)[>\"].*");
  std::vector<Include> includes;
  for (const std::string& folder : kLayers) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string type = entry.path().extension().string();
      if (type != ".h" && type != ".cc" && type != ".cu" && type != ".cuh") continue;
      std::ifstream stream(entry.path());
      std::smatch match;
      for (std::string line; std::getline(stream, line);)
        if (std::regex_match(line, match, line_form))
          includes.push_back({fs::relative(entry.path(), root).string(), match[2], match[1] == "\""});
    }
  }
  return includes;
}

std::string first_folder(const std::string& path) { return path.substr(0, path.find('/')); }

/// Height of a folder; the tests and benches are above all.
size_t height(const std::string& folder) {
  return static_cast<size_t>(std::find(kLayers.begin(), kLayers.end(), folder) - kLayers.begin());
}

TEST(IncludeRule, OurOwnHeadersComeFromTheSameFolderOrBelow) {
  const std::vector<Include> includes = includes_of_the_tree();
  ASSERT_GT(includes.size(), 100u);
  for (const auto& [file, header, quoted] : includes) {
    if (!quoted) continue;
    EXPECT_TRUE(fs::exists(fs::path(SGA_SOURCE_DIR) / header))
        << file << ": \"" << header << "\" is not from the root";
    EXPECT_LE(height(first_folder(header)), height(first_folder(file)))
        << file << " includes upward: " << header;
  }
}

TEST(IncludeRule, TheTwoModelsDoNotKnowEachOther) {
  for (const auto& [file, header, quoted] : includes_of_the_tree()) {
    EXPECT_FALSE(file.starts_with("models/singan/") && header.starts_with("models/ganim"))
        << file << ": " << header;
    EXPECT_FALSE(file.starts_with("models/ganimation/") && header.starts_with("models/sing"))
        << file << ": " << header;
  }
}

TEST(IncludeRule, ThirdPartyHeadersStayInTheirPlace) {
  for (const auto& [file, header, quoted] : includes_of_the_tree()) {
    if (quoted) continue;
    for (const auto& [prefix, allowed] : kThirdParty) {
      const bool refused = header.starts_with(prefix) && !std::regex_match(file, allowed);
      EXPECT_FALSE(refused) << file << " includes " << header;
    }
  }
}

}  // namespace
