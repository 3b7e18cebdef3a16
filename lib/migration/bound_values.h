// The values that a client bound to parameters, as SQL literals: what it sent can then be sent
// again as text. Pure; one per session, for one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "event/event.h"
#include "wire/frontend.h"

namespace scry::migration {

// For $1, $2 ...
using Literals = std::vector<std::string>;

class BoundValues {
 public:
  static constexpr size_t kNamesMax = 1000;
  static constexpr size_t kBytesMax = 1024 * 1024;  // Of all literals; later ones are not known.

  // By statement of the exchange. nullopt: nothing was bound, or a value is of a type or in a form
  // that is not read here.
  std::vector<std::optional<Literals>> Take(const event::Exchange& exchange);

 private:
  void TakeParse(const wire::Parse& parse);
  void TakeBind(const wire::Bind& bind);
  std::optional<Literals> LiteralsOf(const wire::Bind& bind) const;

  std::map<std::string, std::vector<uint32_t>> types_;       // By prepared statement.
  std::map<std::string, std::optional<Literals>> literals_;  // By portal.
  size_t bytes_ = 0;
};

}  // namespace scry::migration
