#include "base/shared_text.h"

namespace scry::base {

SharedText::SharedText(std::string text)
    : held_(text.empty() ? nullptr : std::make_shared<const std::string>(std::move(text))) {}

SharedText::SharedText(std::string_view text) : SharedText(std::string(text)) {}

const std::string& SharedText::Empty() {
  static const std::string kEmpty;
  return kEmpty;
}

}  // namespace scry::base
