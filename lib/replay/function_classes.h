// What calling a function may do to the order of replay, judged by its source and by the sources of
// whatever it calls: nothing, reading what others change, or changing what others see. Read from
// one lane. Pure but for Read; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "pg/admin.h"

namespace scry::replay {

enum class FunctionClass : uint8_t { kHarmless, kReads, kWrites };

class FunctionClasses {
 public:
  // Blocks.
  static base::Result<FunctionClasses> Read(pg::AdminSession& lane);

  // Of a function of users; unknown: kWrites.
  FunctionClass ClassOf(uint32_t oid) const;
  // By name, in lower case and without schema: the worst that it may mean.
  const std::map<std::string, FunctionClass>& by_name() const { return by_name_; }

 private:
  struct Function {
    uint32_t oid = 0;
    std::string name;
    FunctionClass known = FunctionClass::kHarmless;
    std::set<std::string> calls;  // Names that stand before a parenthesis in its source.
  };
  void Close(std::vector<Function> functions);

  std::map<std::string, FunctionClass> by_name_;
  std::unordered_map<uint32_t, FunctionClass> by_oid_;
};

// The names before a parenthesis, in lower case and without schema. Many are no functions.
std::set<std::string> CalledNames(std::string_view source);

}  // namespace scry::replay
