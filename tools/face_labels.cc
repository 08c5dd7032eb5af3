#include "tools/face_labels.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "models/ganimation/aus_files.h"
#include "models/ganimation/csv.h"
#include "tools/gzip.h"

namespace sga {
namespace {

void add_label(FaceLabels& labels, const std::string& key, FaceRow row) {
  const auto [at, first] = labels.by_key.try_emplace(key);
  FaceLabel& label = at->second;
  if (first)
    labels.order.push_back(key);
  else
    ++label.faces;
  if (first || row.confidence > label.row.confidence) label.row = std::move(row);
}

FaceLabels labels_of_folder(const LabelSource& source) {
  FaceLabels labels;
  labels.has_landmarks = true;
  size_t tables = 0, malformed = 0;
  std::string reason;
  std::set<int> missing_aus;
  for (const std::string& name : files_below(source.path)) {
    if (lower_extension(name) != ".csv") continue;
    ++tables;
    try {
      const FaceTable table = parse_openface(read_text(source.path / name), name, source.missing);
      labels.has_landmarks = labels.has_landmarks && table.has_landmarks;
      missing_aus.insert(table.missing_aus.begin(), table.missing_aus.end());
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
  SGA_CHECK(tables > 0, "labels: the folder ", source.path, " holds no .csv file");
  SGA_CHECK(malformed < tables, "labels: none of the ", tables, " files in ", source.path,
            " can be read; the last: ", reason);
  labels.missing_aus.assign(missing_aus.begin(), missing_aus.end());
  return labels;
}

/// The number at the end of a name without extension, or -1.
int64_t number_at_end(const std::string& key) {
  const size_t last = key.find_last_not_of("0123456789");
  int64_t value = -1;
  return parse_number(key.substr(last == std::string::npos ? 0 : last + 1), value) ? value : -1;
}

/// Gives every row the name of the picture that its frame is.
std::string name_frames(const LabelSource& source, const PictureSource& pictures,
                        std::vector<FaceRow>& rows) {
  std::set<int64_t> frames;
  for (const FaceRow& row : rows) frames.insert(row.frame);
  std::map<int64_t, size_t> by_number;
  bool numbered = true;
  for (size_t i = 0; i < pictures.count(); ++i) {
    const int64_t number = number_at_end(picture_key(pictures.name(i)));
    numbered = numbered && number >= 0 && by_number.emplace(number, i).second;
  }
  const auto count = static_cast<int64_t>(pictures.count()), last = frames.empty() ? 0 : *frames.rbegin();
  const bool inside = numbered && !by_number.empty() && by_number.rbegin()->first <= last;
  // In order: OpenFace's FeatureExtraction numbers the pictures of a folder from 1, sorted by name.
  const bool ordered = count == last;
  const bool agree =
      numbered && ordered && by_number.begin()->first == 1 && by_number.rbegin()->first == count;
  std::string way = source.frames;
  if (way == "auto") {
    SGA_CHECK(
        !(inside && ordered) || agree, "labels: the frames of ", source.path.filename().string(),
        " may belong to the pictures by the number in their names or by their order, and the two differ; say "
        "--frames number or --frames order");
    SGA_CHECK(inside || ordered, "labels: ", source.path.filename().string(), " has frames up to ", last,
              " and no image column, and ", "the ", count,
              " pictures neither carry such numbers in their names nor are as many; give the pictures of "
              "these frames, or a table with an image column");
    way = inside && !agree ? "number" : "order";
  }
  SGA_CHECK(way == "order" || numbered,
            "labels: --frames number needs a different number at the end of each picture's name");
  for (FaceRow& row : rows) {
    std::optional<size_t> picture;
    if (way == "order") {
      if (row.frame >= 1 && row.frame <= count) picture = static_cast<size_t>(row.frame - 1);
    } else if (const auto found = by_number.find(row.frame); found != by_number.end()) {
      picture = found->second;
    }
    row.image = picture ? pictures.name(*picture) : "frame " + std::to_string(row.frame);
  }
  return way;
}

}  // namespace

FaceTable read_face_table(const LabelSource& source) {
  const std::string name = source.path.filename().string();
  const Bytes file = read_file(source.path);
  if (file[0] == std::byte{0x80}) return parse_aus_pickle(file, name);
  const std::string text = gunzip_if_needed(file, name);
  const std::string_view first = std::string_view(text).substr(0, text.find('\n'));
  const bool csv = first.find(',') != std::string_view::npos || lower_extension(name) != ".txt";
  return csv ? parse_openface(text, name, source.missing) : parse_aus_text(text, name);
}

FaceLabels read_labels(const LabelSource& source, const PictureSource& pictures) {
  std::error_code ignored;
  if (fs::is_directory(source.path, ignored)) return labels_of_folder(source);
  FaceTable table = read_face_table(source);
  FaceLabels labels;
  if (!table.has_image && table.has_frame) {
    labels.matched = name_frames(source, pictures, table.rows);
  } else if (!table.has_image) {  // FaceLandmarkImg's table of one picture
    SGA_CHECK(pictures.count() == 1, source.path.filename().string(),
              ": these columns are missing: image; or give a folder with one CSV a picture");
    for (FaceRow& row : table.rows) row.image = pictures.name(0);
    for (RejectedRow& row : table.rejected) row.image = pictures.name(0);
  }
  labels.rejected = std::move(table.rejected);
  labels.has_landmarks = table.has_landmarks;
  labels.missing_aus = table.missing_aus;
  for (FaceRow& row : table.rows) {
    const std::string key = picture_key(row.image);
    add_label(labels, key, std::move(row));
  }
  return labels;
}

}  // namespace sga
