// A text whose copies share its bytes: what thousands of statements say in the same words is held
// once. Copies may go to other threads, as the bytes never change.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace scry::base {

class SharedText {
 public:
  SharedText() = default;
  SharedText(std::string text);       // NOLINT: a text like any other.
  SharedText(std::string_view text);  // NOLINT
  SharedText(const char* text) : SharedText(std::string_view(text)) {}  // NOLINT
  // Of the pool that made it; not null.
  explicit SharedText(std::shared_ptr<const std::string> held) : held_(std::move(held)) {}

  const std::string& str() const { return held_ ? *held_ : Empty(); }
  std::string_view view() const { return str(); }
  operator const std::string&() const { return str(); }  // NOLINT: reads like a string.
  operator std::string_view() const { return view(); }   // NOLINT

  bool empty() const { return str().empty(); }
  size_t size() const { return str().size(); }
  void clear() { held_.reset(); }
  // Are they copies of one? Of equal texts that were made apart: false.
  bool SharesWith(const SharedText& other) const { return held_ == other.held_; }

  friend bool operator==(const SharedText& a, const SharedText& b) {
    return a.held_ == b.held_ || a.str() == b.str();
  }
  template <typename Other>
  requires(std::convertible_to<const Other&, std::string_view> &&
           !std::same_as<Other, SharedText>) friend bool
  operator==(const SharedText& a, const Other& b) {
    return a.view() == std::string_view(b);
  }

 private:
  static const std::string& Empty();

  std::shared_ptr<const std::string> held_;  // Null: empty.
};

}  // namespace scry::base
