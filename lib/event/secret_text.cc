#include "event/secret_text.h"

#include <algorithm>
#include <cctype>
#include <cstddef>

#include "base/letter_case.h"
#include "event/sql_literal.h"

namespace scry::event {
namespace {

constexpr std::string_view kHidden = "***";
// Bodies in constants in bodies.
constexpr int kDepthMax = 8;

bool IsWordStart(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isalpha(byte) != 0 || c == '_' || byte >= 0x80;
}
bool IsWordPart(char c) {
  return IsWordStart(c) || std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '$';
}

// Quick, as every statement of a capture comes by: few have a w.
bool MentionsPassword(std::string_view text) {
  for (const char letter : {'w', 'W'}) {
    for (size_t at = text.find(letter); at != std::string_view::npos;
         at = text.find(letter, at + 1)) {
      if (at >= 4 && base::StartsWithInAnyCase(text.substr(at - 4), "password")) return true;
    }
  }
  return false;
}

bool MayHoldSecrets(std::string_view text) {
  return text.find("://") != std::string_view::npos || MentionsPassword(text);
}

// Bytes of the value that begins `text`: up to a blank, or within quotes; '&' ends one of a URI.
size_t ValueLength(std::string_view text) {
  const bool quoted = text.starts_with("'");
  size_t at = quoted ? 1 : 0;
  while (at < text.size()) {
    if (quoted ? text[at] == '\'' : IsBlank(text[at]) || text[at] == '&') break;
    at += text[at] == '\\' ? 2U : 1U;
  }
  return std::min(at + (quoted ? 1 : 0), text.size());
}

// Of "postgresql://app:abc@db".
void HideInUri(std::string& text) {
  const size_t scheme = text.find("://");
  if (scheme == std::string::npos) return;
  const size_t at = text.find('@', scheme);
  const size_t colon = text.find(':', scheme + 3);
  if (at != std::string::npos && colon < at) text.replace(colon + 1, at - colon - 1, kHidden);
}

// Of "host=db password=abc" and "?password=abc".
std::string WithoutPairs(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\r";
  const std::string upper = base::UpperAscii(text);
  std::string hidden;
  size_t copied = 0;
  for (size_t key = upper.find("PASSWORD"); key != std::string::npos;
       key = upper.find("PASSWORD", std::max(copied, key + 1))) {
    const size_t equals = text.find_first_not_of(kBlanks, key + 8);
    if (equals == std::string::npos || text[equals] != '=') continue;
    const size_t from = std::min(text.find_first_not_of(kBlanks, equals + 1), text.size());
    hidden.append(text, copied, from - copied).append(kHidden);
    copied = from + ValueLength(text.substr(from));
  }
  return hidden.append(text, copied);
}

std::string WithoutConnectionSecret(std::string_view content) {
  std::string hidden(content);
  HideInUri(hidden);
  return WithoutPairs(hidden);
}

// Copies `text`, word by word and constant by constant.
class Hiding {
 public:
  Hiding(std::string_view text, int depth) : text_(text), depth_(depth) {}

  std::optional<std::string> Run() {
    while (at_ < text_.size()) Step();
    if (!changed_) return std::nullopt;
    return std::move(out_);
  }

 private:
  void Step() {
    const char c = text_[at_];
    if (IsBlank(c)) return Copy(1);
    if (const size_t end = CommentEnd(text_, at_); end > at_) return Copy(end - at_);
    const size_t prefix = PrefixLength();
    if (at_ + prefix < text_.size() && text_[at_ + prefix] == '\'') return Constant(prefix);
    if (c == '$' && DollarTagLength() > 0) return DollarQuoted();
    if (c == '"') return Word(QuotedLength(1, '"', false), 1);
    if (IsWordPart(c) && c != '$') {
      size_t length = 1;
      while (at_ + length < text_.size() && IsWordPart(text_[at_ + length])) ++length;
      return Word(length, 0);
    }
    if (c == '(') ++parentheses_;
    if (c == ')') --parentheses_;
    if (c == ';') {
      subscribes_ = false;
      connects_ = false;
      parentheses_ = 0;
    }
    last_.clear();
    hid_ = false;
    Copy(1);
  }

  void Copy(size_t bytes) {
    const std::string_view part = text_.substr(at_, bytes);
    out_ += part;
    at_ += part.size();
  }

  // Of E'', U&'' and the like.
  size_t PrefixLength() const {
    if (base::UpperAscii(text_.substr(at_, 3)) == "U&'") return 2;
    return std::string_view("EeNnBbXx").find(text_[at_]) == std::string_view::npos ? 0 : 1;
  }

  // From `at_` to behind the quote that ends what begins `from` bytes on, or to the end.
  size_t QuotedLength(size_t from, char quote, bool backslashes) const {
    size_t at = at_ + from;
    while (at < text_.size()) {
      if (backslashes && text_[at] == '\\') {
        at += 2;
      } else if (text_[at] == quote) {
        if (text_.substr(at + 1, 1) != std::string_view(&quote, 1)) {
          return at + 1 - at_;
        }
        at += 2;
      } else {
        ++at;
      }
    }
    return text_.size() - at_;
  }

  // Of "$$" or "$tag$". 0: a parameter, or a lone dollar.
  size_t DollarTagLength() const {
    size_t at = at_ + 1;
    if (at < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at])) != 0) return 0;
    while (at < text_.size() && text_[at] != '$' && IsWordPart(text_[at])) ++at;
    return at < text_.size() && text_[at] == '$' ? at + 1 - at_ : 0;
  }

  void Word(size_t length, size_t quotes) {
    const std::string_view word = text_.substr(at_, length);
    before_begin_ =
        last_ == "ENCRYPTED" || last_ == "UNENCRYPTED" ? last_begin_ : std::string::npos;
    last_ = base::UpperAscii(word.substr(quotes, word.size() - std::min(word.size(), 2 * quotes)));
    last_begin_ = out_.size();
    hid_ = false;
    subscribes_ = subscribes_ || last_ == "SUBSCRIPTION";
    connects_ = connects_ || (subscribes_ && last_ == "CONNECTION") || last_.starts_with("DBLINK");
    Copy(length);
  }

  void DollarQuoted() {
    const size_t tag = DollarTagLength();
    const std::string_view mark = text_.substr(at_, tag);
    const size_t end = std::min(text_.find(mark, at_ + tag), text_.size());
    const std::string_view content = text_.substr(at_ + tag, end - at_ - tag);
    if (Hides()) return Replace(std::min(end + tag, text_.size()) - at_);
    last_.clear();
    const auto hidden = MayHoldSecrets(content) ? Hidden(content) : std::nullopt;
    if (!hidden) return Copy(std::min(end + tag, text_.size()) - at_);
    changed_ = true;
    Copy(tag);
    out_ += *hidden;
    at_ = end;
    Copy(tag);
  }

  void Constant(size_t prefix) {
    const bool escapes = prefix == 1 && (text_[at_] == 'E' || text_[at_] == 'e');
    const size_t length = QuotedLength(prefix + 1, '\'', escapes);
    if (Hides()) return Replace(length);
    last_.clear();
    const size_t begin = at_ + prefix + 1;
    const size_t end = std::max(begin, at_ + length - 1);
    const std::string_view content = text_.substr(begin, end - begin);
    const auto hidden = MayHoldSecrets(content) ? Hidden(Unquoted(content, escapes)) : std::nullopt;
    if (!hidden) return Copy(length);
    changed_ = true;
    Copy(prefix + 1);
    for (const char c : *hidden) out_.append(c == '\'' ? 2 : 1, c);
    at_ = end;
    Copy(1);
  }

  // A constant's content, in which quotes stand twice or behind a backslash.
  static std::string Unquoted(std::string_view content, bool escapes) {
    std::string plain;
    for (size_t i = 0; i < content.size(); ++i) {
      if (content.substr(i, 2) == "''" || (escapes && content.substr(i, 2) == "\\'")) ++i;
      plain += content[i];
    }
    return plain;
  }

  // `content` of a constant or a body without its secrets, if it has any.
  std::optional<std::string> Hidden(std::string_view content) const {
    std::optional<std::string> hidden;
    if (depth_ < kDepthMax) hidden = Hiding(content, depth_ + 1).Run();
    if (connects_) {
      std::string unconnected = WithoutConnectionSecret(hidden ? *hidden : content);
      if (unconnected != content) hidden = std::move(unconnected);
    }
    return hidden;
  }

  // Is the constant that begins here a password, or does it go on with one?
  bool Hides() const { return hid_ || last_ == "PASSWORD" || last_ == "SSLPASSWORD"; }

  void Replace(size_t length) {
    if (!hid_ && parentheses_ > 0) {
      out_.append("'").append(kHidden).append("'");
    } else if (!hid_) {
      if (before_begin_ != std::string::npos) {
        std::fill(out_.begin() + static_cast<std::ptrdiff_t>(before_begin_),
                  out_.begin() + static_cast<std::ptrdiff_t>(last_begin_), ' ');
      }
      out_ += "NULL";
    }
    hid_ = true;
    changed_ = true;
    at_ += length;
    last_.clear();
  }

  const std::string_view text_;
  const int depth_;
  size_t at_ = 0;
  std::string out_;
  bool changed_ = false;
  std::string last_;       // The word just before, in capitals; empty: it was none.
  size_t last_begin_ = 0;  // In out_, as is the next.
  size_t before_begin_ = std::string::npos;  // Of ENCRYPTED before it.
  bool hid_ = false;  // A password was just before: 'ab' 'c' is one constant on two lines.
  bool subscribes_ = false;
  bool connects_ = false;  // The statement has a connection string.
  int parentheses_ = 0;
};

}  // namespace

std::optional<std::string> WithoutSecrets(std::string_view sql) {
  if (!MayHoldSecrets(sql)) return std::nullopt;
  return Hiding(sql, 0).Run();
}

}  // namespace scry::event
