// Lines of a text report, as its sections write them: indented, broken at blanks, painted. Used by
// the sections in text_sections.h. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "report/text_writer.h"

namespace scry::report {

enum class Ink : unsigned char { kPlain, kBold, kDim, kRed, kGreen, kYellow };

inline constexpr size_t kColumnsMin = 40;
inline constexpr size_t kIndent = 2;
inline constexpr size_t kDetailIndent = 6;

// On one line, without control bytes.
std::string CleanLine(std::string_view text);

class TextPage {
 public:
  explicit TextPage(const TextOptions& options);

  size_t columns() const { return columns_; }
  std::string Take() { return std::move(out_); }

  std::string Paint(std::string_view text, Ink ink) const;
  void Line(std::string_view text);
  // Indented, broken at blanks.
  void Wrapped(std::string_view text, size_t indent, Ink ink, std::string_view bullet = {});
  void Detail(std::string_view text, Ink ink = Ink::kPlain) { Wrapped(text, kDetailIndent, ink); }
  void Heading(std::string_view title, std::string_view explanation = {});
  // The first `title.size()` bytes of a table's title line are its section's heading.
  void TableHeading(const std::string& line, std::string_view title);
  // "fidelity   99.6 % ...". Nothing for an empty text.
  void Fact(std::string_view name, std::string_view text);
  // "and 12 more".
  void TellRest(size_t count, size_t shown);

 private:
  const bool color_;
  const size_t columns_;
  std::string out_;
};

}  // namespace scry::report
