#include "base/text_pool.h"

#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace scry::base {

struct TextPool::Texts {
  std::mutex mutex;
  // By what they hold; each removes itself.
  std::unordered_map<std::string_view, std::weak_ptr<const std::string>> by_text;
};

TextPool::TextPool() : texts_(std::make_shared<Texts>()) {}

SharedText TextPool::Share(std::string_view text) {
  {
    const std::scoped_lock lock(texts_->mutex);
    const auto found = texts_->by_text.find(text);
    auto shared = found == texts_->by_text.end() ? nullptr : found->second.lock();
    if (shared) return SharedText(std::move(shared));
  }
  // Not make_shared(): the key is a view of the text, and has to go before it does. Not under the
  // lock, which the end of the text takes.
  std::shared_ptr<const std::string> shared(
      new std::string(text), [texts = texts_](const std::string* last) {
        {
          const std::scoped_lock lock(texts->mutex);
          const auto own = texts->by_text.find(*last);
          if (own != texts->by_text.end() && own->first.data() == last->data()) {
            texts->by_text.erase(own);
          }
        }
        delete last;
      });
  const std::scoped_lock lock(texts_->mutex);
  // There already: its last holder is letting go of it, or another thread made it meanwhile.
  texts_->by_text.erase(*shared);
  texts_->by_text.emplace(*shared, shared);
  return SharedText(std::move(shared));
}

size_t TextPool::size() const {
  const std::scoped_lock lock(texts_->mutex);
  return texts_->by_text.size();
}

}  // namespace scry::base
