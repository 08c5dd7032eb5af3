#include "tools/face_sources.h"

#include <algorithm>
#include <cctype>

#include "engine/image.h"
#include "tools/gzip.h"
#include "tools/tar.h"

namespace sga {
namespace {

constexpr int64_t kMaxPictureBytes = int64_t{256} << 20;

std::string extension(const std::string& name) {
  const size_t dot = name.find_last_of('.');
  std::string ext = dot == std::string::npos ? "" : name.substr(dot);
  for (char& c : ext) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ext;
}

/// Regular files below `folder`, as paths relative to it.
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

void add_label(FaceLabels& labels, const std::string& key, FaceRow row) {
  const auto [at, first] = labels.by_key.try_emplace(key);
  FaceLabel& label = at->second;
  if (first)
    labels.order.push_back(key);
  else
    ++label.faces;
  if (first || row.confidence > label.row.confidence) label.row = std::move(row);
}

FaceLabels labels_of_folder(const fs::path& folder) {
  FaceLabels labels;
  size_t tables = 0, malformed = 0;
  std::string reason;
  for (const std::string& name : files_below(folder)) {
    if (extension(name) != ".csv") continue;
    ++tables;
    try {
      const FaceTable table = parse_openface(read_text(folder / name), name);
      for (FaceRow row : table.rows) {
        row.image = name;
        add_label(labels, picture_key(name), std::move(row));
      }
      for (RejectedRow row : table.rejected) {
        row.image = name;
        labels.rejected.push_back(std::move(row));
      }
    } catch (const Error& error) {
      ++malformed;
      reason = error.what();
      labels.rejected.push_back({name, 0, reason});
    }
  }
  SGA_CHECK(tables > 0, "labels: the folder ", folder, " holds no .csv file");
  SGA_CHECK(malformed < tables, "labels: none of the ", tables, " files in ", folder,
            " can be read; the last: ", reason);
  return labels;
}

}  // namespace

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
  const std::string base = slash == std::string::npos ? name : name.substr(slash + 1);
  return has_picture_name(base) || extension(base) == ".csv" ? base.substr(0, base.find_last_of('.')) : base;
}

FaceLabels read_labels(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return labels_of_folder(path);
  const std::string name = path.filename().string();
  FaceTable table = parse_openface(gunzip_if_needed(read_file(path), name), name);
  SGA_CHECK(table.has_image, name,
            ": these columns are missing: image; or give a folder with one CSV a picture");
  FaceLabels labels;
  labels.rejected = std::move(table.rejected);
  for (FaceRow& row : table.rows) {
    const std::string key = picture_key(row.image);
    add_label(labels, key, std::move(row));
  }
  return labels;
}

}  // namespace sga
