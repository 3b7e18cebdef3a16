// Which columns of a database hold values that are equal to the server though their bytes differ,
// so that rows sorted by them are tied: those of types that extensions make (citext), and text
// under a collation that is not deterministic. Pure, but for Read. Any thread.
#pragma once

#include <cstdint>
#include <set>
#include <unordered_set>
#include <utility>

#include "base/result.h"
#include "event/lane_pair.h"
#include "pg/admin.h"

namespace scry::replay {

class LooseColumns {
 public:
  // None are known.
  LooseColumns() = default;
  // Blocks.
  static base::Result<LooseColumns> Read(pg::AdminSession& lane);

  bool empty() const { return types_.empty() && !collations_; }
  bool Has(const event::Column& column) const;

 private:
  std::unordered_set<uint32_t> types_;
  std::set<std::pair<uint32_t, uint16_t>> columns_;
  bool collations_ = false;  // There are such collations, which the text of a query may name.
};

}  // namespace scry::replay
