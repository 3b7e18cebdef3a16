// Lets through only what is known to read: for replay against a server that must not be changed.
// Judges the messages that would be sent, not only what the capture says of them: a capture is
// input like any other. What is not known is refused. Pure; one thread.
//
// It is the first of two locks: the session must also be in read-only transactions by default,
// which nothing that passes here can switch off.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "event/event.h"
#include "event/statement_facts.h"
#include "replay/hidden_writes.h"

namespace scry::replay {

class ReadGuard {
 public:
  // `hidden`: of every database that is replayed against. `facts` outlives it.
  ReadGuard(event::FactsCache& facts, HiddenWrites hidden)
      : facts_(facts), hidden_(std::move(hidden)) {}

  // All statements the message brings along are harmless; true for those that bring none and only
  // refer to what was prepared before.
  bool MayRun(const event::FrontendMessage& message);
  bool MayRun(const event::Exchange& exchange);

 private:
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  bool MayRunText(std::string_view text);
  bool MayRunStatement(std::string_view text, const event::StatementFacts& facts) const;
  bool ReadsOnly(std::string_view text, const event::StatementFacts& facts) const;

  event::FactsCache& facts_;
  const HiddenWrites hidden_;
  // By text: traffic says the same few things again and again.
  std::unordered_map<std::string, bool, TextHash, std::equal_to<>> verdicts_;
};

}  // namespace scry::replay
