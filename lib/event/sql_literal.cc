#include "event/sql_literal.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "event/value_sites.h"

namespace scry::event {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// Of 'x' from its first quote; 0 if it does not end, or goes on behind a line break.
size_t QuotedLength(std::string_view text, bool escapes) {
  size_t i = 1;
  for (;; ++i) {
    if (i >= text.size()) return 0;
    if (escapes && text[i] == '\\') {
      ++i;
    } else if (text[i] == '\'') {
      if (i + 1 < text.size() && text[i + 1] == '\'') {
        ++i;
      } else {
        break;
      }
    }
  }
  const size_t length = i + 1;
  bool line_break = false;
  for (i = length; i < text.size() && IsSpace(text[i]); ++i) line_break |= text[i] == '\n';
  return line_break && i < text.size() && text[i] == '\'' ? 0 : length;
}

size_t DollarLength(std::string_view text) {
  size_t tag_end = 1;
  while (tag_end < text.size() && IsWordByte(text[tag_end])) ++tag_end;
  if (tag_end >= text.size() || text[tag_end] != '$' || IsDigit(text[1])) return 0;
  const std::string_view tag = text.substr(0, tag_end + 1);
  const size_t close = text.find(tag, tag.size());
  return close == std::string_view::npos ? 0 : close + tag.size();
}

size_t NumberLength(std::string_view text) {
  size_t i = 0;
  if (!text.empty() && text[0] == '-') {
    for (i = 1; i < text.size() && IsSpace(text[i]);) ++i;
  }
  const size_t from = i;
  bool digit = false;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    const bool sign = (c == '+' || c == '-') && i > from && (text[i - 1] | 0x20) == 'e';
    if (!IsWordByte(c) && c != '.' && !sign) break;
    digit |= IsDigit(c);
  }
  const bool starts = from < text.size() && (IsDigit(text[from]) || text[from] == '.');
  return starts && digit ? i : 0;
}

bool SameWord(std::string_view word, std::string_view lower) {
  return std::equal(word.begin(), word.end(), lower.begin(), lower.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  });
}

size_t WordLength(std::string_view text) {
  size_t length = 0;
  while (length < text.size() && IsWordByte(text[length])) ++length;
  const std::string_view word = text.substr(0, length);
  const bool constant = SameWord(word, "true") || SameWord(word, "false") || SameWord(word, "null");
  return constant ? length : 0;
}

// One UTF-8 sequence, as \u and \U in E'' give it.
void AppendCodePoint(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xc0 | (code >> 6)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | (code >> 12)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | ((code >> 18) & 0x07)));
    out.push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  }
}

// Up to `digits_max` digits of base 8 or 16 from `at` on, which moves behind them.
uint32_t ReadDigits(std::string_view text, size_t& at, size_t digits_max, uint32_t base) {
  uint32_t value = 0;
  for (size_t i = 0; i < digits_max && at < text.size(); ++i, ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    const int digit = IsDigit(text[at])       ? c - '0'
                      : std::isxdigit(c) != 0 ? std::tolower(c) - 'a' + 10
                                              : 16;
    if (digit >= static_cast<int>(base)) break;
    value = value * base + static_cast<uint32_t>(digit);
  }
  return value;
}

// A backslash and what follows it, from `at` on.
void ReadEscape(std::string_view body, size_t& at, std::string& out) {
  const char c = body[++at];
  ++at;
  constexpr std::array<std::pair<char, char>, 5> kControls = {
      {{'b', '\b'}, {'f', '\f'}, {'n', '\n'}, {'r', '\r'}, {'t', '\t'}}};
  const auto* control = std::find_if(kControls.begin(), kControls.end(),
                                     [c](const auto& one) { return one.first == c; });
  if (control != kControls.end()) {
    out.push_back(control->second);
  } else if (c >= '0' && c <= '7') {
    out.push_back(static_cast<char>(ReadDigits(body, --at, 3, 8)));
  } else if (c == 'x') {
    out.push_back(static_cast<char>(ReadDigits(body, at, 2, 16)));
  } else if (c == 'u' || c == 'U') {
    AppendCodePoint(out, ReadDigits(body, at, c == 'u' ? 4 : 8, 16));
  } else {
    out.push_back(c);
  }
}

std::string Unquote(std::string_view body, bool escapes) {
  std::string out;
  for (size_t i = 0; i < body.size();) {
    if (escapes && body[i] == '\\' && i + 1 < body.size()) {
      ReadEscape(body, i, out);
    } else {
      out.push_back(body[i]);
      i += body.substr(i).starts_with("''") ? size_t{2} : size_t{1};
    }
  }
  return out;
}

}  // namespace

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

size_t CommentEnd(std::string_view text, size_t at) {
  if (text.substr(at, 2) == "--") return std::min(text.find('\n', at), text.size());
  if (text.substr(at, 2) != "/*") return at;
  int depth = 0;
  do {
    if (text.substr(at, 2) == "/*") {
      ++depth;
      at += 2;
    } else if (text.substr(at, 2) == "*/") {
      --depth;
      at += 2;
    } else {
      ++at;
    }
  } while (depth > 0 && at < text.size());
  return std::min(at, text.size());
}

size_t LiteralLength(std::string_view text, size_t offset) {
  if (offset >= text.size()) return 0;
  text.remove_prefix(offset);
  const char c = text[0];
  if (c == '\'') return QuotedLength(text, false);
  if ((c | 0x20) == 'e' && text.size() > 1 && text[1] == '\'') {
    const size_t quoted = QuotedLength(text.substr(1), true);
    return quoted == 0 ? 0 : quoted + 1;
  }
  if (c == '$') return text.size() > 1 ? DollarLength(text) : 0;
  const size_t number = NumberLength(text);
  return number != 0 ? number : WordLength(text);
}

std::optional<std::string> LiteralValue(std::string_view literal) {
  if (literal.empty() || LiteralLength(literal, 0) != literal.size()) return std::nullopt;
  const char c = literal[0];
  if (c == '\'') return Unquote(literal.substr(1, literal.size() - 2), false);
  if ((c | 0x20) == 'e' && literal[1] == '\'') {
    return Unquote(literal.substr(2, literal.size() - 3), true);
  }
  if (c == '$') {
    const size_t tag = literal.find('$', 1) + 1;
    return std::string(literal.substr(tag, literal.size() - 2 * tag));
  }
  if (SameWord(literal, "null")) return std::nullopt;
  std::string value;
  for (const char byte : literal) {
    if (!IsSpace(byte)) {
      value.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(byte))));
    }
  }
  return value;
}

}  // namespace scry::event
