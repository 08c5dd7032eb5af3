// Action units, presets and the tables of OpenFace: what users type, edit and export.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/io.h"
#include "models/ganimation/action_units.h"
#include "models/ganimation/csv.h"
#include "models/ganimation/openface.h"
#include "tests/error_text.h"

namespace sga {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// ---- action units

TEST(ActionUnits, OrderAndNames) {
  EXPECT_EQ(index_of(1), 0);
  EXPECT_EQ(index_of(12), 8);
  EXPECT_EQ(index_of(45), 16);
  EXPECT_STREQ(action_unit_name(8), "Lip corner puller");
  EXPECT_STREQ(action_unit_name(16), "Blink");
  std::set<std::string> names;
  for (int i = 0; i < kActionUnitCount; ++i) names.insert(action_unit_name(i));
  EXPECT_EQ(names.size(), 17u);
  EXPECT_THROW(action_unit_name(17), Error);
}

TEST(ActionUnits, Parses) {
  for (const char* text : {"12=0.8,6=0.5", "AU12=.8 AU06=0.5", "12=8e-1, 6=.5"}) {
    const Expression e = parse_action_units(text);
    EXPECT_FLOAT_EQ(e.values[8], 0.8f) << text;
    EXPECT_FLOAT_EQ(e.values[4], 0.5f) << text;
    EXPECT_EQ(std::count(e.listed.begin(), e.listed.end(), true), 2) << text;
    EXPECT_EQ(to_text(e), "6=0.5,12=0.8") << text;
  }
  EXPECT_FLOAT_EQ(parse_action_units("12=1.25").values[8], 1.25f);
}

TEST(ActionUnits, RefusesBadInput) {
  EXPECT_TRUE(
      contains(error_text([] { parse_action_units("3=0.5"); }), "there is no AU 3; there are 1, 2, 4"));
  for (const char* text : {"", " ", "12", "12=", "=1", "12=nan", "12=inf", "12=1.3", "12=-0.1", "12=0.5x",
                           "smile=1", "1 2=3", "12=0.5,12=0.6", "99999999999=1", "12=0,5"})
    EXPECT_NE(error_text([&] { parse_action_units(text); }), "") << text;
}

TEST(Presets, FileAndLibraryAreEqual) {
  EXPECT_EQ(default_presets(), read_text(fs::path(SGA_SOURCE_DIR) / "models/ganimation/presets.txt"));
}

TEST(Presets, AreTheSpecifiedOnes) {
  const std::vector<Expression> presets = parse_presets(default_presets(), "presets.txt");
  const std::vector<std::pair<std::string, std::string>> want = {
      {"happiness", "6=0.6,12=0.8,25=0.5"},
      {"sadness", "1=0.6,4=0.5,15=0.5,17=0.4"},
      {"surprise", "1=0.7,2=0.7,5=0.5,25=0.6,26=0.7"},
      {"fear", "1=0.7,2=0.5,4=0.5,5=0.8,7=0.3,20=0.6,25=0.5,26=0.3"},
      {"anger", "4=0.8,5=0.6,7=0.6,17=0.4,23=0.6"},
      {"disgust", "4=0.3,9=0.7,10=0.6,17=0.4,25=0.2"},
      {"contempt", "R12=0.3,R14=0.6"}};
  ASSERT_EQ(presets.size(), want.size() + 1);
  for (const auto& [name, text] : want) EXPECT_EQ(to_text(find_preset(presets, name)), text);
  const Expression& neutral = find_preset(presets, "neutral");
  EXPECT_EQ(neutral.values, ActionUnits{});
  EXPECT_EQ(std::count(neutral.listed.begin(), neutral.listed.end(), true), 17);
  for (const Expression& preset : presets) EXPECT_NE(preset.source, "") << preset.name;
  EXPECT_TRUE(
      contains(error_text([&] { find_preset(presets, "joy"); }), "'joy'; there are neutral, happiness"));
}

TEST(Presets, ErrorsNameTheLine) {
  EXPECT_TRUE(contains(error_text([] { parse_presets("# a\n\nsmile 12=.8\r\nodd 3=1\n", "p.txt"); }),
                       "p.txt, line 4: "));
  EXPECT_TRUE(
      contains(error_text([] { parse_presets("a 12=1\na 6=1", "p.txt"); }), "line 2: 'a' is defined twice"));
  EXPECT_NE(error_text([] { parse_presets("Smile! 12=1", "p.txt"); }), "");
  EXPECT_NE(error_text([] { parse_presets("# nothing\n", "p.txt"); }), "");
  EXPECT_EQ(parse_presets("smile 12=.8 # from me\r\n", "p.txt").at(0).source, "from me");
}

// ---- CSV

std::vector<std::vector<std::string>> rows_of(std::string_view text) {
  CsvReader csv(text, "t.csv");
  std::vector<std::vector<std::string>> rows;
  for (std::vector<std::string> cells; csv.next(cells);) rows.push_back(cells);
  return rows;
}

TEST(Csv, ReadsRfc4180) {
  using Rows = std::vector<std::vector<std::string>>;
  EXPECT_EQ(rows_of("a, b ,c\r\n1,,3\n"), (Rows{{"a", "b", "c"}, {"1", "", "3"}}));
  EXPECT_EQ(rows_of("\xEF\xBB\xBF\"x, y\",\"say \"\"hi\"\"\"\n\n\"two\nlines\", z"),
            (Rows{{"x, y", "say \"hi\""}, {"two\nlines", "z"}}));
  EXPECT_EQ(rows_of("a,"), (Rows{{"a", ""}}));
  EXPECT_EQ(rows_of(""), Rows{});
}

TEST(Csv, RefusesWhatItCannotRead) {
  EXPECT_TRUE(contains(error_text([] { rows_of("a,b\n1,2\n\"3,4\n5,6\n"); }),
                       "t.csv, line 3: a quote is opened and not closed"));
  EXPECT_TRUE(contains(error_text([] { rows_of("\"a\"b,c"); }), "text follows a closing quote"));
  EXPECT_TRUE(contains(error_text([] { rows_of(std::string("a\0b,c", 5)); }), "not text"));
  EXPECT_TRUE(contains(error_text([] { rows_of(std::string(3 << 20, 'x')); }), "longer than 1 MiB"));
  EXPECT_TRUE(contains(error_text([] { rows_of(std::string("\"").append(3 << 20, '\n')); }),
                       "line 1: the row is longer"));
}

TEST(Csv, CellsSurviveTheRoundTrip) {
  for (const std::string text : {"plain", "a,b", "say \"hi\", \"you\"", "two\nlines", "\"", "\"\"", ""}) {
    const auto rows = rows_of("x," + csv_cell(text) + ",y");
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].at(1), text);
  }
  EXPECT_EQ(csv_cell("=1+1"), "'=1+1");  // a spreadsheet must not run it
}

// ---- OpenFace

/// The 17 or 18 columns AUxx_r or AUxx_c, with `blank` before each.
std::string au_columns(const std::string& blank, char kind, bool with28) {
  std::string text;
  for (int number : {1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45}) {
    if (number == 28 && !with28) continue;
    text.append(",")
        .append(blank)
        .append(number < 10 ? "AU0" : "AU")
        .append(std::to_string(number))
        .append("_");
    text.push_back(kind);
  }
  return text;
}

std::string numbers(const std::string& blank, size_t count, const std::string& value) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text.append(",").append(blank).append(value);
  return text;
}

TEST(OpenFace, FaceLandmarkImgLayout) {
  const std::string text = "face, confidence" + au_columns(" ", 'r', false) + au_columns(" ", 'c', true) +
                           "\n" + "0, 0.93" + numbers(" ", 17, "2.500") + numbers(" ", 18, "1") + "\n" +  //
                           "1, 0.98" + numbers(" ", 17, "0.000") + numbers(" ", 18, "0") + "\n";
  const FaceTable table = parse_openface(text, "a.csv");
  EXPECT_FALSE(table.has_image);
  EXPECT_TRUE(table.has_presence);
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_TRUE(table.rejected.empty());
  EXPECT_EQ(table.rows[0].face, 0);
  EXPECT_EQ(table.rows[0].line, 2);
  EXPECT_DOUBLE_EQ(table.rows[0].confidence, 0.93);
  EXPECT_FLOAT_EQ(table.rows[0].action_units()[8], 0.5f);
  EXPECT_TRUE(table.rows[0].presence[17]);
  EXPECT_EQ(table.rows[1].face, 1);
  EXPECT_FALSE(table.rows[1].presence[0]);
}

TEST(OpenFace, FeatureExtractionLayout) {
  // Hundreds of other columns, a face_id, and frames in which nobody was found.
  std::string header = "frame, face_id, timestamp, confidence, success";
  for (int i = 0; i < 676; ++i) header.append(", p_").append(std::to_string(i));
  const std::string text = header + au_columns(" ", 'r', false) + au_columns(" ", 'c', true) + "\n" +
                           "1, 0, 0.000, 0.98, 1" + numbers(" ", 676, "-1.5") + numbers(" ", 17, "1") +
                           numbers(" ", 18, "0") + "\n2, 3, 0.033, 0.02, 0" + numbers(" ", 676, "0") +
                           numbers(" ", 17, "0") + numbers(" ", 18, "0") + "\n";
  const FaceTable table = parse_openface(text, "video.csv");
  ASSERT_EQ(table.rows.size(), 1u);
  EXPECT_EQ(table.rows[0].frame, 1);
  EXPECT_FLOAT_EQ(table.rows[0].intensity[0], 1);
  ASSERT_EQ(table.rejected.size(), 1u);
  EXPECT_EQ(table.rejected[0].line, 3);
  EXPECT_TRUE(contains(table.rejected[0].reason, "success"));
}

TEST(OpenFace, RejectsRowsWithAReason) {
  const auto row = [](const std::string& image, const std::string& confidence, const std::string& au) {
    return image + "," + confidence + numbers("", 16, "0") + "," + au + "\n";
  };
  const std::string text = "image,confidence" + au_columns("", 'r', false) + "\n" +
                           row("ok.jpg", "0.9", "5") + row("nan.jpg", "0.9", "nan") +
                           row("inf.jpg", "0.9", "inf") + row("big.jpg", "0.9", "5.1") +
                           row("minus.jpg", "0.9", "-0.1") + row("words.jpg", "0.9", "strong") +
                           row("sure.jpg", "1.5", "1") + row("", "0.9", "1") + "short.jpg,0.9,1\n";
  const FaceTable table = parse_openface(text, "t.csv");
  ASSERT_EQ(table.rows.size(), 1u);
  EXPECT_EQ(table.rows[0].image, "ok.jpg");
  EXPECT_FLOAT_EQ(table.rows[0].action_units()[16], 1);
  ASSERT_EQ(table.rejected.size(), 8u);
  for (const RejectedRow& rejected : table.rejected) EXPECT_NE(rejected.reason, "") << rejected.image;
  EXPECT_EQ(table.rejected[0].image, "nan.jpg");
  EXPECT_EQ(table.rejected[0].line, 3);
  EXPECT_TRUE(contains(table.rejected[2].reason, "AU45_r '5.1' is not in [0,5]")) << table.rejected[2].reason;
}

TEST(OpenFace, ListsEveryMissingColumn) {
  const std::string error = error_text([] { parse_openface("image,AU01_r,AU02_r\na.jpg,1,2\n", "t.csv"); });
  EXPECT_TRUE(contains(error, "t.csv: these columns are missing: confidence, AU04_r")) << error;
  EXPECT_TRUE(contains(error, "AU45_r")) << error;
  EXPECT_TRUE(contains(error_text([] { parse_openface("", "t.csv"); }), "empty"));
  EXPECT_TRUE(contains(error_text([] { parse_openface("a,a\n", "t.csv"); }), "comes twice"));
}

TEST(OpenFace, OtherVersions) {
  // 14 intensities, as OpenFace 1 has them: refused, or zero and named.
  std::string header = "image,confidence,AU01_r,AU02_r";
  const std::string text = header + "\na.jpg,0.9,1,2\n";
  const std::string error = error_text([&] { parse_openface(text, "t.csv"); });
  EXPECT_TRUE(contains(error, "AU04_r, AU05_r")) << error;
  EXPECT_TRUE(contains(error, "--missing-aus zero takes absent action units as 0")) << error;
  const FaceTable table = parse_openface(text, "t.csv", MissingAus::zero);
  ASSERT_EQ(table.rows.size(), 1u);
  EXPECT_EQ(table.missing_aus.size(), 15u);
  EXPECT_EQ(table.missing_aus[0], 4);
  EXPECT_EQ(table.rows[0].intensity[1], 2);
  EXPECT_EQ(table.rows[0].intensity[8], 0);
  for (const char* other : {"image,confidence\na.jpg,1\n", "image,AU01_r\na.jpg,1\n"})
    EXPECT_NE(error_text([&] { parse_openface(other, "t.csv", MissingAus::zero); }), "") << other;
  EXPECT_TRUE(contains(error_text([] { parse_openface("image,AU12\na.jpg,1\n", "t.csv"); }),
                       "expected the table of OpenFace 2, run with -aus"));
  // More of them are passed over.
  const FaceTable more = parse_openface(
      "image,AU99_r,confidence" + au_columns("", 'r', false) + "\na.jpg,7,0.9" + numbers("", 17, "1") + "\n",
      "t.csv");
  ASSERT_EQ(more.rows.size(), 1u);
  EXPECT_EQ(more.rows[0].intensity[16], 1);
}

TEST(OpenFace, LandmarksAmongTheColumns) {
  std::string header = "frame, confidence";
  for (const char* axis : {", x_", ", y_"})
    for (int i = 0; i < 68; ++i) header += axis + std::to_string(i);
  header += au_columns(" ", 'r', false);
  const auto row = [](const std::string& point) {
    return "1, 0.9" + numbers(" ", 67, "3.5") + ", " + point + numbers(" ", 68, "7") + numbers(" ", 17, "1") +
           "\n";
  };
  const FaceTable table = parse_openface(header + "\n" + row("4.5") + row("nan"), "t.csv");
  EXPECT_TRUE(table.has_landmarks);
  EXPECT_TRUE(table.has_frame);
  ASSERT_EQ(table.rows.size(), 1u);
  ASSERT_TRUE(table.rows[0].landmarks);
  EXPECT_EQ(table.rows[0].landmarks->x[67], 4.5f);
  EXPECT_EQ(table.rows[0].landmarks->y[0], 7);
  ASSERT_EQ(table.rejected.size(), 1u);
  EXPECT_TRUE(contains(table.rejected[0].reason, "landmark"));
}

TEST(OpenFace, ReadsWhatItWrites) {
  ActionUnits values{};
  values[8] = 0.8f;
  values[16] = 0.123f;
  const FaceTable table = parse_openface(openface_header() + openface_line("a,b.png", 0.95, values), "t.csv");
  ASSERT_EQ(table.rows.size(), 1u);
  EXPECT_EQ(table.rows[0].image, "a,b.png");
  EXPECT_DOUBLE_EQ(table.rows[0].confidence, 0.95);
  for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(table.rows[0].action_units()[i], values[i], 1e-4);
}

TEST(Landmarks, ReadByName) {
  std::string header = "image", row = "a.jpg", bad = "b.jpg";
  for (int i = 0; i < 68; ++i) {  // interleaved, unlike in the files we know: only names count
    header.append(",y_").append(std::to_string(i)).append(",x_").append(std::to_string(i));
    row.append(",").append(std::to_string(200 + i)).append(",").append(std::to_string(100 + i)).append(".5");
    bad += ",1,nan";
  }
  std::vector<RejectedRow> rejected;
  const auto points = parse_landmarks(header + "\n" + row + "\n" + bad + "\n", "l.csv", rejected);
  ASSERT_EQ(points.size(), 1u);
  EXPECT_FLOAT_EQ(points.at("a.jpg").x[67], 167.5f);
  EXPECT_FLOAT_EQ(points.at("a.jpg").y[0], 200);
  ASSERT_EQ(rejected.size(), 1u);
  EXPECT_EQ(rejected[0].image, "b.jpg");
  EXPECT_TRUE(
      contains(error_text([&] { parse_landmarks("image,x_0\n", "l.csv", rejected); }), "missing: x_1"));
}

TEST(Identities, AreNumbers) {
  const auto people = parse_identities("image,identity\na.jpg,7\nb.jpg,0\n", "i.csv");
  EXPECT_EQ(people.at("a.jpg"), 7);
  EXPECT_EQ(people.at("b.jpg"), 0);
  EXPECT_TRUE(
      contains(error_text([] { parse_identities("image,identity\na.jpg,x\n", "i.csv"); }), "i.csv, line 2"));
  EXPECT_TRUE(
      contains(error_text([] { parse_identities("image,identity\na.jpg,-1\n", "i.csv"); }), "i.csv, line 2"));
}

TEST(ActionUnits, OneSideAlone) {
  const Expression smirk = parse_action_units("R12=0.3,AU6=.2,RAU14=.6");
  EXPECT_EQ(smirk.side, Side::right);
  for (int unit : {12, 14}) EXPECT_TRUE(smirk.one_sided[size_t(index_of(unit))]) << unit;
  EXPECT_FALSE(smirk.one_sided[size_t(index_of(6))]);
  EXPECT_EQ(to_text(smirk), "6=0.2,R12=0.3,R14=0.6");
  EXPECT_EQ(parse_action_units("L12=0.3").side, Side::left);
  EXPECT_EQ(parse_action_units("12=0.3").side, Side::both);
  EXPECT_TRUE(error_text([] { parse_action_units("R12=0.3,L14=0.6"); }).find("on the other side") !=
              std::string::npos);
  EXPECT_NE(error_text([] { parse_action_units("R12=0.3,12=0.6"); }), "");
  EXPECT_NE(error_text([] { parse_action_units("X12=0.3"); }), "");
}

}  // namespace
}  // namespace sga
