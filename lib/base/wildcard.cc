#include "base/wildcard.h"

#include <cstddef>

namespace scry::base {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool IsAny(char c) { return c == '*' || c == '%'; }

}  // namespace

bool WildcardMatch(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t any = std::string_view::npos;  // The last wildcard for any text ...
  size_t resume = 0;                    // ... and the text behind what it covers so far.
  while (t < text.size()) {
    if (p < pattern.size() && IsAny(pattern[p])) {
      any = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || Lower(pattern[p]) == Lower(text[t]))) {
      ++p;
      ++t;
    } else if (any != std::string_view::npos) {
      p = any + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && IsAny(pattern[p])) ++p;
  return p == pattern.size();
}

}  // namespace scry::base
