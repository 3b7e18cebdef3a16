#include "report/table.h"

#include <algorithm>

#include "base/terminal_width.h"
#include "base/units.h"

namespace scry::report {
namespace {

constexpr size_t kGap = 2;
constexpr size_t kShrinkMin = 12;  // Narrower says nothing; the line is too long instead.

void AppendCell(const std::string& cell, size_t width, Align align, std::string& line) {
  const size_t used = DisplayWidth(cell);
  const std::string blanks(width > used ? width - used : 0, ' ');
  line += align == Align::kRight ? blanks + cell : cell + blanks;
}

}  // namespace

size_t DisplayWidth(std::string_view text) { return base::TerminalWidth(text); }

std::string Shorten(std::string_view text, size_t columns_max) {
  if (DisplayWidth(text) <= columns_max) return std::string(text);
  if (columns_max == 0) return {};
  size_t columns = 0;
  size_t end = 0;
  while (end < text.size()) {
    const base::Character next = base::FrontCharacter(text.substr(end));
    if (columns + next.columns >= columns_max) break;
    columns += next.columns;
    end += next.bytes;
  }
  while (end > 0 && text[end - 1] == ' ') --end;
  return std::string(text.substr(0, end)) + "…";
}

std::vector<std::string> Wrap(std::string_view text, size_t columns_max) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const size_t blank = text.find(' ');
    const std::string_view word = text.substr(0, blank);
    text.remove_prefix(blank == std::string_view::npos ? text.size() : blank + 1);
    if (word.empty()) continue;
    if (!line.empty() && DisplayWidth(line) + 1 + DisplayWidth(word) > columns_max) {
      lines.push_back(std::move(line));
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

void Table::AddRow(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = base::Printable(cell);
  rows_.push_back(std::move(cells));
}

std::vector<std::string> Table::Lines(size_t columns_max) const {
  std::vector<std::vector<std::string>> rows;
  if (std::any_of(columns_.begin(), columns_.end(),
                  [](const TableColumn& column) { return !column.title.empty(); })) {
    std::vector<std::string> titles;
    for (const TableColumn& column : columns_) titles.push_back(column.title);
    rows.push_back(std::move(titles));
  }
  rows.insert(rows.end(), rows_.begin(), rows_.end());
  std::vector<size_t> widths(columns_.size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  size_t total = indent_ + (columns_.empty() ? 0 : (columns_.size() - 1) * kGap);
  for (const size_t width : widths) total += width;
  for (size_t i = 0; i < columns_.size() && columns_max != 0 && total > columns_max; ++i) {
    if (!columns_[i].shrinks) continue;
    const size_t floor = std::min(widths[i], kShrinkMin);
    const size_t shrunk = widths[i] - std::min(widths[i] - floor, total - columns_max);
    total -= widths[i] - shrunk;
    widths[i] = shrunk;
  }
  std::vector<std::string> lines;
  for (const auto& row : rows) {
    std::string line(indent_, ' ');
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line.append(kGap, ' ');
      AppendCell(Shorten(row[i], widths[i]), widths[i], columns_[i].align, line);
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace scry::report
