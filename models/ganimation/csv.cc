#include "models/ganimation/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace sga {
namespace {

constexpr size_t kMaxRow = 1 << 20;

bool blank(char c) { return c == ' ' || c == '\t'; }

template <class T>
bool parse(std::string_view cell, T& value) {
  T v{};
  const auto read = std::from_chars(cell.data(), cell.data() + cell.size(), v);
  if (cell.empty() || read.ec != std::errc{} || read.ptr != cell.data() + cell.size()) return false;
  value = v;
  return true;
}

}  // namespace

CsvReader::CsvReader(std::string_view text, std::string name) : rest_(text), name_(std::move(name)) {
  if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);  // byte order mark of spreadsheet programs
}

bool CsvReader::next(std::vector<std::string>& cells) {
  while (!rest_.empty() && (rest_[0] == '\n' || rest_[0] == '\r')) {
    line_ += rest_[0] == '\n';
    rest_.remove_prefix(1);
  }
  if (rest_.empty()) return false;
  row_line_ = line_;
  size_t used = 0, i = 0;
  for (bool more = true; more;) {
    if (cells.size() == used) cells.emplace_back();
    std::string& cell = cells[used++];
    cell.clear();
    while (i < rest_.size() && blank(rest_[i])) ++i;
    if (i < rest_.size() && rest_[i] == '"') {
      for (++i;; ++i) {
        SGA_CHECK(i < rest_.size(), name_, ", line ", row_line_, ": a quote is opened and not closed");
        SGA_CHECK(i < kMaxRow, name_, ", line ", row_line_,
                  ": the row is longer than 1 MiB; is a quote opened and not closed?");
        if (rest_[i] == '"' && !(i + 1 < rest_.size() && rest_[i + 1] == '"')) break;
        if (rest_[i] == '"') ++i;
        line_ += rest_[i] == '\n';
        cell += rest_[i];
      }
      ++i;
      while (i < rest_.size() && blank(rest_[i])) ++i;
      SGA_CHECK(i >= rest_.size() || rest_[i] == ',' || rest_[i] == '\n' || rest_[i] == '\r', name_,
                ", line ", row_line_, ": text follows a closing quote");
    } else {
      const size_t end = std::min(rest_.find_first_of(",\r\n", i), rest_.size());
      size_t last = end;
      while (last > i && blank(rest_[last - 1])) --last;
      cell.assign(rest_, i, last - i);
      i = end;
    }
    SGA_CHECK(i < kMaxRow, name_, ", line ", row_line_,
              ": the row is longer than 1 MiB; is this a CSV file?");
    SGA_CHECK(cell.find('\0') == std::string::npos, name_, ", line ", row_line_, ": this is not text");
    more = i < rest_.size() && rest_[i] == ',';
    if (more) ++i;
  }
  cells.resize(used);
  rest_.remove_prefix(i);
  return true;
}

CsvHeader::CsvHeader(CsvReader& csv) : name_(csv.name()) {
  SGA_CHECK(csv.next(columns_), name_, ": the file is empty; expected a row of column names");
  std::vector<std::string> sorted = columns_;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  SGA_CHECK(twice == sorted.end(), name_, ": the column '", twice == sorted.end() ? "" : *twice,
            "' comes twice");
}

int64_t CsvHeader::find(std::string_view column) const {
  const auto at = std::find(columns_.begin(), columns_.end(), column);
  return at == columns_.end() ? -1 : at - columns_.begin();
}

std::vector<size_t> CsvHeader::require(const std::vector<std::string>& columns) const {
  std::vector<size_t> places;
  std::string missing;
  for (const std::string& column : columns) {
    const int64_t at = find(column);
    if (at < 0) missing.append(missing.empty() ? "" : ", ").append(column);
    places.push_back(static_cast<size_t>(at));
  }
  SGA_CHECK(missing.empty(), name_, ": these columns are missing: ", missing);
  return places;
}

bool parse_number(std::string_view cell, double& value) { return parse(cell, value) && std::isfinite(value); }
bool parse_number(std::string_view cell, int64_t& value) { return parse(cell, value); }

std::string csv_cell(std::string_view text) {
  std::string cell(text);
  if (!cell.empty() && std::string_view("=+-@\t\r").find(cell[0]) != std::string_view::npos)
    cell.insert(0, 1, '\'');
  if (cell.find_first_of("\",\r\n") == std::string::npos) return cell;
  for (size_t at = cell.find('"'); at != std::string::npos; at = cell.find('"', at + 2))
    cell.insert(at, 1, '"');
  return '"' + cell + '"';
}

}  // namespace sga
