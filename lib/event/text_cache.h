// What was found out about SQL texts, by text: least recently used texts are forgotten. For
// FactsCache and SitesCache. For one thread.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/shared_text.h"

namespace scry::event {

// `Found` is what is known of one statement.
template <typename Found>
class TextCache {
 public:
  // Of a whole query string, one entry per statement. Never empty.
  using Analyze = std::vector<Found> (*)(std::string_view text);
  // Bytes that an entry holds, roughly.
  using Weigh = size_t (*)(std::string_view text, const std::vector<Found>& found);

  // Holds at most `texts_max` texts, and `weight_max` bytes where there is a `weigh`; always the
  // last one asked for.
  TextCache(Analyze analyze, size_t texts_max, Weigh weigh = nullptr, size_t weight_max = SIZE_MAX)
      : analyze_(analyze), weigh_(weigh), texts_max_(texts_max), weight_max_(weight_max) {}

  // Of statement `ordinal` of `text`; the last one's where there are fewer (a rule may rewrite one
  // command into several). Valid until the next call.
  template <typename Text>
  const Found& Get(const Text& text, uint32_t ordinal) {
    const std::vector<Found>& all = GetAll(text);
    return all[std::min<size_t>(ordinal, all.size() - 1)];
  }

  // All of them. Valid until the next call.
  const std::vector<Found>& GetAll(std::string_view text) {
    return Find(text) ? entries_.front().found : Add(base::SharedText(text));
  }
  // A long Query is asked about once for each of its statements: that it is the one asked about
  // last is known without reading it.
  template <std::same_as<base::SharedText> Text>  // A string is to be looked up as a view.
  const std::vector<Found>& GetAll(const Text& text) {
    const bool known = !entries_.empty() && entries_.front().text.SharesWith(text);
    return known || Find(text) ? entries_.front().found : Add(text);
  }

 private:
  struct Entry {
    base::SharedText text;
    std::vector<Found> found;
  };
  bool Find(std::string_view text) {
    const auto known = by_text_.find(text);
    if (known == by_text_.end()) return false;
    entries_.splice(entries_.begin(), entries_, known->second);
    return true;
  }
  const std::vector<Found>& Add(base::SharedText text) {
    std::vector<Found> found = analyze_(text);
    entries_.push_front(Entry{std::move(text), std::move(found)});
    by_text_.emplace(entries_.front().text.view(), entries_.begin());
    weight_ += WeightOf(entries_.front());
    while (entries_.size() > 1 && (entries_.size() > texts_max_ || weight_ > weight_max_)) {
      weight_ -= WeightOf(entries_.back());
      by_text_.erase(entries_.back().text.view());
      entries_.pop_back();
    }
    return entries_.front().found;
  }
  size_t WeightOf(const Entry& entry) const {
    return weigh_ == nullptr ? 0 : sizeof(Entry) + weigh_(entry.text, entry.found);
  }

  const Analyze analyze_;
  const Weigh weigh_;
  const size_t texts_max_;
  const size_t weight_max_;
  size_t weight_ = 0;
  std::list<Entry> entries_;  // Most recently used first.
  std::unordered_map<std::string_view, typename std::list<Entry>::iterator> by_text_;
};

}  // namespace scry::event
