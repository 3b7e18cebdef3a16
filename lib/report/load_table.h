// Adds up the pairs of a load replay by pattern, in bounded memory. Filled by replay through
// event::PairSink; the first lane counts. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "event/lane_pair.h"
#include "event/statement_facts.h"
#include "report/load_report.h"

namespace scry::report {

class LoadTable final : public event::PairSink {
 public:
  static constexpr size_t kPatternsMax = 4000;  // Further ones are counted together.
  static constexpr size_t kSqlStatesMax = 500;  // Further ones are "other".

  explicit LoadTable(event::FactsCache& facts, size_t patterns_max = kPatternsMax)
      : facts_(facts), patterns_max_(patterns_max) {}
  void Put(const event::StatementPair& pair) override;
  // What another one counted counts here too.
  void Add(const LoadTable& other);

  uint64_t statements() const { return statements_; }
  uint64_t errors_fresh() const { return errors_fresh_; }
  // Patterns and errors.
  void Fill(LoadReport& report) const;

 private:
  LoadPattern& Open(const event::StatementPair& pair);
  LoadErrors& ErrorsOf(const std::string& sqlstate);
  void CountError(const std::string& sqlstate, bool expected, LoadPattern& pattern);

  event::FactsCache& facts_;
  const size_t patterns_max_;
  std::unordered_map<uint64_t, LoadPattern> patterns_;
  LoadPattern others_;
  std::map<std::string, LoadErrors> errors_;
  uint64_t statements_ = 0;
  uint64_t errors_fresh_ = 0;
};

}  // namespace scry::report
