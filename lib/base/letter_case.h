// ASCII letters in one case: keywords, names as SQL folds them, words of our own. Other bytes stay,
// whatever the locale.
#pragma once

#include <string>
#include <string_view>

namespace scry::base {

inline std::string LowerAscii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

inline std::string UpperAscii(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return upper;
}

}  // namespace scry::base
