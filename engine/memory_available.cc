// How much memory the host has left for this process.
#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "engine/memory.h"

namespace sga {
namespace {

namespace fs = std::filesystem;

// The number a file holds; none if it is not there or holds a word ("max").
std::optional<int64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  std::string word;
  int64_t value = 0;
  if (!(in >> word) || std::from_chars(word.data(), word.data() + word.size(), value).ec != std::errc{})
    return std::nullopt;
  return value;
}

// The number after `key`, in a file of lines "key number ...".
std::optional<int64_t> number_after(const fs::path& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string word;
    int64_t value = 0;
    if (words >> word && word == key && words >> value) return value;
  }
  return std::nullopt;
}

// Room below the limits of a control group and of those it lies in. `reclaimable`: key in memory.stat of file
// pages that the system drops when memory is short.
void narrow(int64_t& room, const fs::path& top, fs::path group, const char* limit, const char* usage,
            const char* reclaimable) {
  for (;; group = group.parent_path()) {
    const fs::path folder = top / group.relative_path();
    const auto most = number_in(folder / limit), used = number_in(folder / usage);
    if (most && used)
      room = std::min(room, *most - *used + number_after(folder / "memory.stat", reclaimable).value_or(0));
    if (!group.has_relative_path()) return;
  }
}

}  // namespace

int64_t available_host_memory(const fs::path& root) {
  const auto kilobytes = number_after(root / "proc/meminfo", "MemAvailable:");
  if (!kilobytes) return -1;
  int64_t room = *kilobytes * 1024;
  // A line of this file is "number:controllers:/path/of/group"; v2 has no controllers.
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const fs::path group = line.substr(second + 1), top = root / "sys/fs/cgroup";
    if (controllers == ",,")
      narrow(room, top, group, "memory.max", "memory.current", "inactive_file");
    else if (controllers.find(",memory,") != std::string::npos)
      narrow(room, top / "memory", group, "memory.limit_in_bytes", "memory.usage_in_bytes",
             "total_inactive_file");
  }
  return std::max(room, int64_t{0});
}

}  // namespace sga
