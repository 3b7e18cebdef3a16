// Texts that many hold at the same time, kept once: a thousand sessions prepare the same few
// hundred statements. A text goes when its last holder does. One thread; what it gave out may
// outlive it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace scry::base {

using SharedText = std::shared_ptr<const std::string>;

class TextPool {
 public:
  TextPool() : texts_(std::make_shared<Texts>()) {}
  SharedText Share(std::string_view text);
  size_t size() const { return texts_->size(); }

 private:
  // By what they hold; each removes itself.
  using Texts = std::unordered_map<std::string_view, std::weak_ptr<const std::string>>;
  std::shared_ptr<Texts> texts_;
};

}  // namespace scry::base
