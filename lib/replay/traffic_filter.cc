#include "replay/traffic_filter.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/random.h"
#include "base/wildcard.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

using event::StatementFacts;
using event::StatementKind;

namespace frontend = wire::frontend;

// Held back before the window opens, of one session and in all; past it a session starts early.
constexpr size_t kEarlyBytesMax = 64 * 1024;
constexpr size_t kEarlyTotalMax = 32 * 1024 * 1024;
// Exchanges of transaction control held back in one session; past it they are let through.
constexpr size_t kHeldMax = 100;
// No server has such a type.
constexpr const char* kFails = "SELECT NULL::scry_failed_when_captured";

bool MatchesAny(const std::vector<std::string>& patterns, std::string_view text) {
  return patterns.empty() ||
         std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
           return base::WildcardMatch(pattern, text);
         });
}

bool ControlsTransaction(StatementKind kind) {
  return kind == StatementKind::kBegin || kind == StatementKind::kCommit ||
         kind == StatementKind::kRollback || kind == StatementKind::kSavepoint;
}

event::FrontendMessage MessageOf(uint8_t type, const std::string& encoded) {
  constexpr size_t kTypeAndLength = 5;
  event::FrontendMessage message;
  message.type = type;
  message.head = encoded.substr(kTypeAndLength);
  return message;
}

// Stands for transaction control inside of something that was left out. Without statements: nobody
// counts it.
event::Exchange StandIn(const event::Exchange& exchange, const char* sql, char status) {
  event::Exchange stand_in;
  stand_in.session = exchange.session;
  stand_in.index = exchange.index;
  stand_in.forwarded_us = exchange.forwarded_us;
  stand_in.first_answer_us = exchange.first_answer_us;
  stand_in.completed_us = exchange.completed_us;
  stand_in.commits_seen = exchange.commits_seen;
  stand_in.commits_done = exchange.commits_done;
  stand_in.status = static_cast<uint8_t>(status);
  stand_in.messages.push_back(MessageOf(frontend::kQuery, wire::EncodeQuery(sql)));
  return stand_in;
}

void MoveTo(base::Micros at_us, event::Exchange& exchange) {
  exchange.forwarded_us = exchange.first_answer_us = exchange.completed_us = at_us;
}

void SetSession(event::Event& event, uint64_t id) {
  std::visit([&](auto& e) { e.session = event::SessionId{id}; }, event);
}

// Outlives its exchange. An unnamed statement does so only where the exchange does not run it.
bool IsPreparation(const event::FrontendMessage& message, bool runs) {
  const std::string payload = message.Payload();
  if (message.type == frontend::kParse) {
    const auto parse = wire::ParseParse(base::AsBytes(payload));
    return parse && (!parse->name.empty() || !runs);
  }
  if (message.type != frontend::kClose) return false;
  const auto close = wire::ParseDescribeOrClose(base::AsBytes(payload));
  return close && close->target == wire::Target::kStatement && !close->name.empty();
}

std::string_view ParameterOf(const event::SessionStart& start, std::string_view name) {
  for (const auto& [key, value] : start.parameters) {
    if (key == name) return value;
  }
  return {};
}

}  // namespace

std::string_view DatabaseOf(const event::SessionStart& start) {
  const std::string_view database = ParameterOf(start, "database");
  return database.empty() ? ParameterOf(start, "user") : database;
}

void TrafficFilterStats::Add(const TrafficFilterStats& other) {
  sessions += other.sessions;
  sessions_filtered += other.sessions_filtered;
  exchanges += other.exchanges;
  exchanges_for_state += other.exchanges_for_state;
  exchanges_filtered += other.exchanges_filtered;
  exchanges_refused += other.exchanges_refused;
}

TrafficFilter::TrafficFilter(event::EventSource& source, const TrafficFilterOptions& options,
                             event::FactsCache& facts, ReadGuard* guard)
    : source_(source),
      options_(options),
      facts_(facts),
      guard_(guard),
      window_open_(!options.from_us || *options.from_us <= 0) {
  SCRY_CHECK(guard_ != nullptr || !options_.reads_only);
  SCRY_CHECK(options_.multiply >= 1 && options_.multiply <= kMultiplyMax);
  SCRY_CHECK(options_.shard >= 1 && options_.shard <= options_.shards);
  SCRY_CHECK(options_.part >= 1 && options_.part <= options_.parts);
}

base::Result<bool> TrafficFilter::Read(event::Event& event) {
  while (out_.empty()) {
    SCRY_TRY_ASSIGN(const bool more, source_.Read(event));
    if (!more) return false;
    if (Take(event)) return true;
  }
  Outgoing& outgoing = out_.front();
  const uint64_t id = outgoing.first_id + copy_;
  if (++copy_ < outgoing.copies) {
    event = outgoing.event;
    SetSession(event, id);
    return true;
  }
  event = std::move(outgoing.event);
  if (outgoing.first_id != 0) SetSession(event, id);
  out_.pop_front();
  copy_ = 0;
  return true;
}

bool TrafficFilter::Take(event::Event& event) {
  if (!window_open_ && event::TimeOf(event) >= options_.from_us.value_or(0)) OpenWindow();
  if (auto* exchange = std::get_if<event::Exchange>(&event)) return TakeExchange(*exchange);
  if (auto* start = std::get_if<event::SessionStart>(&event)) {
    Start(std::move(*start));
  } else if (const auto* end = std::get_if<event::SessionEnd>(&event)) {
    End(*end);
  } else if (const auto* gap = std::get_if<event::Gap>(&event)) {
    TakeGap(*gap);
  } else {
    const auto found = sessions_.find(static_cast<uint64_t>(event::SessionOf(event)));
    if (found == sessions_.end() || !InWindow(event::TimeOf(event))) return false;
    // What it cancelled may have been left out, and then it would hit something else.
    const bool cancels = std::holds_alternative<event::Cancel>(event);
    if (cancels && (!options_.statements.empty() || options_.reads_only)) return false;
    Emit(std::move(event), found->second);
  }
  return false;
}

bool TrafficFilter::InWindow(base::Micros at_us) const {
  return at_us >= options_.from_us.value_or(INT64_MIN) &&
         at_us < options_.to_us.value_or(INT64_MAX);
}

bool TrafficFilter::Passes(const event::SessionStart& start) const {
  if (options_.to_us && start.at_us >= *options_.to_us) return false;
  if (options_.sessions != nullptr &&
      !std::binary_search(options_.sessions->begin(), options_.sessions->end(),
                          static_cast<uint64_t>(start.session))) {
    return false;
  }
  if (!MatchesAny(options_.users, ParameterOf(start, "user"))) return false;
  if (!MatchesAny(options_.databases, DatabaseOf(start))) return false;
  if (!MatchesAny(options_.applications, ParameterOf(start, "application_name"))) return false;
  // Mixed, so that connections that pools open in turn do not all fall into one shard.
  base::Random mixed(static_cast<uint64_t>(start.session));
  return mixed.Next() % options_.shards == options_.shard - 1;
}

void TrafficFilter::Start(event::SessionStart start) {
  if (!Passes(start)) {
    if (options_.part == 1) ++stats_.sessions_filtered;
    return;
  }
  if (passed_++ % options_.parts != options_.part - 1) return;
  const auto id = static_cast<uint64_t>(start.session);
  Session& session = sessions_[id];
  early_weight_ -= session.early_weight;  // Of a damaged capture that starts a session twice.
  session = Session();
  if (options_.multiply == 1) {
    session.first_id = id;
  } else {
    session.first_id = next_id_;
    next_id_ += options_.multiply;
  }
  if (options_.reads_only) start.parameters.emplace_back("default_transaction_read_only", "on");
  start.at_us = std::max(start.at_us, options_.from_us.value_or(start.at_us));
  session.waits = !window_open_;
  if (!session.waits) ++stats_.sessions;
  Emit(std::move(start), session);
}

void TrafficFilter::End(const event::SessionEnd& end) {
  const auto found = sessions_.find(static_cast<uint64_t>(end.session));
  if (found == sessions_.end()) return;
  if (found->second.waits) {  // Over before the window opened.
    early_weight_ -= found->second.early_weight;
    ++stats_.sessions_filtered;
  } else {
    Emit(end, found->second);
  }
  sessions_.erase(found);
}

// Missing traffic that no session is named for is told by one shard alone, so that shards add up.
void TrafficFilter::TakeGap(event::Gap gap) {
  if (gap.to_us < options_.from_us.value_or(INT64_MIN) ||
      gap.from_us >= options_.to_us.value_or(INT64_MAX)) {
    return;
  }
  if (gap.session == event::SessionId::kNone) {
    if (options_.shard == 1 && options_.part == 1) out_.push_back(Outgoing{gap, 0, 1});
    return;
  }
  const auto found = sessions_.find(static_cast<uint64_t>(gap.session));
  if (found == sessions_.end() || found->second.waits) return;
  out_.push_back(Outgoing{gap, found->second.first_id, 1});
}

bool TrafficFilter::MatchesStatement(const event::Exchange& exchange) {
  if (options_.statements.empty()) return true;
  return std::any_of(exchange.statements.begin(), exchange.statements.end(),
                     [&](const event::Statement& one) {
                       if (one.text.empty()) return false;
                       const StatementFacts& facts = facts_.Get(one.text, one.ordinal);
                       const std::string fingerprint = event::FingerprintText(facts.fingerprint);
                       return std::any_of(options_.statements.begin(), options_.statements.end(),
                                          [&](const std::string& pattern) {
                                            return base::WildcardMatch(pattern, facts.pattern) ||
                                                   base::WildcardMatch(pattern, fingerprint);
                                          });
                     });
}

bool TrafficFilter::IsWanted(const event::Exchange& exchange) {
  return InWindow(exchange.forwarded_us) && MatchesStatement(exchange);
}

bool TrafficFilter::TakeExchange(event::Exchange& exchange) {
  const auto found = sessions_.find(static_cast<uint64_t>(exchange.session));
  if (found == sessions_.end()) return false;
  Session& session = found->second;
  if (!options_.Thins()) {
    ++stats_.exchanges;
    return PassWhole(exchange, session);
  }
  const bool wanted = IsWanted(exchange);
  const bool refused = options_.reads_only && !guard_->MayRun(exchange);
  if (wanted && refused) ++stats_.exchanges_refused;
  const uint8_t status = exchange.status;
  const bool open_after = status == 'T' || status == 'E';
  bool passes = false;
  if (wanted && !refused) {
    ++stats_.exchanges;
    passes = PassWhole(exchange, session);
  } else {
    KeepState(std::move(exchange), session, refused);
  }
  session.open = open_after;
  session.failed = status == 'E';
  if (!open_after) session.held.clear();
  return passes;
}

// True: as it is.
bool TrafficFilter::PassWhole(event::Exchange& exchange, Session& session) {
  EmitHeld(exchange, session);
  session.opened = exchange.status == 'T' || exchange.status == 'E';
  if (out_.empty() && !session.waits && options_.multiply == 1) return true;
  Emit(std::move(exchange), session);
  return false;
}

// Of an exchange that is not wanted.
void TrafficFilter::KeepState(event::Exchange exchange, Session& session, bool refused) {
  // Nothing is needed any more behind the window but to end what is open.
  const bool behind = options_.to_us && exchange.forwarded_us >= *options_.to_us;
  if (options_.from_us && exchange.forwarded_us < *options_.from_us) {
    MoveTo(*options_.from_us, exchange);
  }
  bool controls = !exchange.statements.empty();
  bool only_state = controls;
  for (const event::Statement& one : exchange.statements) {
    const StatementKind kind =
        one.text.empty() ? StatementKind::kOther : facts_.Get(one.text, one.ordinal).kind;
    controls &= ControlsTransaction(kind);
    only_state &= ControlsTransaction(kind) || kind == StatementKind::kSession;
  }
  if (only_state && !controls && !refused && !behind) {
    ++stats_.exchanges_for_state;
    if (PassWhole(exchange, session)) Emit(std::move(exchange), session);
    return;
  }
  const bool prepares = !behind && KeepPreparation(exchange, session);
  const bool open_after = exchange.status == 'T' || exchange.status == 'E';
  const bool usable = controls && !refused;
  if (open_after && !session.open && !behind) {
    Hold(usable ? std::move(exchange) : StandIn(exchange, "BEGIN", 'T'), session);
  } else if (session.opened && (usable || !open_after)) {
    ++stats_.exchanges_for_state;
    session.opened = open_after;
    Emit(usable ? std::move(exchange) : StandIn(exchange, "ROLLBACK", 'I'), session);
    return;
  } else if (open_after && usable && !behind) {
    Hold(std::move(exchange), session);
  } else if (exchange.status == 'E' && !session.failed && !behind) {
    // What follows in the transaction failed because of it, and its end rolled back.
    Hold(StandIn(exchange, kFails, 'E'), session);
  }
  ++(prepares ? stats_.exchanges_for_state : stats_.exchanges_filtered);
}

bool TrafficFilter::KeepPreparation(event::Exchange& exchange, Session& session) {
  std::optional<event::Exchange> preparation = TakePreparation(exchange);
  if (!preparation) return false;
  Emit(std::move(*preparation), session);
  return true;
}

// Until something that stays needs it.
void TrafficFilter::Hold(event::Exchange exchange, Session& session) {
  session.held.push_back(std::move(exchange));
  if (!session.opened && session.held.size() <= kHeldMax) return;
  const event::Exchange last = session.held.back();
  EmitHeld(last, session);
}

// Takes out what prepares and closes statements, as an exchange of its own; nullopt: there is
// nothing of that.
std::optional<event::Exchange> TrafficFilter::TakePreparation(event::Exchange& exchange) {
  std::vector<event::FrontendMessage> taken;
  std::vector<event::FrontendMessage> left;
  std::vector<uint32_t> places;  // Of the messages, among those that are left.
  const bool runs = !exchange.statements.empty();
  for (event::FrontendMessage& message : exchange.messages) {
    places.push_back(static_cast<uint32_t>(left.size()));
    const bool safe = !options_.reads_only || guard_->MayRun(message);
    const bool take = safe && IsPreparation(message, runs);
    (take ? taken : left).push_back(std::move(message));
  }
  exchange.messages = std::move(left);
  for (event::Statement& statement : exchange.statements) {
    if (statement.message < places.size()) statement.message = places[statement.message];
  }
  if (taken.empty() || exchange.status == 0) return std::nullopt;
  event::Exchange preparation = StandIn(exchange, "", static_cast<char>(exchange.status));
  preparation.messages = std::move(taken);
  preparation.messages.push_back(MessageOf(frontend::kSync, wire::EncodeSync()));
  return preparation;
}

void TrafficFilter::EmitHeld(const event::Exchange& before, Session& session) {
  for (event::Exchange& held : session.held) {
    if (!held.statements.empty() && stats_.exchanges_filtered > 0) {
      ++stats_.exchanges_for_state;
      --stats_.exchanges_filtered;  // As which it was counted when it was put aside.
    }
    MoveTo(before.forwarded_us, held);
    session.opened = true;
    Emit(std::move(held), session);
  }
  session.held.clear();
}

void TrafficFilter::Emit(event::Event event, Session& session) {
  if (!session.waits) {
    out_.push_back(Outgoing{std::move(event), session.first_id, options_.multiply});
    return;
  }
  const size_t weight = event::WeightBytes(event);
  session.early_weight += weight;
  early_weight_ += weight;
  session.early.push_back(std::move(event));
  if (session.early_weight > kEarlyBytesMax || early_weight_ > kEarlyTotalMax) Release(session);
}

void TrafficFilter::Release(Session& session) {
  if (!std::exchange(session.waits, false)) return;
  ++stats_.sessions;
  early_weight_ -= std::exchange(session.early_weight, 0);
  std::vector<event::Event> early = std::move(session.early);
  session.early.clear();
  for (event::Event& event : early) Emit(std::move(event), session);
}

void TrafficFilter::OpenWindow() {
  window_open_ = true;
  for (auto& [id, session] : sessions_) Release(session);
}

}  // namespace scry::replay
