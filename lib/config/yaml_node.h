// YAML text as a plain tree with places, and nothing of the YAML library in sight. Used inside
// config only. Pure. Hostile files are refused here: anchors and aliases (a kilobyte of them can
// stand for gigabytes), tags, tabs as indentation, control characters, deep nesting, several
// documents, duplicate keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace scry::config {

// A place in a file, both from 1.
struct Place {
  size_t line = 1;
  size_t column = 1;
  friend bool operator==(const Place&, const Place&) = default;
};

struct YamlNode {
  enum class Kind : uint8_t { kNothing, kText, kList, kMap };
  Kind kind = Kind::kNothing;
  Place place;                     // Of a list or map: its bracket, else its first "-" or key.
  bool flow = false;               // A list or map in brackets.
  std::string text;                // kText.
  std::vector<YamlNode> children;  // kList: elements. kMap: values.
  std::vector<YamlNode> keys;      // kMap: one kText per child.
};

constexpr size_t kYamlDepthMax = 16;
constexpr size_t kFileBytesMax = size_t{1} << 20;

// "scry.yaml:3:7: message", of kind kUsage.
base::Error FailAt(std::string_view file, Place place, std::string_view message);

// `file` is only for messages. Every error is kUsage and one line.
base::Result<YamlNode> ParseYaml(std::string_view text, std::string_view file);

}  // namespace scry::config
