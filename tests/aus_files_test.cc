// Action units in the files of other projects: pickles of every protocol, text; and nothing of them is run.
#include "models/ganimation/aus_files.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "tests/error_text.h"
#include "tests/torch_bytes.h"

namespace sga {
namespace {

using Vector = std::vector<double>;

Vector values(int seed, size_t n = 17) {
  Vector v;
  for (size_t i = 0; i < n; ++i) v.push_back(0.25 * double((size_t(seed) + i) % 20));
  return v;
}

std::string raw(const Vector& v, int bytes = 8) {
  ByteWriter out;
  for (const double x : v)
    out.le(bytes == 8 ? std::bit_cast<uint64_t>(x) : std::bit_cast<uint32_t>(float(x)), bytes);
  return {reinterpret_cast<const char*>(out.bytes.data()), out.bytes.size()};
}

/// A pickle as numpy and Python write it, instruction by instruction.
class LabelPickle {
 public:
  /// Protocol 2 with the strings of Python 2, or 4 with those of Python 3.
  explicit LabelPickle(int protocol, int bytes = 8, const std::string& numpy = "numpy.core")
      : protocol_(protocol), bytes_(bytes), numpy_(numpy) {
    out_.be(0x80, 1).be(uint64_t(protocol), 1);
    if (protocol >= 4) out_.be(0x95, 1).le(0, 8);  // FRAME
  }
  LabelPickle& op(int code) {
    out_.be(uint64_t(code), 1);
    return *this;
  }
  LabelPickle& text(const std::string& s) {
    out_.be(protocol_ >= 4 ? 0x8c : 'U', 1).le(s.size(), 1).text(s);
    if (protocol_ >= 4) op(0x94);  // MEMOIZE
    return *this;
  }
  LabelPickle& global(const std::string& module, const std::string& name) {
    if (protocol_ >= 4) return text(module).text(name).op(0x93);
    out_.text("c" + module + "\n" + name + "\n");
    return *this;
  }
  LabelPickle& integer(int n) {
    out_.be('K', 1).le(uint64_t(n), 1);
    return *this;
  }
  LabelPickle& array(const Vector& v, const std::string& order = "<") {
    global(numpy_ + ".multiarray", "_reconstruct").global("numpy", "ndarray").integer(0).op(0x85);
    bytes("b").op(0x87).op('R').op('(').integer(1).integer(int(v.size())).op(0x85);
    global("numpy", "dtype").text(bytes_ == 8 ? "f8" : "f4").integer(0).integer(1).op(0x87).op('R');
    op('(').integer(3).text(order).op('N').op('N').op('N').integer(255).integer(255).integer(0).op('t').op(
        'b');
    return op(0x89).bytes(raw(v, bytes_)).op('t').op('b');
  }
  /// str of Python 2, bytes of Python 3.
  LabelPickle& bytes(const std::string& s) {
    out_.be(protocol_ >= 4 ? 'C' : 'U', 1).le(s.size(), 1).text(s);
    return *this;
  }
  Bytes done() {
    op('.');
    return out_.bytes;
  }

 private:
  int protocol_, bytes_;
  std::string numpy_;
  ByteWriter out_;
};

Bytes dict_pickle(int protocol, int count = 3) {
  LabelPickle p(protocol);
  p.op('}').op('(');
  for (int k = 0; k < count; ++k) p.text("face" + std::to_string(k)).array(values(k));
  return p.op('u').done();
}

void expect_values(const FaceRow& row, const Vector& want) {
  for (size_t i = 0; i < want.size(); ++i) EXPECT_FLOAT_EQ(row.intensity[i], float(want[i]));
}

TEST(AusPickle, TheOfficialDictionary) {
  for (const int protocol : {2, 4, 5}) {
    const FaceTable table = parse_aus_pickle(dict_pickle(protocol), "aus_openface.pkl");
    ASSERT_EQ(table.rows.size(), 3u) << protocol;
    EXPECT_TRUE(table.rejected.empty());
    EXPECT_TRUE(table.has_image);
    for (int k = 0; k < 3; ++k) {
      EXPECT_EQ(table.rows[size_t(k)].image, "face" + std::to_string(k));
      expect_values(table.rows[size_t(k)], values(k));
      EXPECT_EQ(table.rows[size_t(k)].confidence, 1);
    }
  }
}

TEST(AusPickle, ListsOfDictionaries) {
  for (const int bytes : {8, 4}) {
    LabelPickle p(4, bytes, "numpy._core");  // numpy 2
    p.op(']').op('(');
    for (int k = 0; k < 2; ++k)
      p.op('}')
          .op('(')
          .text("file_path")
          .text("a/" + std::to_string(k) + ".jpg")
          .text("aus")
          .array(values(k))
          .op('u');
    const FaceTable table = parse_aus_pickle(p.op('e').done(), "aus_dataset.pkl");
    ASSERT_EQ(table.rows.size(), 2u);
    EXPECT_EQ(table.rows[1].image, "a/1.jpg");
    expect_values(table.rows[1], values(1));
  }
}

TEST(AusPickle, OtherSpellings) {
  // Plain lists of numbers.
  LabelPickle list(2);
  list.op('}').text("a").op(']').op('(');
  for (int i = 0; i < 17; ++i) list.integer(i % 6);
  const FaceTable a = parse_aus_pickle(list.op('e').op('s').done(), "x.pkl");
  ASSERT_EQ(a.rows.size(), 1u);
  EXPECT_EQ(a.rows[0].intensity[5], 5);
  // bytes in protocol 2, as Python 3 writes them: encode(text, "latin1"), the text in UTF-8.
  const Vector v = values(4);
  std::string utf8;
  for (const char c : raw(v)) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x80)
      utf8 += c;
    else
      utf8 += {char(0xc0 | u >> 6), char(0x80 | (u & 0x3f))};
  }
  PickleWriter p;
  p.op('}')
      .text("b")
      .global("numpy.core.multiarray", "_reconstruct")
      .global("numpy", "ndarray")
      .integer(0)
      .op(0x85);
  p.text("b").op(0x87).op('R').op('(').integer(1).tuple({17}).global("numpy", "dtype").text("f8").integer(0);
  p.integer(1)
      .op(0x87)
      .op('R')
      .op(0x89)
      .global("_codecs", "encode")
      .text(utf8)
      .text("latin1")
      .op(0x86)
      .op('R');
  p.op('t').op('b').op('s');
  const FaceTable b = parse_aus_pickle(p.done(), "x.pkl");
  ASSERT_EQ(b.rows.size(), 1u);
  expect_values(b.rows[0], v);
  // _frombuffer, of protocol 5.
  LabelPickle five(5);
  five.op('}').text("c").global("numpy._core.numeric", "_frombuffer").op('(').bytes(raw(v));
  five.global("numpy", "dtype")
      .text("f8")
      .integer(0)
      .integer(1)
      .op(0x87)
      .op('R')
      .integer(17)
      .op(0x85)
      .text("C");
  const FaceTable c = parse_aus_pickle(five.op('t').op('R').op('s').done(), "x.pkl");
  ASSERT_EQ(c.rows.size(), 1u);
  expect_values(c.rows[0], v);
}

TEST(AusPickle, BadLabelsAreLeftOutAndNamed) {
  Vector nan = values(1), big = values(2), minus = values(3);
  nan[3] = std::nan("");
  big[16] = 5.01;
  minus[0] = -0.1;
  LabelPickle p(2);
  p.op('}').op('(').text("good").array(values(0)).text("nan").array(nan).text("big").array(big);
  p.text("minus").array(minus).text("short").array(values(0, 13)).text("none").op('N');
  p.text("turned").array(values(1), ">").integer(7).array(values(1));
  const FaceTable table = parse_aus_pickle(p.op('u').done(), "x.pkl");
  ASSERT_EQ(table.rows.size(), 1u);
  EXPECT_EQ(table.rows[0].image, "good");
  ASSERT_EQ(table.rejected.size(), 7u);
  EXPECT_EQ(table.rejected[0].reason, "the intensity of AU 5 is not in [0,5]");
  EXPECT_EQ(table.rejected[1].reason, "the intensity of AU 45 is not in [0,5]");
  EXPECT_EQ(table.rejected[3].reason, "its label has 13 numbers instead of 17");
}

std::string refusal(const Bytes& file) {
  return error_text([&] { parse_aus_pickle(file, "x.pkl"); });
}
void expect_part(const std::string& error, const std::string& part) {
  EXPECT_NE(error.find(part), std::string::npos) << error;
}

TEST(AusPickle, RefusesWhatHoldsNoLabels) {
  expect_part(refusal(LabelPickle(4).op('}').done()), "holds no picture");
  expect_part(refusal(LabelPickle(4).integer(3).done()), "holds no labels; expected a dict");
  expect_part(refusal(LabelPickle(2).op('}').text("a").array(values(0, 13)).op('s').done()),
              "no picture has a label of 17 numbers, the last has 13");
  expect_part(refusal(LabelPickle(4)
                          .op('}')
                          .text("a")
                          .global("posix", "system")
                          .text("ls")
                          .op(0x85)
                          .op('R')
                          .op('s')
                          .done()),
              "refers to posix.system, which a table of labels has no need of; nothing of it was run");
  expect_part(refusal(LabelPickle(6).op('}').done()), "no pickle of protocol 2 to 5");
  EXPECT_NE(refusal({}), "");
}

TEST(AusPickle, CutAndFlippedFilesAreNeverTakenForOthers) {
  for (const int protocol : {2, 4}) {
    const Bytes whole = dict_pickle(protocol, 1);
    for (size_t n = 0; n < whole.size(); ++n)
      EXPECT_NE(error_text([&] { parse_aus_pickle(std::span(whole).first(n), "x.pkl"); }), "") << n;
    for (size_t at = 0; at < whole.size(); ++at)
      for (int bit = 0; bit < 8; ++bit) {
        Bytes flipped = whole;
        flipped[at] ^= std::byte(1 << bit);
        try {
          const FaceTable table = parse_aus_pickle(flipped, "x.pkl");
          for (const FaceRow& row : table.rows)
            for (const float v : row.intensity) EXPECT_TRUE(v >= 0 && v <= 5);
        } catch (const Error&) {
        }
      }
  }
}

TEST(AusText, PictureAndSeventeenNumbers) {
  std::string line;
  for (int i = 0; i < 17; ++i) line += " " + std::to_string(i % 5) + ".50";
  for (const std::string& head : {std::string(), std::string("2\n"), "2\nAU01_r AU02_r\n" + std::string()}) {
    const FaceTable table = parse_aus_text(head + "22.jpg" + line + "\r\n66.jpg\t" + line + "\n\n", "t.txt");
    ASSERT_EQ(table.rows.size(), 2u) << head;
    EXPECT_EQ(table.rows[0].image, "22.jpg");
    EXPECT_EQ(table.rows[1].intensity[3], 3.5f);
    EXPECT_TRUE(table.rejected.empty());
  }
  const FaceTable table =
      parse_aus_text("a" + line + "\nb" + line + " 1\nc\nd" + line.substr(0, line.size() - 4) + "nan\ne" +
                         line.substr(0, line.size() - 4) + "9.0",
                     "t.txt");
  EXPECT_EQ(table.rows.size(), 1u);
  ASSERT_EQ(table.rejected.size(), 4u);
  EXPECT_EQ(table.rejected[0].line, 2);
  EXPECT_EQ(table.rejected[2].reason, "the intensity of AU 45 is not in [0,5]");
  expect_part(error_text([] { parse_aus_text("hello\nworld\nfoo bar\n", "t.txt"); }),
              "t.txt: no line holds a picture");
  expect_part(error_text([] { parse_aus_text(std::string("a\0b", 3), "t.txt"); }), "this is not text");
}

TEST(Lines, LoseTheirBlanks) {
  EXPECT_EQ(parse_lines(" a.jpg \r\n\n\tb c.jpg\n"), (std::vector<std::string>{"a.jpg", "b c.jpg"}));
  EXPECT_EQ(words_of(" a  b\tc\r"), (std::vector<std::string>{"a", "b", "c"}));
}

}  // namespace
}  // namespace sga
