// What the JSON forms of all reports share: members read into values, and the entries of captures.
// One thread.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "report/report.h"

namespace scry::report {

// A missing member leaves the value as it is. The first one of a wrong type is remembered, and all
// later reads do nothing. `Reader` derives from it and has a Fill() for each kind of object.
template <typename Reader>
class JsonMembers {
 public:
  using json = nlohmann::json;

  const std::string& problem() const { return problem_; }

  void Read(const json& from, const char* key, std::string& to) {
    if (const json* value = Member(from, key, &json::is_string)) to = value->get<std::string>();
  }
  void Read(const json& from, const char* key, bool& to) {
    if (const json* value = Member(from, key, &json::is_boolean)) to = value->get<bool>();
  }
  void Read(const json& from, const char* key, double& to) {
    if (const json* value = Member(from, key, &json::is_number)) to = value->get<double>();
  }
  void Read(const json& from, const char* key, uint64_t& to) {
    if (const json* value = Member(from, key, &json::is_number_unsigned)) {
      to = value->get<uint64_t>();
    }
  }
  void Read(const json& from, const char* key, Micros& to) {
    const json* value = Member(from, key, &json::is_number_integer);
    if (value == nullptr) return;
    if (value->is_number_unsigned() &&
        value->get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<Micros>::max())) {
      Complain(key);
      return;
    }
    to = value->get<Micros>();
  }
  void Read(const json& from, const char* key, int& to) {
    Micros wide = to;
    Read(from, key, wide);
    if (wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max()) {
      Complain(key);
      return;
    }
    to = static_cast<int>(wide);
  }
  void Read(const json& from, const char* key, std::vector<std::string>& to) {
    Each(from, key, [&](const json& item) {
      if (item.is_string()) {
        to.push_back(item.get<std::string>());
      } else {
        Complain(key);
      }
    });
  }
  // What may be absent, which is not the same as 0.
  void ReadIfThere(const json& from, const char* key, std::optional<uint64_t>& to) {
    if (Member(from, key, &json::is_number_unsigned) != nullptr) Read(from, key, to.emplace());
  }
  void ReadIfThere(const json& from, const char* key, std::optional<int64_t>& to) {
    if (Member(from, key, &json::is_number_integer) != nullptr) Read(from, key, to.emplace());
  }
  // [[bucket, count], ..], of a histogram.
  void Read(const json& from, const char* key, std::vector<std::pair<uint32_t, uint64_t>>& to) {
    Each(from, key, [&](const json& item) {
      const bool pair = item.is_array() && item.size() == 2 && item[0].is_number_unsigned() &&
                        item[1].is_number_unsigned();
      if (pair && item[0].get<uint64_t>() <= std::numeric_limits<uint32_t>::max()) {
        to.emplace_back(item[0].get<uint32_t>(), item[1].get<uint64_t>());
      } else {
        Complain(key);
      }
    });
  }
  template <typename Take>
  void Each(const json& from, const char* key, Take take) {
    const json* list = Member(from, key, &json::is_array);
    if (list == nullptr) return;
    for (const json& item : *list) take(item);
  }
  // Objects, each by the Fill() for its type.
  template <typename T>
  void ReadList(const json& from, const char* key, std::vector<T>& to) {
    Each(from, key, [&](const json& item) {
      if (item.is_object()) {
        static_cast<Reader*>(this)->Fill(item, to.emplace_back());
      } else {
        Complain(key);
      }
    });
  }
  const json* Object(const json& from, const char* key) {
    return Member(from, key, &json::is_object);
  }

  void Fill(const json& from, CaptureFacts& to) {
    Read(from, "name", to.name);
    Read(from, "sessions", to.sessions);
    Read(from, "statements", to.statements);
    Read(from, "started_us", to.started_us);
    Read(from, "duration_us", to.duration_us);
    Read(from, "gaps", to.gaps);
    Read(from, "gap_exchanges", to.gap_exchanges);
  }
  void Complain(const char* key) {
    if (problem_.empty()) problem_ = fmt::format("\"{}\" is of the wrong type", key);
  }

 private:
  const json* Member(const json& from, const char* key, bool (json::*is)() const noexcept) {
    if (!problem_.empty()) return nullptr;
    const auto found = from.find(key);
    if (found == from.end() || found->is_null()) return nullptr;
    if (((*found).*is)()) return &*found;
    Complain(key);
    return nullptr;
  }
  std::string problem_;
};

// kCorrupt: `text` is not `what` ("a scry report"), and why.
base::Error NotOfKind(std::string_view what, std::string_view why);
// The document of a report of `schema` ("scry.load/1"), which errors call `what`. kUnsupported: of
// another version.
base::Result<nlohmann::json> ParseReport(std::string_view text, std::string_view schema,
                                         std::string_view what);

// One entry of `captures`.
inline nlohmann::ordered_json CaptureJson(const CaptureFacts& capture) {
  return {{"name", capture.name},
          {"sessions", capture.sessions},
          {"statements", capture.statements},
          {"started_us", capture.started_us},
          {"duration_us", capture.duration_us},
          {"gaps", capture.gaps},
          {"gap_exchanges", capture.gap_exchanges}};
}

}  // namespace scry::report
