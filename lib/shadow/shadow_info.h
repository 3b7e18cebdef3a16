// What is known of a kept shadow: shadow.json. A plain value; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "shadow/options.h"
#include "shadow/server_config.h"

namespace scry::shadow {

struct ShadowInfo {
  ShadowName name;
  ProviderKind provider = ProviderKind::kPhysical;
  std::string source;          // For display: no password.
  std::string dbname;          // What traffic and migration use by default.
  std::string superuser;       // A role that may log in and do anything.
  std::string server_version;  // "15.4 (Debian 15.4-1)".
  int server_major = 0;
  uint64_t size_bytes = 0;      // On disk, when it was made.
  base::Micros created_us = 0;  // Wall time.
  base::Micros took_us = 0;
  Settings settings;               // Carried over from the source.
  std::vector<std::string> notes;  // What differs from the source, one line each.

  std::string folder;  // Where it is; not stored.
  std::string DataDir() const { return folder + "/data"; }
};

std::string ToJson(const ShadowInfo& info);
// kCorrupt for what is no shadow.json, kUnsupported for a newer format. `where` is for messages.
base::Result<ShadowInfo> FromJson(std::string_view text, const std::string& where);

const char* Name(ProviderKind provider);  // "physical".

}  // namespace scry::shadow
