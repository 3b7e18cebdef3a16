// What this machine and the configured sources have and lack for scry, one check a line, each with
// its remedy. Nothing is changed: a private server is made in a temporary folder and removed.
// Blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "shadow/options.h"

namespace scry::job {

enum class Health : uint8_t {
  kGood,
  kPoor,    // Works, but slower or with less.
  kBroken,  // Something that was asked for cannot work.
};

struct Check {
  std::string name;
  Health health = Health::kGood;
  std::string detail;
  std::string remedy;  // Empty where there is none to give.
};

// A source as scry.yaml has it; `problem` says why there is none to connect to.
struct DoctorSource {
  std::string name;    // "prod-db", or "prod-db/ci-main" for one that a shadow has of its own.
  std::string source;  // CONNINFO.
  std::string problem;
  // How its shadows are made decides what its role needs.
  bool physical = false;
  bool dump = false;
};

struct DoctorRequest {
  std::string state_dir;  // As --state-dir.
  std::string config;     // The file; empty: none was found.
  size_t databases = 0;   // In that file.
  std::vector<DoctorSource> sources;
  int stop_fd = -1;
};

// `told` is called with each check as it is done.
std::vector<Check> Examine(const DoctorRequest& request,
                           const std::function<void(const Check&)>& told);

const char* Name(Health health);  // "good", "poor", "broken".
std::string ChecksJson(const std::vector<Check>& checks);

}  // namespace scry::job
