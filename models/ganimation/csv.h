// Comma-separated tables (RFC 4180), read row by row from text of unknown origin.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/check.h"

namespace sga {

/// Reads one row after another. Cells lose blanks around them; a quoted cell may hold commas, line ends and
/// "" for a quote. Empty lines are skipped.
///   CsvReader csv(text, "faces.csv");
///   for (std::vector<std::string> cells; csv.next(cells);) ...
class CsvReader {
 public:
  /// `text` must outlive the reader; `name` is used in errors.
  CsvReader(std::string_view text, std::string name);
  /// False at the end. Error with the line on an unclosed quote, text after a closing quote, a row above 1
  /// MiB, or a NUL byte (not text).
  bool next(std::vector<std::string>& cells);
  /// Line (1-based) on which the row last read began.
  int64_t line() const { return row_line_; }
  const std::string& name() const { return name_; }

 private:
  std::string_view rest_;
  std::string name_;
  int64_t line_ = 1, row_line_ = 0;
};

/// The header of a table: which cell holds which column.
class CsvHeader {
 public:
  /// Reads the first row. Error if there is none or a column name comes twice.
  explicit CsvHeader(CsvReader& csv);
  /// Position of a column, or -1.
  int64_t find(std::string_view column) const;
  /// Positions of all of `columns`. Error listing every one that is missing.
  std::vector<size_t> require(const std::vector<std::string>& columns) const;
  size_t size() const { return columns_.size(); }

 private:
  std::string name_;
  std::vector<std::string> columns_;
};

/// A finite number that fills the whole cell; false otherwise.
bool parse_number(std::string_view cell, double& value);
bool parse_number(std::string_view cell, int64_t& value);

/// A cell as it is written: quoted where it holds a comma, quote or line end, and with a leading ' where a
/// spreadsheet would take it for a formula.
std::string csv_cell(std::string_view text);

}  // namespace sga
