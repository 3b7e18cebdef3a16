// Lets through only what is known to read: for replay against a server that must not be changed.
// Judges the messages that would be sent, not only what the capture says of them: a capture is
// input like any other. What is not known is refused. Pure; one thread.
//
// It is the first of two locks: the session must also be in read-only transactions by default,
// which nothing that passes here can switch off.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/shared_text.h"
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
  // To be asked in the order of each session: what it prepared by SQL is known from then on.
  bool MayRun(const event::Exchange& exchange);

 private:
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Names = std::set<std::string, std::less<>>;

  bool MayRunText(const base::SharedText& text);
  bool MayRunStatement(std::string_view text, const event::StatementFacts& facts);
  bool MayPrepare(std::string_view text, std::string_view pattern);
  bool MayExecute(std::string_view text, const event::StatementFacts& facts,
                  std::string_view pattern) const;
  bool ReadsOnly(std::string_view text, const event::StatementFacts& facts) const;

  event::FactsCache& facts_;
  const HiddenWrites hidden_;
  // By text: traffic says the same few things again and again. Of those that mean the same in every
  // session.
  std::unordered_map<std::string, bool, TextHash, std::equal_to<>> verdicts_;
  bool of_session_ = false;  // The text that is judged is not one of them.
  // Statements that were prepared by SQL and only read, by session. What a session deallocates
  // stays known: what it prepares anew under that name is judged as well.
  std::unordered_map<uint64_t, Names> prepared_;
  size_t names_ = 0;
  // Of the exchange that is judged.
  uint64_t session_ = 0;
  Names preparing_;
};

}  // namespace scry::replay
