#include "models/ganimation/face_split.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace sga {
namespace {

/// splitmix64 of the seed and every character: spreads people evenly, the same on every machine.
uint64_t scatter(uint64_t seed, const std::string& key) {
  uint64_t h = seed;
  for (unsigned char c : key + '\n') {
    h += c + 0x9e3779b97f4a7c15;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
    h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
    h ^= h >> 31;
  }
  return h;
}

}  // namespace

void split_faces(std::span<FaceRecord* const> faces, double share, SplitBy by, uint64_t seed) {
  const auto group = [by](const FaceRecord& face) {
    return by == SplitBy::person && face.person >= 0 ? "person " + std::to_string(face.person)
                                                     : "picture " + face.name;
  };
  std::map<std::string, int64_t> sizes;
  for (const FaceRecord* face : faces) ++sizes[group(*face)];
  std::vector<std::pair<uint64_t, std::string>> order;
  for (const auto& [name, size] : sizes) order.emplace_back(scatter(seed, name), name);
  std::sort(order.begin(), order.end());
  std::set<std::string> train;
  double taken = 0;
  for (const auto& [hash, name] : order) {
    const auto size = static_cast<double>(sizes[name]);
    if (taken + 0.5 * size > share * static_cast<double>(faces.size())) break;
    taken += size;
    train.insert(name);
  }
  for (FaceRecord* face : faces) face->train = train.contains(group(*face));
}

}  // namespace sga
