// Texts that many hold at the same time, kept once: a thousand sessions prepare the same few
// hundred statements. A text goes when its last holder does, on whatever thread that is. Copies of
// a pool are the same pool; what it gave out may outlive it. Any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/shared_text.h"

namespace scry::base {

class TextPool {
 public:
  TextPool();
  SharedText Share(std::string_view text);
  size_t size() const;

 private:
  struct Texts;
  std::shared_ptr<Texts> texts_;
};

}  // namespace scry::base
