#include "base/text_pool.h"

namespace scry::base {

SharedText TextPool::Share(std::string_view text) {
  const auto found = texts_->find(text);
  if (found != texts_->end()) return found->second.lock();
  // Not make_shared(): the key is a view of the text, and has to go before it does.
  SharedText shared(new std::string(text), [texts = texts_](const std::string* last) {
    texts->erase(std::string_view(*last));
    delete last;
  });
  texts_->emplace(*shared, shared);
  return shared;
}

}  // namespace scry::base
