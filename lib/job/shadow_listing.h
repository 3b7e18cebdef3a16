// Shadows as text and JSON, for `scry shadow list` and `show`. Pure.
#pragma once

#include <string>

#include "shadow/shadow_info.h"
#include "shadow/store.h"

namespace scry::job {

std::string ShadowListText(const shadow::ShadowListing& listing, size_t columns_max);
std::string ShadowListJson(const shadow::ShadowListing& listing);
std::string ShadowText(const shadow::ShadowInfo& info);

}  // namespace scry::job
