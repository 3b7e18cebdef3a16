#include "replay/sample_book.h"

#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "wire/frontend.h"

namespace scry::replay {

using event::FrontendMessage;

namespace {

FrontendMessage Message(uint8_t type, const std::string& payload) {
  const wire::FrontendParts parts = wire::SplitFrontend(type, base::AsBytes(payload));
  FrontendMessage message;
  message.type = type;
  message.head = std::string(parts.head);
  message.values = std::string(parts.values);
  message.tail = std::string(parts.tail);
  return message;
}

std::string ZeroEnded(const std::string& text) { return text + '\0'; }

// Bind's payload again, but on the unnamed statement and portal.
std::string Renamed(const std::string& payload) {
  auto bind = wire::ParseBind(base::AsBytes(payload));
  if (!bind) return {};
  bind->portal = {};
  bind->statement = {};
  return wire::EncodeBind(*bind).substr(5);
}

std::string Unnamed(const std::string& payload) {
  auto parse = wire::ParseParse(base::AsBytes(payload));
  if (!parse) return {};
  parse->name = {};
  return wire::EncodeParse(*parse).substr(5);
}

}  // namespace

base::Status SampleBook::Scan(event::EventSource& source, event::FactsCache& facts) {
  sessions_.clear();
  for (;;) {
    SCRY_TRY_ASSIGN(std::optional<event::Event> event, source.Next());
    if (!event) return {};
    if (auto* start = std::get_if<event::SessionStart>(&*event)) {
      sessions_[static_cast<uint64_t>(start->session)].start = std::move(*start);
    } else if (const auto* end = std::get_if<event::SessionEnd>(&*event)) {
      sessions_.erase(static_cast<uint64_t>(end->session));
    } else if (const auto* exchange = std::get_if<event::Exchange>(&*event)) {
      Take(*exchange, facts);
    }
  }
}

void SampleBook::Remember(const FrontendMessage& message, Session& session) {
  if (message.type == wire::frontend::kParse) {
    // All of it stands in the head; the name is its first string.
    base::ByteReader in(message.head);
    const std::string_view name = in.CString();
    if (in.ok()) session.prepared[std::string(name)] = message;
  } else if (message.type == wire::frontend::kClose) {
    const auto close = wire::ParseDescribeOrClose(base::AsBytes(message.head));
    if (close && close->target == wire::Target::kStatement) {
      session.prepared.erase(std::string(close->name));
    }
  }
}

void SampleBook::Take(const event::Exchange& exchange, event::FactsCache& facts) {
  const auto found = sessions_.find(static_cast<uint64_t>(exchange.session));
  if (found == sessions_.end()) return;
  Session& session = found->second;
  for (const FrontendMessage& message : exchange.messages) Remember(message, session);
  if (exchange.statements.size() != 1 || exchange.statements[0].text.empty()) return;
  const event::Statement& statement = exchange.statements[0];
  // What failed when captured says nothing of speed.
  if (statement.outcome.status != event::OutcomeStatus::kDone &&
      statement.outcome.status != event::OutcomeStatus::kSuspended) {
    return;
  }
  if (facts.GetAll(statement.text).size() != 1) return;
  const uint64_t fingerprint = facts.Get(statement.text, 0).fingerprint;
  if (!fingerprints_.contains(fingerprint)) return;
  // A reservoir: every execution has the same chance, whatever the length of the capture.
  std::vector<Sample>& kept = samples_[fingerprint];
  const uint64_t seen = seen_[fingerprint]++;
  size_t place = kept.size();
  if (kept.size() >= samples_per_pattern_) {
    place = random_.Below(seen + 1);
    if (place >= samples_per_pattern_) return;
  }
  std::optional<Sample> sample = MakeSample(session, exchange);
  if (!sample) return;
  sample->fingerprint = fingerprint;
  if (place == kept.size()) {
    kept.push_back(std::move(*sample));
  } else {
    kept[place] = std::move(*sample);
  }
}

std::optional<Sample> SampleBook::MakeSample(const Session& session,
                                             const event::Exchange& exchange) const {
  Sample sample;
  sample.session = session.start;
  sample.text = exchange.statements[0].text;
  sample.tag = exchange.statements[0].outcome.tag;
  if (exchange.messages.size() == 1 && exchange.messages[0].type == wire::frontend::kQuery) {
    return sample;
  }
  const FrontendMessage* bind_message = nullptr;
  for (const FrontendMessage& message : exchange.messages) {
    if (message.type == wire::frontend::kQuery || message.type == wire::frontend::kFunctionCall ||
        message.type == wire::frontend::kCopyData) {
      return std::nullopt;
    }
    if (message.type == wire::frontend::kBind) bind_message = &message;
  }
  if (bind_message == nullptr) return std::nullopt;  // A portal bound earlier.
  const std::string payload = bind_message->Payload();
  const auto bind = wire::ParseBind(base::AsBytes(payload));
  if (!bind) return std::nullopt;
  const auto prepared = session.prepared.find(std::string(bind->statement));
  if (prepared == session.prepared.end()) return std::nullopt;
  sample.messages = {Message(wire::frontend::kParse, Unnamed(prepared->second.Payload())),
                     Message(wire::frontend::kBind, Renamed(payload)),
                     Message(wire::frontend::kDescribe, std::string("P\0", 2)),
                     Message(wire::frontend::kExecute, std::string("\0\0\0\0\0", 5)),
                     Message(wire::frontend::kSync, "")};
  return sample;
}

SampleSource::SampleSource(const std::map<uint64_t, std::vector<Sample>>& samples, uint64_t rounds,
                           uint64_t seed) {
  std::map<event::Settings, event::SessionId> by_settings;
  for (const auto& [fingerprint, kept] : samples) {
    for (const Sample& sample : kept) {
      const auto [found, added] = by_settings.try_emplace(sample.session.parameters,
                                                          event::SessionId{by_settings.size() + 1});
      if (added) {
        event::SessionStart start = sample.session;
        start.session = found->second;
        start.at_us = 0;  // As all that follows: by the time of the capture it would come last.
        starts_.push_back(std::move(start));
      }
      for (uint64_t i = 0; i < rounds; ++i) runs_.push_back(Run{&sample, found->second});
    }
  }
  base::Random random(seed);
  for (size_t i = runs_.size(); i > 1; --i) std::swap(runs_[i - 1], runs_[random.Below(i)]);
}

event::Exchange SampleSource::QueryExchange(event::SessionId session, const std::string& sql,
                                            char status) {
  event::Exchange exchange;
  exchange.session = session;
  exchange.index = index_[static_cast<uint64_t>(session)]++;
  exchange.status = static_cast<uint8_t>(status);
  exchange.messages.push_back(Message(wire::frontend::kQuery, ZeroEnded(sql)));
  event::Statement statement;
  statement.text = sql;
  exchange.statements.push_back(std::move(statement));
  return exchange;
}

event::Exchange SampleSource::SampleExchange(const Run& run) {
  event::Exchange exchange = QueryExchange(run.session, run.sample->text, 'T');
  exchange.statements[0].outcome.status = event::OutcomeStatus::kDone;
  exchange.statements[0].outcome.tag = run.sample->tag;
  if (!run.sample->messages.empty()) {
    exchange.messages = run.sample->messages;
    exchange.statements[0].message = 3;
  }
  return exchange;
}

base::Result<std::optional<event::Event>> SampleSource::Next() {
  if (started_ < starts_.size()) return std::optional<event::Event>(starts_[started_++]);
  if (at_ >= runs_.size()) return std::optional<event::Event>();
  const Run& run = runs_[at_];
  const int step = step_++;
  if (step == 0) return std::optional<event::Event>(QueryExchange(run.session, "BEGIN", 'T'));
  if (step == 1) return std::optional<event::Event>(SampleExchange(run));
  step_ = 0;
  ++at_;
  return std::optional<event::Event>(QueryExchange(run.session, "ROLLBACK", 'I'));
}

}  // namespace scry::replay
