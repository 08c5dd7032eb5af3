#include "tools/face_layouts.h"

#include <algorithm>

#include "models/ganimation/aus_files.h"
#include "models/ganimation/csv.h"
#include "tools/face_sources.h"

namespace sga {
namespace {

/// The first of `names` there is below `root`, or an empty path.
fs::path first_of(const fs::path& root, std::initializer_list<const char*> names) {
  std::error_code ignored;
  for (const char* name : names)
    if (fs::exists(root / name, ignored)) return root / name;
  return {};
}

fs::path required(const fs::path& root, std::initializer_list<const char*> names, const char* what) {
  const fs::path found = first_of(root, names);
  std::string tried;
  for (const char* name : names) tried.append(tried.empty() ? "" : ", ").append(name);
  SGA_CHECK(!found.empty(), "images: ", root, " holds no ", what, "; looked for ", tried);
  return found;
}

/// Lines of a picture and whole numbers, with blanks or commas between; those at the front that are none (a
/// count, column names) are passed over.
std::vector<std::pair<std::string, std::vector<int64_t>>> number_lines(const fs::path& path, size_t numbers) {
  std::vector<std::pair<std::string, std::vector<int64_t>>> rows;
  int64_t number = 0;
  for (std::string line : parse_lines(read_text(path))) {
    ++number;
    std::replace(line.begin(), line.end(), ',', ' ');
    const std::vector<std::string> words = words_of(line);
    std::vector<int64_t> values(numbers);
    bool good = words.size() == numbers + 1;
    for (size_t i = 0; good && i < numbers; ++i) good = parse_number(words[i + 1], values[i]);
    SGA_CHECK(good || (number <= 2 && rows.empty()), path, ", line ", number, ": expected a picture and ",
              numbers, " whole numbers");
    if (good) rows.emplace_back(picture_key(words[0]), std::move(values));
  }
  SGA_CHECK(!rows.empty(), path, ": no line holds a picture and ", numbers, " whole numbers");
  return rows;
}

/// Left and right as one sees them.
FaceAnchors ordered(Point a, Point b, Point mouth_a, Point mouth_b) {
  if (a.x > b.x) std::swap(a, b);
  return {a, b, {(mouth_a.x + mouth_b.x) / 2, (mouth_a.y + mouth_b.y) / 2}};
}

FaceLayout celeba(const fs::path& root) {
  FaceLayout layout;
  layout.images =
      required(root, {"img_align_celeba", "Img/img_align_celeba", "img_align_celeba.tar", "images.tar"},
               "aligned CelebA pictures");
  if (const fs::path file = first_of(root, {"identity_CelebA.txt", "Anno/identity_CelebA.txt"});
      !file.empty())
    for (const auto& [key, v] : number_lines(file, 1)) layout.people[key] = v[0];
  if (const fs::path file = first_of(
          root, {"list_eval_partition.txt", "Eval/list_eval_partition.txt", "list_eval_partition.csv"});
      !file.empty())
    for (const auto& [key, v] : number_lines(file, 1)) layout.train[key] = v[0] == 0;
  if (const fs::path file =
          first_of(root, {"list_landmarks_align_celeba.txt", "Anno/list_landmarks_align_celeba.txt",
                          "list_landmarks_align_celeba.csv"});
      !file.empty())
    for (const auto& [key, v] : number_lines(file, 10)) {
      const auto point = [&](size_t i) {
        return Point{static_cast<double>(v[2 * i]), static_cast<double>(v[2 * i + 1])};
      };
      layout.anchors[key] = ordered(point(0), point(1), point(3), point(4));
    }
  return layout;
}

FaceLayout raf_db(const fs::path& root) {
  FaceLayout layout;
  layout.images =
      required(root, {"basic/Image/original", "Image/original", "basic/Image/aligned", "Image/aligned"},
               "RAF-DB pictures");
  const bool original = layout.images.filename() == "original";
  if (!original) layout.crop = "whole";  // 100x100, cut and aligned by the data set's makers
  for (const std::string& name : files_below(layout.images)) {
    const std::string key = picture_key(name);
    if (key.starts_with("train_") || key.starts_with("test_")) layout.train[key] = key.starts_with("train_");
  }
  const fs::path manual = first_of(root, {"basic/Annotation/manual", "Annotation/manual"});
  if (manual.empty() || !original) return layout;
  for (const std::string& name : files_below(manual)) {
    constexpr std::string_view kEnding = "_manu_attri.txt";
    if (!name.ends_with(kEnding)) continue;
    std::vector<Point> points;
    for (const std::string& line : parse_lines(read_text(manual / name, 1 << 16))) {
      const std::vector<std::string> words = words_of(line);
      Point p;
      if (words.size() != 2 || !parse_number(words[0], p.x) || !parse_number(words[1], p.y)) break;
      points.push_back(p);
    }
    if (points.size() == 5)
      layout.anchors[name.substr(0, name.size() - kEnding.size())] =
          ordered(points[0], points[1], points[3], points[4]);
  }
  return layout;
}

FaceLayout official(const fs::path& root) {
  FaceLayout layout;
  layout.images = first_of(root, {"imgs"});
  if (layout.images.empty()) layout.images = root;
  layout.labels =
      required(root, {"aus_openface.pkl", "aus.pkl", "aus_dataset.pkl"}, "pickle of action units");
  layout.crop = "whole";
  for (const bool train : {false, true})
    if (const fs::path file = first_of(root, {train ? "train_ids.csv" : "test_ids.csv"}); !file.empty())
      for (const std::string& line : parse_lines(read_text(file))) layout.train[picture_key(line)] = train;
  return layout;
}

}  // namespace

FaceLayout read_layout(const std::string& kind, const fs::path& root) {
  if (kind == "celeba") return celeba(root);
  if (kind == "raf-db") return raf_db(root);
  if (kind == "ganimation") return official(root);
  SGA_CHECK(kind == "plain", "images: the layouts are plain, celeba, raf-db and ganimation, got '", kind,
            "'");
  FaceLayout layout;
  layout.images = root;
  return layout;
}

}  // namespace sga
