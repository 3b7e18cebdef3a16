#include "replay/sample_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "wire/frontend.h"

namespace scry::replay {

using event::FrontendMessage;

namespace {

// In Sample::messages.
constexpr size_t kParseAt = 0;
constexpr size_t kBindAt = 1;
// The last of them makes the generic plan, so that no run that counts has to.
constexpr size_t kBindsBefore = kCustomPlans + 1;

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

// Bind's payload again, but of the statement with this name, on the unnamed portal.
std::string Renamed(const std::string& payload, std::string_view statement) {
  auto bind = wire::ParseBind(base::AsBytes(payload));
  if (!bind) return {};
  bind->portal = {};
  bind->statement = statement;
  return wire::EncodeBind(*bind).substr(5);
}

// Parse's payload again, of this name.
std::string Named(const std::string& payload, std::string_view name) {
  auto parse = wire::ParseParse(base::AsBytes(payload));
  if (!parse) return {};
  parse->name = name;
  return wire::EncodeParse(*parse).substr(5);
}

// The Bind of an exchange that runs one; nullptr: none, or a form that cannot be run by itself.
const FrontendMessage* BindOf(const event::Exchange& exchange) {
  const FrontendMessage* bind = nullptr;
  for (const FrontendMessage& message : exchange.messages) {
    if (message.type == wire::frontend::kQuery || message.type == wire::frontend::kFunctionCall ||
        message.type == wire::frontend::kCopyData) {
      return nullptr;
    }
    if (message.type == wire::frontend::kBind) bind = &message;
  }
  return bind;
}

bool IsSimpleQuery(const event::Exchange& exchange) {
  return exchange.messages.size() == 1 && exchange.messages[0].type == wire::frontend::kQuery;
}

bool Succeeded(const event::Statement& statement) {
  return statement.outcome.status == event::OutcomeStatus::kDone ||
         statement.outcome.status == event::OutcomeStatus::kSuspended;
}

size_t BytesOf(const event::Exchange& exchange) {
  size_t bytes = 0;
  for (const FrontendMessage& message : exchange.messages) bytes += message.size();
  return bytes;
}

}  // namespace

base::Status SampleBook::Scan(event::EventSource& source, event::FactsCache& facts) {
  sessions_.clear();
  for (;;) {
    SCRY_TRY_ASSIGN(std::optional<event::Event> event, source.Next());
    if (!event) break;
    if (auto* start = std::get_if<event::SessionStart>(&*event)) {
      sessions_[static_cast<uint64_t>(start->session)].start = std::move(*start);
    } else if (const auto* end = std::get_if<event::SessionEnd>(&*event)) {
      sessions_.erase(static_cast<uint64_t>(end->session));
    } else if (const auto* exchange = std::get_if<event::Exchange>(&*event)) {
      const auto found = sessions_.find(static_cast<uint64_t>(exchange->session));
      if (found == sessions_.end()) continue;
      for (const FrontendMessage& message : exchange->messages) Remember(message, found->second);
      Take(found->second, *exchange, facts);
      found->second.settings.EndExchange(*exchange);
    }
  }
  for (const auto& [fingerprint, spread] : spreads_) samples_[fingerprint] = spread.Chosen();
  return {};
}

void SampleBook::Remember(const FrontendMessage& message, Session& session) {
  if (message.type == wire::frontend::kParse) {
    // All of it stands in the head; the name is its first string.
    base::ByteReader in(message.head);
    const std::string_view name = in.CString();
    if (in.ok()) session.prepared[std::string(name)] = {message, 0};
  } else if (message.type == wire::frontend::kBind) {
    if (Prepared* prepared = PreparedOf(session, message)) ++prepared->executed;
  } else if (message.type == wire::frontend::kClose) {
    const auto close = wire::ParseDescribeOrClose(base::AsBytes(message.head));
    if (close && close->target == wire::Target::kStatement) {
      session.prepared.erase(std::string(close->name));
    }
  }
}

void SampleBook::Take(Session& session, const event::Exchange& exchange, event::FactsCache& facts) {
  if (exchange.statements.size() != 1 || exchange.statements[0].text.empty()) return;
  const event::Statement& statement = exchange.statements[0];
  // What failed when captured says nothing of speed.
  if (!Succeeded(statement)) return;
  const std::vector<event::StatementFacts>& all = facts.GetAll(statement.text);
  if (all.size() != 1) return;
  if (SessionSettings::IsSetting(all[0], statement.text)) {
    if (auto sample = MakeSample(session, exchange)) {
      session.settings.Add({std::move(sample->text), std::move(sample->messages)});
    }
    return;
  }
  const uint64_t fingerprint = all[0].fingerprint;
  if (!wanted_(all[0])) return;
  if (choice_ == SampleChoice::kSpread) {
    TakeSpread(session, exchange, fingerprint);
  } else {
    TakeRandom(session, exchange, fingerprint);
  }
}

// A reservoir: every execution has the same chance, whatever the length of the capture.
void SampleBook::TakeRandom(Session& session, const event::Exchange& exchange,
                            uint64_t fingerprint) {
  size_t samples_max = samples_per_pattern_;
  if (const auto wish = wishes_.find(fingerprint); wish != wishes_.end()) {
    const event::Outcome& outcome = exchange.statements[0].outcome;
    if (!wish->second.calls.Contains(event::CostOf(event::RowsOf(outcome), outcome.elapsed_us))) {
      return;
    }
    samples_max = wish->second.samples;
  }
  std::vector<Sample>& kept = samples_[fingerprint];
  const uint64_t seen = seen_[fingerprint]++;
  size_t place = kept.size();
  if (kept.size() >= samples_max) {
    place = random_.Below(seen + 1);
    if (place >= samples_max) return;
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

void SampleBook::TakeSpread(Session& session, const event::Exchange& exchange,
                            uint64_t fingerprint) {
  if (BytesOf(exchange) > kSpreadSampleBytesMax || !session.settings.known()) {
    ++left_out_;
    return;
  }
  const event::Statement& statement = exchange.statements[0];
  const FrontendMessage* bind = BindOf(exchange);
  SampleOffer offer;
  offer.key = KeyOf(session, statement.text, bind);
  offer.values = bind != nullptr ? std::string_view(bind->values) : statement.text.view();
  offer.elapsed_us = statement.outcome.elapsed_us;
  offer.rows = statement.outcome.rows;
  SampleSpread& spread =
      spreads_.try_emplace(fingerprint, samples_per_pattern_, seed_).first->second;
  if (!spread.Wants(offer)) return;
  std::optional<Sample> sample = MakeSample(session, exchange);
  if (!sample) return;
  sample->fingerprint = fingerprint;
  sample->settings = session.settings.InForce();
  if (spread_bytes_ + WeightBytes(*sample) > kSpreadBytesMax) {
    ++left_out_;
    return;
  }
  spread_bytes_ -= spread.bytes();
  spread.Put(offer, std::move(*sample));
  spread_bytes_ += spread.bytes();
}

// What makes one execution differ from another: its text, its parameters, whose it is, what was
// set, and whether the server may run it by a generic plan.
uint64_t SampleBook::KeyOf(Session& session, const std::string& text, const FrontendMessage* bind) {
  std::string key = text;
  const auto add = [&](std::string_view part) {
    key += '\0';
    key += part;
  };
  for (const auto& [name, value] : session.start.parameters) {
    add(name);
    add(value);
  }
  for (const SettingStatement& setting : session.settings.InForce()) add(setting.text);
  if (bind != nullptr) {
    add(bind->values);
    const Prepared* prepared = PreparedOf(session, *bind);
    const bool accustomed = prepared != nullptr && prepared->executed_before() >= kCustomPlans;
    add(accustomed ? "generic" : "custom");
  }
  return event::DigestOf(key);
}

SampleBook::Prepared* SampleBook::PreparedOf(Session& session, const FrontendMessage& bind) {
  base::ByteReader in(bind.head);
  in.CString();  // The portal.
  const std::string_view name = in.CString();
  if (!in.ok()) return nullptr;
  const auto found = session.prepared.find(std::string(name));
  return found == session.prepared.end() ? nullptr : &found->second;
}

std::optional<Sample> SampleBook::MakeSample(Session& session, const event::Exchange& exchange) {
  Sample sample;
  sample.session = session.start;
  sample.text = exchange.statements[0].text;
  sample.tag = exchange.statements[0].outcome.tag;
  sample.elapsed_us = exchange.statements[0].outcome.elapsed_us;
  if (IsSimpleQuery(exchange)) return sample;
  const FrontendMessage* bind_message = BindOf(exchange);
  if (bind_message == nullptr) return std::nullopt;  // Also: a portal bound earlier.
  const std::string payload = bind_message->Payload();
  const auto bind = wire::ParseBind(base::AsBytes(payload));
  if (!bind) return std::nullopt;
  const Prepared* prepared = PreparedOf(session, *bind_message);
  if (prepared == nullptr) return std::nullopt;
  sample.executed_before = prepared->executed_before();
  sample.messages = {Message(wire::frontend::kParse, Named(prepared->parse.Payload(), "")),
                     Message(wire::frontend::kBind, Renamed(payload, "")),
                     Message(wire::frontend::kDescribe, std::string("P\0", 2)),
                     Message(wire::frontend::kExecute, std::string("\0\0\0\0\0", 5)),
                     Message(wire::frontend::kSync, "")};
  return sample;
}

SampleSource::SampleSource(const std::map<uint64_t, std::vector<Sample>>& samples, uint64_t rounds,
                           uint64_t seed) {
  base::Random random(seed);
  const auto shuffle = [&](auto& all) {
    for (size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random.Below(i)]);
  };
  std::map<event::Settings, event::SessionId> by_settings;
  std::map<std::pair<event::SessionId, std::string>, size_t> by_parse;  // In statements_.
  std::vector<std::vector<Run>> stretches;
  for (const auto& [fingerprint, kept] : samples) {
    std::vector<Run> runs;
    for (const Sample& sample : kept) {
      const auto [found, added] = by_settings.try_emplace(sample.session.parameters,
                                                          event::SessionId{by_settings.size() + 1});
      if (added) {
        event::SessionStart start = sample.session;
        start.session = found->second;
        start.at_us = 0;  // As all that follows: by the time of the capture it would come last.
        starts_.push_back(std::move(start));
      }
      Run run{&sample, found->second, std::nullopt};
      if (sample.accustomed()) {
        const auto [statement, new_one] = by_parse.try_emplace(
            {run.session, sample.messages[kParseAt].Payload()}, statements_.size());
        run.statement = statement->second;
        if (new_one) statements_.push_back({fmt::format("scry_{}", statements_.size()), {}, false});
        std::vector<const Sample*>& bound = statements_[*run.statement].samples;
        if (bound.size() < kBindsBefore) bound.push_back(&sample);
      }
      runs.insert(runs.end(), rounds, run);
    }
    shuffle(runs);
    std::stable_sort(runs.begin(), runs.end(),
                     [](const Run& a, const Run& b) { return a.session < b.session; });
    for (size_t i = 0; i < runs.size(); ++i) {
      if (i == 0 || stretches.back().size() == kStretch ||
          stretches.back().front().session != runs[i].session) {
        stretches.emplace_back();
      }
      stretches.back().push_back(runs[i]);
    }
  }
  shuffle(stretches);
  for (const std::vector<Run>& stretch : stretches) {
    runs_.insert(runs_.end(), stretch.begin(), stretch.end());
  }
}

event::Exchange SampleSource::Open(event::SessionId session, char status) {
  event::Exchange exchange;
  exchange.session = session;
  exchange.index = index_[static_cast<uint64_t>(session)]++;
  exchange.status = static_cast<uint8_t>(status);
  return exchange;
}

event::Exchange SampleSource::QueryExchange(event::SessionId session, const std::string& sql,
                                            char status) {
  event::Exchange exchange = Open(session, status);
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
  // What it cost tells to which of its pattern's calls it belongs.
  exchange.statements[0].outcome.elapsed_us = run.sample->elapsed_us;
  if (run.sample->messages.empty()) return exchange;
  exchange.messages = run.sample->messages;
  if (run.statement) {
    FrontendMessage& bind = exchange.messages[kBindAt];
    bind =
        Message(wire::frontend::kBind, Renamed(bind.Payload(), statements_[*run.statement].name));
    exchange.messages.erase(exchange.messages.begin() + std::ptrdiff_t{kParseAt});
  }
  exchange.statements[0].message = static_cast<uint32_t>(exchange.messages.size() - 2);
  return exchange;
}

// A server plans a statement where it is bound.
event::Exchange SampleSource::AccustomExchange(event::SessionId session,
                                               const NamedStatement& statement) {
  event::Exchange exchange = Open(session, 'I');
  const std::string parse = statement.samples.front()->messages[kParseAt].Payload();
  exchange.messages.push_back(Message(wire::frontend::kParse, Named(parse, statement.name)));
  for (size_t i = 0; i < kBindsBefore; ++i) {
    const Sample& sample = *statement.samples[i % statement.samples.size()];
    exchange.messages.push_back(Message(
        wire::frontend::kBind, Renamed(sample.messages[kBindAt].Payload(), statement.name)));
  }
  exchange.messages.push_back(Message(wire::frontend::kSync, ""));
  return exchange;
}

base::Result<bool> SampleSource::Read(event::Event& event) {
  if (started_ < starts_.size()) {
    event = starts_[started_++];
    return true;
  }
  if (at_ >= runs_.size()) return false;
  const Run& run = runs_[at_];
  if (run.statement && !statements_[*run.statement].prepared) {
    NamedStatement& statement = statements_[*run.statement];
    statement.prepared = true;
    event = AccustomExchange(run.session, statement);
    return true;
  }
  const int step = step_++;
  if (step == 0) {
    event = QueryExchange(run.session, "BEGIN", 'T');
  } else if (step == 1) {
    event = SampleExchange(run);
  } else {
    event = QueryExchange(run.session, "ROLLBACK", 'I');
    step_ = 0;
    ++at_;
  }
  return true;
}

}  // namespace scry::replay
