// index.html: pictures, numbers and curves of a run, readable from disk without a server or a network.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/image.h"
#include "engine/io.h"

namespace sga {

/// A curve; points with a non-finite value are left out.
struct Series {
  std::string name;
  std::vector<double> x, y;
};
/// Series `keys` of metrics.jsonl over its field `x`, with the rows in which both are numbers. A cut last
/// line is ignored; a missing file gives empty series.
std::vector<Series> read_metrics(const fs::path& metrics_jsonl, const std::string& x,
                                 const std::vector<std::string>& keys);

/// Everything is escaped; parts appear in the order of the calls.
///   Page page("singan train");
///   page.table({{"picture", "birds.png"}, {"scales", "8"}});
///   page.pictures("Samples", {{"samples/0.png", "seed 0"}});
///   page.curves("Loss", read_metrics(run / "metrics.jsonl", "step", {"d_loss", "g_loss"}), "step");
///   page.write(run / "index.html");
class Page {
 public:
  struct Picture {
    std::string file;  ///< relative to the page; any characters
    std::string caption;
    std::string link{};  ///< where a click leads, relative to the page; empty: to the picture
  };
  explicit Page(std::string title);
  void heading(std::string_view text);
  void paragraph(std::string_view text);
  void table(const std::vector<std::pair<std::string, std::string>>& rows);
  /// Header row, then rows of equal length.
  void table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);
  void pictures(std::string_view heading, const std::vector<Picture>& pictures);
  /// A contact sheet or a strip: one picture over the whole width.
  void picture(const Picture& picture);
  /// Inline SVG with axes, labels and a legend; long series are thinned to their extremes.
  void curves(std::string_view heading, const std::vector<Series>& series, std::string_view x_label);
  /// The browser loads the page again every so often: for runs that are still going. 0 switches it off.
  void refresh_every(int seconds) { refresh_ = seconds; }

  /// Small diagrams side by side, each with its legend.
  struct Chart {
    std::string title;
    std::vector<Series> series;
    bool logarithmic = false;  ///< the y axis; points of 0 and below are left out
  };
  void charts(std::string_view heading, const std::vector<Chart>& charts, std::string_view x_label);

  std::string html() const;
  void write(const fs::path& file) const;

 private:
  std::string title_, body_;
  void legend(const std::vector<Series>& series);
  int refresh_ = 0;
};

/// A number with so many digits after the point, in any locale.
std::string fixed(double v, int digits);

std::string escape_html(std::string_view text);
/// Percent-encodes a relative path for src="" and href="".
std::string encode_path(std::string_view path);

constexpr int64_t kSheetGap = 6;                     ///< pixels between the cells of a sheet and around them
constexpr int64_t kMaxSheetPixels = kMaxPixels / 4;  ///< a sheet is to be looked at, and drawn in memory

/// What of a sheet a picture gets, without its label.
struct SheetCells {
  int64_t height, width;
  double shrunk;  ///< picture -> what is shown of it, at most 1
  /// A picture as it goes into a cell.
  Image fitted(const Image& image) const;
};
/// For `count` pictures of up to height x width in `columns`: cells of that size or, if the sheet would then
/// have more than kMaxSheetPixels or be larger than encode_png takes, as large as it allows. Error if there
/// are so many pictures (thousands in a row or column) that nothing would be left of them.
SheetCells sheet_cells(int64_t count, int64_t height, int64_t width, int64_t columns, bool labels);

/// One picture of many: cells of equal size (that of the largest picture, see sheet_cells), `columns` a row,
/// a label under each where `labels` is not empty (one a picture, cut to the cell's width). White background.
/// Error if there are no images or the number of labels is wrong.
Image contact_sheet(const std::vector<Image>& images, int64_t columns,
                    const std::vector<std::string>& labels = {});

}  // namespace sga
