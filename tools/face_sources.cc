#include "tools/face_sources.h"

#include <algorithm>
#include <cctype>

#include "engine/image.h"
#include "tools/tar.h"

namespace sga {
namespace {

constexpr int64_t kMaxPictureBytes = int64_t{256} << 20;

}  // namespace

std::string lower_extension(const std::string& name) {
  const size_t dot = name.find_last_of('.');
  std::string ext = dot == std::string::npos ? "" : name.substr(dot);
  for (char& c : ext) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ext;
}

std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) names.push_back(it->path().lexically_relative(folder).generic_string());
  }
  SGA_CHECK(!error, "cannot read the folder ", folder, ": ", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

PictureSource::PictureSource(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    folder_ = path;
    for (std::string& name : files_below(path))
      if (has_picture_name(name)) pictures_.push_back({std::move(name), {}});
  } else {
    SGA_CHECK(fs::exists(path, ignored), "images: there is no folder or tar archive ", path);
    archive_ = MappedFile(path);
    for (TarEntry& entry : read_tar(archive_.bytes(), path.string()))
      if (has_picture_name(entry.name)) pictures_.push_back({std::move(entry.name), entry.bytes});
    std::stable_sort(pictures_.begin(), pictures_.end(),
                     [](const Picture& a, const Picture& b) { return a.name < b.name; });
  }
  SGA_CHECK(!pictures_.empty(), "images: ", path, " holds no JPEG, PNG or BMP picture");
}

Bytes PictureSource::read(size_t i) const {
  if (!folder_.empty()) return read_file(folder_ / pictures_[i].name, kMaxPictureBytes);
  return {pictures_[i].bytes.begin(), pictures_[i].bytes.end()};
}

std::string picture_key(const std::string& name) {
  const size_t slash = name.find_last_of("/\\");
  std::string base = slash == std::string::npos ? name : name.substr(slash + 1);
  if (has_picture_name(base) || lower_extension(base) == ".csv") base.resize(base.find_last_of('.'));
  constexpr std::string_view kAligned = "_aligned";
  if (base.size() > kAligned.size() && base.ends_with(kAligned)) base.resize(base.size() - kAligned.size());
  return base;
}

}  // namespace sga
