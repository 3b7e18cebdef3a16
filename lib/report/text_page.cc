#include "report/text_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "report/table.h"

namespace scry::report {

std::string CleanLine(std::string_view text) { return base::Printable(base::OneLine(text)); }

TextPage::TextPage(const TextOptions& options)
    : color_(options.color), columns_(std::max(options.columns, kColumnsMin)) {}

std::string TextPage::Paint(std::string_view text, Ink ink) const {
  if (!color_ || ink == Ink::kPlain) return std::string(text);
  static constexpr const char* kCodes[] = {"0", "1", "2", "1;31", "1;32", "1;33"};
  return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<size_t>(ink)], text);
}

void TextPage::Line(std::string_view text) {
  out_ += text;
  out_ += '\n';
}

void TextPage::Wrapped(std::string_view text, size_t indent, Ink ink, std::string_view bullet) {
  const size_t hang = indent + bullet.size();
  bool first = true;
  for (const std::string& line : Wrap(CleanLine(text), columns_ - hang)) {
    const std::string lead =
        first ? std::string(indent, ' ') + std::string(bullet) : std::string(hang, ' ');
    Line(lead + Paint(line, ink));
    first = false;
  }
}

void TextPage::Heading(std::string_view title, std::string_view explanation) {
  Line("");
  std::string line = Paint(title, Ink::kBold);
  if (!explanation.empty()) line += "  " + Paint(explanation, Ink::kDim);
  Line(line);
}

void TextPage::TableHeading(const std::string& line, std::string_view title) {
  Line("");
  Line(Paint(title, Ink::kBold) + Paint(std::string_view(line).substr(title.size()), Ink::kDim));
}

void TextPage::Fact(std::string_view name, std::string_view text) {
  constexpr size_t kNameWidth = 11;
  if (text.empty()) return;
  std::string lead = Shorten(name, kNameWidth - 1);
  lead.append(kNameWidth - DisplayWidth(lead), ' ');
  for (const std::string& line : Wrap(CleanLine(text), columns_ - kIndent - kNameWidth)) {
    Line("  " + Paint(lead, Ink::kDim) + line);
    lead.assign(kNameWidth, ' ');
  }
}

void TextPage::TellRest(size_t count, size_t shown) {
  if (count > shown) {
    Line("  " + Paint(fmt::format("and {} more", base::FormatCount(count - shown)), Ink::kDim));
  }
}

}  // namespace scry::report
