#include "models/ganimation/openface.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "models/ganimation/csv.h"

namespace sga {
namespace {

std::string column(int action_unit, char kind) {
  std::string name = "AU00_";
  name[2] = static_cast<char>('0' + action_unit / 10);
  name[3] = static_cast<char>('0' + action_unit % 10);
  return name + kind;
}

std::vector<std::string> columns(char kind) {
  std::vector<std::string> names;
  for (int number : kActionUnitNumbers) names.push_back(column(number, kind));
  return names;
}

/// The column with the name of the picture, or -1.
int64_t image_column(const CsvHeader& header) {
  const int64_t image = header.find("image");
  return image >= 0 ? image : header.find("file");
}

/// Three decimals, as OpenFace writes; independent of the locale.
std::string three_decimals(double v) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, v, std::chars_format::fixed, 3).ptr};
}

/// Where the cells of a row are.
struct Columns {
  Columns(const CsvHeader& header, const std::string& name, MissingAus missing)
      : image(image_column(header)),
        face(header.find("face")),
        frame(header.find("frame")),
        success(header.find("success")),
        width(header.size()) {
    std::string lacking;
    const auto find = [&](const std::string& wanted) {
      const int64_t at = header.find(wanted);
      if (at < 0) lacking.append(lacking.empty() ? "" : ", ").append(wanted);
      return at;
    };
    confidence = find("confidence");
    const bool no_confidence = confidence < 0;
    for (int number : kActionUnitNumbers) intensity.push_back(find(column(number, 'r')));
    for (size_t i = 0; i < kActionUnitCount; ++i)
      if (intensity[i] < 0) missing_aus.push_back(kActionUnitNumbers[i]);
    const bool none = missing_aus.size() == kActionUnitCount;
    SGA_CHECK(lacking.empty() || (missing == MissingAus::zero && !none && !no_confidence), name,
              ": these columns are missing: ", lacking,
              none ? "; expected the table of OpenFace 2, run with -aus"
                   : "; another version of OpenFace? --missing-aus zero takes absent action units as 0");
    if (face < 0) face = header.find("face_id");
    for (int number : kActionUnitNumbers) presence.push_back(header.find(column(number, 'c')));
    presence.push_back(header.find(column(28, 'c')));
    for (int64_t at : presence) has_presence = has_presence && at >= 0;
    for (const char* axis : {"x_", "y_"})
      for (int i = 0; i < 68; ++i) landmarks.push_back(header.find(axis + std::to_string(i)));
    for (int64_t at : landmarks) has_landmarks = has_landmarks && at >= 0;
  }
  int64_t image, face, frame, success, confidence = -1;
  size_t width;
  std::vector<int64_t> intensity, presence, landmarks;  // -1: absent
  std::vector<int> missing_aus;
  bool has_presence = true, has_landmarks = true;
};

/// Fills `row`; returns why it cannot be used, or "".
std::string read_row(const std::vector<std::string>& cells, const Columns& at, FaceRow& row) {
  if (cells.size() != at.width)
    return "the row has " + std::to_string(cells.size()) + " cells, the header " + std::to_string(at.width);
  const auto cell = [&](int64_t i) -> const std::string& { return cells[static_cast<size_t>(i)]; };
  if (at.face >= 0 && !parse_number(cell(at.face), row.face))
    return "the face number '" + cell(at.face) + "' is none";
  if (at.frame >= 0 && !parse_number(cell(at.frame), row.frame))
    return "the frame '" + cell(at.frame) + "' is no number";
  if (at.success >= 0 && cell(at.success) != "1") return "OpenFace did not find the face (success is not 1)";
  if (!parse_number(cell(at.confidence), row.confidence) || row.confidence < 0 || row.confidence > 1)
    return "the confidence '" + cell(at.confidence) + "' is not in [0,1]";
  for (size_t i = 0; i < kActionUnitCount; ++i) {
    if (at.intensity[i] < 0) continue;
    const std::string& text = cell(at.intensity[i]);
    double v = 0;
    if (!parse_number(text, v) || v < 0 || v > 5)
      return column(kActionUnitNumbers[i], 'r') + " '" + text + "' is not in [0,5]";
    row.intensity[i] = static_cast<float>(v);
  }
  for (size_t i = 0; at.has_presence && i < row.presence.size(); ++i) {
    double v = 0;
    if (!parse_number(cell(at.presence[i]), v) || (v != 0 && v != 1))
      return "a presence column holds '" + cell(at.presence[i]) + "' instead of 0 or 1";
    row.presence[i] = v == 1;
  }
  if (at.has_landmarks) {
    row.landmarks.emplace();
    for (size_t i = 0; i < 136; ++i) {
      double v = 0;
      if (!parse_number(cell(at.landmarks[i]), v) || std::abs(v) >= 1e6)
        return "the landmark '" + cell(at.landmarks[i]) + "' is no place in a picture";
      (i < 68 ? row.landmarks->x[i] : row.landmarks->y[i - 68]) = static_cast<float>(v);
    }
  }
  return "";
}

}  // namespace

ActionUnits FaceRow::action_units() const {
  ActionUnits values;
  for (size_t i = 0; i < kActionUnitCount; ++i) values[i] = intensity[i] / 5;
  return values;
}

FaceTable parse_openface(std::string_view text, const std::string& name, MissingAus missing) {
  CsvReader csv(text, name);
  const CsvHeader header(csv);
  const Columns at(header, name, missing);
  FaceTable table;
  table.has_image = at.image >= 0;
  table.has_frame = at.frame >= 0;
  table.has_presence = at.has_presence;
  table.has_landmarks = at.has_landmarks;
  table.missing_aus = at.missing_aus;
  for (std::vector<std::string> cells; csv.next(cells);) {
    FaceRow row;
    row.line = csv.line();
    if (table.has_image && static_cast<size_t>(at.image) < cells.size())
      row.image = cells[static_cast<size_t>(at.image)];
    std::string reason = read_row(cells, at, row);
    if (reason.empty() && table.has_image && row.image.empty()) reason = "the name of the picture is empty";
    if (reason.empty())
      table.rows.push_back(std::move(row));
    else
      table.rejected.push_back({row.image, row.line, std::move(reason)});
  }
  return table;
}

std::unordered_map<std::string, Landmarks> parse_landmarks(std::string_view text, const std::string& name,
                                                           std::vector<RejectedRow>& rejected) {
  CsvReader csv(text, name);
  const CsvHeader header(csv);
  std::vector<std::string> names;
  for (const char* axis : {"x_", "y_"})
    for (int i = 0; i < 68; ++i) names.push_back(std::string(axis).append(std::to_string(i)));
  if (image_column(header) < 0) names.insert(names.begin(), "image");
  const std::vector<size_t> at = header.require(names);
  const auto image = static_cast<size_t>(image_column(header));
  std::unordered_map<std::string, Landmarks> points;
  for (std::vector<std::string> cells; csv.next(cells);) {
    Landmarks p;
    bool good = cells.size() == header.size() && !cells[image].empty();
    for (size_t i = 0; good && i < 136; ++i) {
      double v = 0;
      good = parse_number(cells[at[i]], v) && std::abs(v) < 1e6;
      (i < 68 ? p.x[i] : p.y[i - 68]) = static_cast<float>(v);
    }
    if (good)
      points.emplace(cells[image], p);
    else
      rejected.push_back(
          {image < cells.size() ? cells[image] : "", csv.line(), "its landmarks are not 136 numbers"});
  }
  return points;
}

std::unordered_map<std::string, int64_t> parse_identities(std::string_view text, const std::string& name) {
  CsvReader csv(text, name);
  const CsvHeader header(csv);
  const std::vector<size_t> at = header.require({"image", "identity"});
  std::unordered_map<std::string, int64_t> people;
  for (std::vector<std::string> cells; csv.next(cells);) {
    int64_t person = -1;
    SGA_CHECK(cells.size() == header.size() && parse_number(cells[at[1]], person) && person >= 0, name,
              ", line ", csv.line(), ": expected a picture and the number of a person");
    people[cells[at[0]]] = person;
  }
  return people;
}

std::string openface_header() {
  std::string text = "image,confidence";
  for (const char kind : {'r', 'c'})
    for (const std::string& name : columns(kind)) text.append(",").append(name);
  return text + "\n";
}

std::string openface_line(std::string_view image, double confidence, const ActionUnits& values) {
  std::string text = csv_cell(image) + "," + three_decimals(confidence);
  for (float v : values) text.append(",").append(three_decimals(std::min(5.0f, v * 5)));
  for (float v : values) text.append(v * 5 >= 1 ? ",1" : ",0");
  return text + "\n";
}

}  // namespace sga
