#include "job/log_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/histogram.h"
#include "base/units.h"
#include "event/event.h"
#include "event/statement_facts.h"
#include "job/source_probe.h"
#include "querylog/log_reader.h"
#include "querylog/verify.h"
#include "report/table.h"
#include "wire/frontend.h"

namespace scry::job {
namespace {

using base::FormatCount;
using base::FormatDuration;
using base::FormatSize;
using base::Result;
using base::Status;
using json = nlohmann::ordered_json;

// Past so many patterns further ones are counted together: memory stays bounded for a capture whose
// every statement is its own pattern.
constexpr size_t kPatternsMax = 50000;

Result<querylog::LogReader> OpenLog(const LogRequest& request, const std::string& directory) {
  querylog::ReadOptions options;
  if (request.session) options.sessions = {event::SessionId{*request.session}};
  options.from_us = request.from_us;
  options.to_us = request.to_us;
  return querylog::LogReader::Open(directory, std::move(options));
}

// False: enough was seen.
using Visit = std::function<bool(const event::Event&)>;

Status ForEachEvent(const LogRequest& request, const std::string& directory, const Visit& visit) {
  SCRY_TRY_ASSIGN(querylog::LogReader reader, OpenLog(request, directory));
  for (;;) {
    SCRY_TRY_ASSIGN(const std::optional<event::Event> event, reader.Next());
    if (!event || !visit(*event)) return {};
  }
}

// ---- info

struct InfoCounts {
  uint64_t sessions = 0;
  uint64_t exchanges = 0;
  uint64_t statements = 0;
  uint64_t errors = 0;
  uint64_t cut_off = 0;
  uint64_t cancels = 0;
  uint64_t notifications = 0;
  uint64_t notices = 0;
  uint64_t gaps = 0;
  uint64_t gap_exchanges = 0;
  uint64_t frontend_bytes = 0;
  base::Micros last_us = 0;
  std::map<std::string, uint64_t> gap_reasons;
  std::map<std::string, uint64_t> users;

  void Add(const event::Event& event) {
    last_us = std::max(last_us, event::TimeOf(event));
    if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
      ++exchanges;
      statements += exchange->statements.size();
      notices += exchange->notices.size();
      cut_off += exchange->status == 0 ? 1 : 0;
      for (const auto& message : exchange->messages) frontend_bytes += message.size() + 5;
      for (const auto& statement : exchange->statements) {
        errors += statement.outcome.status == event::OutcomeStatus::kError ? 1 : 0;
      }
    } else if (const auto* start = std::get_if<event::SessionStart>(&event)) {
      ++sessions;
      std::string user = "?";
      std::string database;
      for (const auto& [name, value] : start->parameters) {
        if (name == "user") user = value;
        if (name == "database") database = value;
      }
      ++users[fmt::format("{} on {}", user, database.empty() ? user : database)];
    } else if (const auto* gap = std::get_if<event::Gap>(&event)) {
      ++gaps;
      gap_exchanges += gap->exchanges;
      gap_reasons[event::Name(gap->reason)] += std::max<uint64_t>(gap->exchanges, 1);
    } else if (std::holds_alternative<event::Cancel>(event)) {
      ++cancels;
    } else if (std::holds_alternative<event::Notification>(event)) {
      ++notifications;
    }
  }
};

// How much of what the database committed went through the capture. A client that goes around it
// breaks the order that replay keeps.
struct Coverage {
  std::string database;
  uint64_t seen = 0;    // Commits by sessions of that database, as their clients saw them.
  uint64_t server = 0;  // As the server counted over the same time, without our own.
  double share() const {
    return seen >= server ? 1 : static_cast<double>(seen) / static_cast<double>(server);
  }
};

class CoverageCount {
 public:
  explicit CoverageCount(std::string database) : database_(std::move(database)) {}

  void Add(const event::Event& event) {
    if (const auto* start = std::get_if<event::SessionStart>(&event)) {
      if (DatabaseOf(*start) != database_) elsewhere_.insert(start->session);
    } else if (const auto* end = std::get_if<event::SessionEnd>(&event)) {
      elsewhere_.erase(end->session);
    } else if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
      Add(*exchange);
    }
  }
  uint64_t seen() const { return seen_; }

 private:
  static std::string DatabaseOf(const event::SessionStart& start) {
    std::string user;
    for (const auto& [name, value] : start.parameters) {
      if (name == "database" && !value.empty()) return value;
      if (name == "user") user = value;
    }
    return user;
  }
  // The clock goes on by one with each exchange that committed, and with those that are only
  // counted in gaps, whose session nobody knows: they count as this database's.
  void Add(const event::Exchange& exchange) {
    const uint64_t before = std::exchange(clock_, std::max(clock_, exchange.commits_done));
    const uint64_t steps = clock_ - before;
    const bool here = !elsewhere_.contains(exchange.session);
    seen_ += here || steps == 0 ? steps : steps - 1;
  }

  const std::string database_;
  std::set<event::SessionId> elsewhere_;  // Open sessions of other databases.
  uint64_t clock_ = 0;
  uint64_t seen_ = 0;
};

// nullopt where one of the two counts is not known: an old capture, one that was cut short, a
// server that did not tell or whose counters were reset.
std::optional<Coverage> CoverageOf(const std::optional<event::SourceSnapshot>& snapshot,
                                   uint64_t seen) {
  if (!snapshot || !snapshot->commits_at_start || !snapshot->commits_at_end ||
      *snapshot->commits_at_end < *snapshot->commits_at_start) {
    return std::nullopt;
  }
  const uint64_t counted = *snapshot->commits_at_end - *snapshot->commits_at_start;
  return Coverage{snapshot->database, seen, counted - std::min(counted, kCountCommits)};
}

std::string CoverageText(const Coverage& coverage) {
  if (coverage.seen >= coverage.server) {
    return fmt::format("all commits of {} passed through this capture",
                       base::Printable(coverage.database));
  }
  // Rounded down: 100.0 % would say that none went around it.
  const double percent = std::floor(coverage.share() * 1000) / 10;
  return fmt::format("{:.1f} % of the commits of {} passed through this capture ({} of {})",
                     percent, base::Printable(coverage.database), FormatCount(coverage.seen),
                     FormatCount(coverage.server));
}

json InfoJson(const std::string& directory, const querylog::Manifest& manifest,
              const InfoCounts& counts, const std::optional<Coverage>& coverage,
              uint64_t stored_bytes) {
  json covered;
  if (coverage) {
    covered = json{{"database", coverage->database},
                   {"commits_seen", coverage->seen},
                   {"commits_server", coverage->server},
                   {"share", coverage->share()}};
  }
  return json{{"capture", directory},
              {"capture_id", manifest.capture_id},
              {"format_version", manifest.format_version},
              {"sealed", manifest.sealed},
              {"started", base::FormatWall(manifest.started_wall_us)},
              {"server_version", manifest.server_version},
              {"duration_us", counts.last_us},
              {"sessions", counts.sessions},
              {"exchanges", counts.exchanges},
              {"statements", counts.statements},
              {"errors", counts.errors},
              {"cancels", counts.cancels},
              {"notifications", counts.notifications},
              {"notices", counts.notices},
              {"cut_off", counts.cut_off},
              {"gaps", counts.gaps},
              {"exchanges_lost", counts.gap_exchanges},
              {"frontend_bytes", counts.frontend_bytes},
              {"stored_bytes", stored_bytes},
              {"coverage", covered}};
}

std::string InfoText(const std::string& directory, const querylog::Manifest& manifest,
                     const InfoCounts& counts, const std::optional<Coverage>& coverage,
                     uint64_t stored_bytes) {
  std::string text =
      fmt::format("{}  {}\n", base::Printable(directory),
                  manifest.sealed ? "complete" : "not sealed: still being written, or cut short");
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("  {:<12} {}\n", name, value);
  };
  line("started", base::FormatWall(manifest.started_wall_us));
  line("lasted", FormatDuration(counts.last_us));
  if (!manifest.server_version.empty()) line("server", "PostgreSQL " + manifest.server_version);
  line("sessions", FormatCount(counts.sessions));
  for (const auto& [who, count] : counts.users) {
    line("", fmt::format("{} as {}", FormatCount(count), base::Printable(who, 60)));
  }
  line("exchanges", FormatCount(counts.exchanges));
  line("statements", fmt::format("{}, {} with an error", FormatCount(counts.statements),
                                 FormatCount(counts.errors)));
  if (counts.cancels > 0) line("cancels", FormatCount(counts.cancels));
  if (counts.notifications > 0) line("notified", FormatCount(counts.notifications));
  if (counts.notices > 0) line("notices", FormatCount(counts.notices));
  if (counts.cut_off > 0) line("cut off", fmt::format("{} exchanges", FormatCount(counts.cut_off)));
  const double each = counts.exchanges == 0 ? 0
                                            : static_cast<double>(stored_bytes) /
                                                  static_cast<double>(counts.exchanges);
  line("size", fmt::format("{} on disk, {:.1f} bytes an exchange", FormatSize(stored_bytes), each));
  if (counts.gaps == 0) {
    line("missing",
         manifest.sealed ? "nothing" : "what came after the last block on disk, if anything");
  } else {
    line("missing", fmt::format("{} exchanges in {} gaps", FormatCount(counts.gap_exchanges),
                                FormatCount(counts.gaps)));
    for (const auto& [reason, count] : counts.gap_reasons) {
      line("", fmt::format("{}: {}", reason, FormatCount(count)));
    }
  }
  if (coverage) {
    line("coverage", CoverageText(*coverage));
    if (coverage->seen < coverage->server) {
      line("", "the others went around it: replay does not know their place in the order");
      line("", "(the server counts autovacuum too, and the last second of its sessions late)");
    }
  }
  return text;
}

// ---- top

struct TopPattern {
  std::string pattern;
  uint64_t fingerprint = 0;
  base::Histogram latency;
  uint64_t rows = 0;
  uint64_t errors = 0;
};

class TopTable {
 public:
  void Add(const event::Event& event) {
    const auto* exchange = std::get_if<event::Exchange>(&event);
    if (exchange == nullptr) return;
    for (const event::Statement& statement : exchange->statements) Add(statement);
  }

  std::vector<const TopPattern*> ByTotalTime() const {
    std::vector<const TopPattern*> sorted;
    for (const auto& [fingerprint, pattern] : patterns_) sorted.push_back(&pattern);
    std::sort(sorted.begin(), sorted.end(), [](const TopPattern* a, const TopPattern* b) {
      return std::pair(-a->latency.total(), a->fingerprint) <
             std::pair(-b->latency.total(), b->fingerprint);
    });
    return sorted;
  }
  base::Micros total_us() const { return total_us_; }
  uint64_t statements() const { return statements_; }

 private:
  void Add(const event::Statement& statement) {
    const event::Outcome& outcome = statement.outcome;
    if (outcome.status == event::OutcomeStatus::kSkipped) return;  // It did not run.
    static const event::StatementFacts kUnknown = [] {
      event::StatementFacts facts;
      facts.pattern = "(prepared before the capture)";
      return facts;
    }();
    const event::StatementFacts& facts =
        statement.text.empty() ? kUnknown : facts_.Get(statement.text, statement.ordinal);
    const bool full = patterns_.size() >= kPatternsMax && !patterns_.contains(facts.fingerprint);
    TopPattern& pattern = full ? patterns_[~uint64_t{0}] : patterns_[facts.fingerprint];
    if (pattern.pattern.empty()) {
      pattern.pattern = full ? "(further patterns)" : facts.pattern;
      pattern.fingerprint = full ? ~uint64_t{0} : facts.fingerprint;
    }
    pattern.latency.Add(outcome.elapsed_us);
    const uint64_t affected = event::TagCount(outcome.tag).value_or(0);
    pattern.rows += std::max(outcome.rows, affected);
    pattern.errors += outcome.status == event::OutcomeStatus::kError ? 1 : 0;
    total_us_ += outcome.elapsed_us;
    ++statements_;
  }

  event::FactsCache facts_;
  std::unordered_map<uint64_t, TopPattern> patterns_;
  base::Micros total_us_ = 0;
  uint64_t statements_ = 0;
};

double Share(base::Micros part, base::Micros whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string TopJson(const TopTable& top, const std::vector<const TopPattern*>& sorted,
                    size_t shown) {
  json patterns = json::array();
  for (size_t i = 0; i < shown; ++i) {
    const TopPattern& p = *sorted[i];
    patterns.push_back(json{{"fingerprint", event::FingerprintText(p.fingerprint)},
                            {"pattern", p.pattern},
                            {"calls", p.latency.count()},
                            {"total_us", p.latency.total()},
                            {"share", Share(p.latency.total(), top.total_us())},
                            {"mean_us", p.latency.mean()},
                            {"p50_us", p.latency.Quantile(0.5)},
                            {"p95_us", p.latency.Quantile(0.95)},
                            {"p99_us", p.latency.Quantile(0.99)},
                            {"max_us", p.latency.max()},
                            {"rows", p.rows},
                            {"errors", p.errors}});
  }
  const json document{{"statements", top.statements()},
                      {"patterns_total", sorted.size()},
                      {"total_us", top.total_us()},
                      {"patterns", patterns}};
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

// Milliseconds without the unit, which stands in the title.
std::string Ms(double us) {
  const double ms = us / 1000;
  return ms >= 100  ? fmt::format("{:.0f}", ms)
         : ms >= 10 ? fmt::format("{:.1f}", ms)
                    : fmt::format("{:.3f}", ms);
}
std::string Ms(base::Micros us) { return Ms(static_cast<double>(us)); }

std::string TopText(const LogRequest& request, const TopTable& top,
                    const std::vector<const TopPattern*>& sorted, size_t shown) {
  using report::Align;
  report::Table table({{"share", Align::kRight},
                       {"calls", Align::kRight},
                       {"mean", Align::kRight},
                       {"p50", Align::kRight},
                       {"p95", Align::kRight},
                       {"p99", Align::kRight},
                       {"max", Align::kRight},
                       {"rows", Align::kRight},
                       {"err", Align::kRight},
                       {"pattern", Align::kLeft, true}});
  for (size_t i = 0; i < shown; ++i) {
    const TopPattern& p = *sorted[i];
    const base::Histogram& h = p.latency;
    table.AddRow({fmt::format("{:.1f}%", 100 * Share(h.total(), top.total_us())),
                  FormatCount(h.count()), Ms(h.mean()), Ms(h.Quantile(0.5)), Ms(h.Quantile(0.95)),
                  Ms(h.Quantile(0.99)), Ms(h.max()), FormatCount(p.rows), FormatCount(p.errors),
                  p.pattern});
  }
  std::string text;
  for (const std::string& line : table.Lines(request.columns)) text += line + "\n";
  text += fmt::format("times in ms; {} statements of {} patterns, {} in all",
                      FormatCount(top.statements()), FormatCount(sorted.size()),
                      FormatDuration(top.total_us()));
  if (shown < sorted.size()) text += fmt::format("; {} shown, --limit 0 for all", shown);
  return text + "\n";
}

// ---- cat

std::string ParameterText(const wire::Bind& bind, size_t i) {
  if (!bind.parameters[i]) return "NULL";
  const size_t format_at = bind.formats.size() == 1 ? 0 : i;
  const bool binary = format_at < bind.formats.size() && bind.formats[format_at] == 1;
  if (!binary) return fmt::format("'{}'", base::Printable(*bind.parameters[i], 80));
  std::string hex = "\\x";
  for (const char c : bind.parameters[i]->substr(0, 32)) {
    hex += fmt::format("{:02x}", static_cast<uint8_t>(c));
  }
  return hex + (bind.parameters[i]->size() > 32 ? "…" : "");
}

std::vector<std::string> Parameters(const event::Exchange& exchange) {
  std::vector<std::string> texts;
  for (const event::FrontendMessage& message : exchange.messages) {
    if (message.type != wire::frontend::kBind) continue;
    const std::string payload = message.Payload();
    const auto bind = wire::ParseBind(base::AsBytes(payload));
    if (!bind) continue;
    for (size_t i = 0; i < bind->parameters.size(); ++i) texts.push_back(ParameterText(*bind, i));
  }
  return texts;
}

// `before`: the statement before in the exchange, or nullptr. A Query of many is shown once.
std::string Shown(const LogRequest& request, event::FactsCache& facts,
                  const event::Statement& statement, const event::Statement* before) {
  if (statement.text.empty()) return "(prepared before the capture)";
  if (!request.show_values) return facts.Get(statement.text, statement.ordinal).pattern;
  if (before != nullptr && before->message == statement.message && before->text == statement.text) {
    return fmt::format("(statement {} of that Query)", statement.ordinal + 1);
  }
  return base::OneLine(statement.text);
}

std::string CatOutcome(const event::Outcome& outcome) {
  if (outcome.status == event::OutcomeStatus::kError) {
    return fmt::format("ERROR {} {}", outcome.sqlstate, base::Printable(outcome.message, 120));
  }
  if (outcome.status == event::OutcomeStatus::kDone) return base::Printable(outcome.tag);
  return event::Name(outcome.status);
}

std::string CatExchange(const LogRequest& request, event::FactsCache& facts,
                        const event::Exchange& e) {
  std::string text;
  const auto session = static_cast<uint64_t>(e.session);
  const event::Statement* before = nullptr;
  for (const event::Statement& statement : e.statements) {
    text += fmt::format(
        "{:>13.6f} #{} {}  {}  -- {} in {}\n", static_cast<double>(e.forwarded_us) / 1e6, session,
        e.status == 0 ? '-' : static_cast<char>(e.status),
        base::Printable(Shown(request, facts, statement, before)), CatOutcome(statement.outcome),
        FormatDuration(statement.outcome.elapsed_us));
    before = &statement;
  }
  for (const std::string& sqlstate : e.notices) {
    text += fmt::format("{:>13}   notice {}\n", "", base::Printable(sqlstate));
  }
  for (const auto& [name, value] : e.parameter_changes) {
    text += fmt::format("{:>13}   parameter {}{}\n", "", base::Printable(name),
                        request.show_values ? " = " + base::Printable(value, 80) : "");
  }
  if (!request.show_values) return text;
  const std::vector<std::string> parameters = Parameters(e);
  for (size_t i = 0; i < parameters.size(); ++i) {
    text += fmt::format("{:>13}   ${} = {}\n", "", i + 1, parameters[i]);
  }
  return text;
}

std::string CatText(const LogRequest& request, event::FactsCache& facts,
                    const event::Event& event) {
  if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
    return CatExchange(request, facts, *exchange);
  }
  const double at = static_cast<double>(event::TimeOf(event)) / 1e6;
  const auto session = static_cast<uint64_t>(event::SessionOf(event));
  if (const auto* start = std::get_if<event::SessionStart>(&event)) {
    std::string text = fmt::format("{:>13.6f} #{} session from {}", at, session, start->client);
    for (const auto& [name, value] : start->parameters) {
      text += fmt::format(" {}={}", base::Printable(name), base::Printable(value));
    }
    return text + "\n";
  }
  if (const auto* end = std::get_if<event::SessionEnd>(&event)) {
    return fmt::format("{:>13.6f} #{} end: {}, {} exchanges\n", at, session,
                       event::Name(end->reason), end->exchanges);
  }
  if (const auto* gap = std::get_if<event::Gap>(&event)) {
    return fmt::format("{:>13.6f} #{} GAP: {}, {} exchanges, {}\n", at, session,
                       event::Name(gap->reason), gap->exchanges, FormatSize(gap->bytes));
  }
  if (const auto* told = std::get_if<event::Notification>(&event)) {
    std::string text =
        fmt::format("{:>13.6f} #{} notification on {} from {}, {} bytes", at, session,
                    base::Printable(told->channel), told->pid, told->payload_bytes);
    if (request.show_values) text += fmt::format(": '{}'", base::Printable(told->payload, 80));
    return text + "\n";
  }
  return fmt::format("{:>13.6f} #{} cancel request\n", at, session);
}

json OutcomeJson(const event::Outcome& o) {
  json document{{"status", event::Name(o.status)}, {"elapsed_us", o.elapsed_us}};
  if (!o.tag.empty()) document["tag"] = o.tag;
  if (o.rows > 0) {
    document["rows"] = o.rows;
    document["row_bytes"] = o.row_bytes;
    document["digest_ordered"] = event::FingerprintText(o.digest_ordered);
    document["digest_unordered"] = event::FingerprintText(o.digest_unordered);
  }
  if (!o.sqlstate.empty()) document["sqlstate"] = o.sqlstate;
  if (!o.message.empty()) document["message"] = o.message;
  if (!o.values.empty()) document["kept_bytes"] = o.values.size();
  return document;
}

json CatExchangeJson(const LogRequest& request, event::FactsCache& facts,
                     const event::Exchange& e) {
  json document{{"event", "exchange"},
                {"session", static_cast<uint64_t>(e.session)},
                {"index", e.index},
                {"forwarded_us", e.forwarded_us},
                {"first_answer_us", e.first_answer_us},
                {"completed_us", e.completed_us},
                {"commits_seen", e.commits_seen},
                {"commits_done", e.commits_done},
                {"status", e.status == 0 ? "" : std::string(1, static_cast<char>(e.status))}};
  std::string messages;
  for (const auto& message : e.messages) messages.push_back(static_cast<char>(message.type));
  document["messages"] = messages;
  if (request.show_values) document["parameters"] = Parameters(e);
  json statements = json::array();
  const event::Statement* before = nullptr;
  for (const event::Statement& statement : e.statements) {
    json one = OutcomeJson(statement.outcome);
    one["text"] = Shown(request, facts, statement, before);
    before = &statement;
    if (!statement.text.empty()) {
      one["fingerprint"] =
          event::FingerprintText(facts.Get(statement.text, statement.ordinal).fingerprint);
    }
    statements.push_back(std::move(one));
  }
  document["statements"] = std::move(statements);
  if (!e.notices.empty()) document["notices"] = e.notices;
  for (const auto& [name, value] : e.parameter_changes) {
    json change{{"name", name}};
    if (request.show_values) change["value"] = value;
    document["parameter_changes"].push_back(std::move(change));
  }
  if (e.unasked_dropped > 0) document["unasked_dropped"] = e.unasked_dropped;
  return document;
}

json CatJson(const LogRequest& request, event::FactsCache& facts, const event::Event& event) {
  if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
    return CatExchangeJson(request, facts, *exchange);
  }
  json document{{"event", ""},
                {"session", static_cast<uint64_t>(event::SessionOf(event))},
                {"at_us", event::TimeOf(event)}};
  if (const auto* start = std::get_if<event::SessionStart>(&event)) {
    document["event"] = "session start";
    document["client"] = start->client;
    for (const auto& [name, value] : start->parameters) document["parameters"][name] = value;
    for (const auto& [name, value] : start->settings) document["settings"][name] = value;
  } else if (const auto* end = std::get_if<event::SessionEnd>(&event)) {
    document["event"] = "session end";
    document["reason"] = event::Name(end->reason);
    document["exchanges"] = end->exchanges;
  } else if (const auto* gap = std::get_if<event::Gap>(&event)) {
    document["event"] = "gap";
    document["reason"] = event::Name(gap->reason);
    document["from_us"] = gap->from_us;
    document["exchanges"] = gap->exchanges;
    document["bytes"] = gap->bytes;
  } else if (const auto* told = std::get_if<event::Notification>(&event)) {
    document["event"] = "notification";
    document["channel"] = told->channel;
    document["pid"] = told->pid;
    document["payload_bytes"] = told->payload_bytes;
    document["payload_digest"] = event::FingerprintText(told->payload_digest);
    if (request.show_values) document["payload"] = told->payload;
  } else {
    document["event"] = "cancel";
  }
  return document;
}

}  // namespace

Result<std::string> LogInfo(const LogRequest& request) {
  std::string text;
  json documents = json::array();
  // Part of a capture says nothing about how much went around it.
  const bool whole = !request.session && !request.from_us && !request.to_us;
  for (const std::string& directory : request.directories) {
    SCRY_TRY_ASSIGN(querylog::LogReader reader, OpenLog(request, directory));
    const auto kept = reader.Snapshot();  // A broken one is for 'log verify' to tell.
    std::optional<event::SourceSnapshot> snapshot;
    if (whole && kept.ok()) snapshot = *kept;
    CoverageCount seen(snapshot ? snapshot->database : std::string());
    InfoCounts counts;
    for (;;) {
      SCRY_TRY_ASSIGN(const std::optional<event::Event> event, reader.Next());
      if (!event) break;
      counts.Add(*event);
      seen.Add(*event);
    }
    const std::optional<Coverage> coverage = CoverageOf(snapshot, seen.seen());
    if (request.json) {
      documents.push_back(
          InfoJson(directory, reader.manifest(), counts, coverage, reader.stored_bytes()));
    } else {
      text += InfoText(directory, reader.manifest(), counts, coverage, reader.stored_bytes());
    }
  }
  if (!request.json) return text;
  return documents.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<std::string> LogTop(const LogRequest& request) {
  TopTable top;
  for (const std::string& directory : request.directories) {
    SCRY_TRY(ForEachEvent(request, directory, [&](const event::Event& event) {
      top.Add(event);
      return true;
    }));
  }
  const std::vector<const TopPattern*> sorted = top.ByTotalTime();
  const size_t shown =
      request.limit == 0 ? sorted.size() : std::min<size_t>(request.limit, sorted.size());
  return request.json ? TopJson(top, sorted, shown) : TopText(request, top, sorted, shown);
}

Status LogCat(const LogRequest& request, const std::function<bool(const std::string&)>& print) {
  event::FactsCache facts;
  for (const std::string& directory : request.directories) {
    SCRY_TRY(ForEachEvent(request, directory, [&](const event::Event& event) {
      if (!request.json) return print(CatText(request, facts, event));
      return print(
          CatJson(request, facts, event).dump(-1, ' ', false, json::error_handler_t::replace) +
          "\n");
    }));
  }
  return {};
}

Result<VerifyOutcome> LogVerify(const LogRequest& request) {
  VerifyOutcome outcome;
  outcome.sound = true;
  json documents = json::array();
  for (const std::string& directory : request.directories) {
    SCRY_TRY_ASSIGN(const querylog::VerifyReport verified, querylog::VerifyCapture(directory));
    outcome.sound &= verified.ok();
    documents.push_back(json{{"capture", directory},
                             {"ok", verified.ok()},
                             {"events", verified.stats.events},
                             {"exchanges", verified.stats.exchanges},
                             {"exchanges_lost", verified.stats.exchanges_lost},
                             {"blocks", verified.stats.blocks},
                             {"problems", verified.problems},
                             {"notes", verified.notes}});
    outcome.text +=
        fmt::format("{}: {}, {} exchanges in {} blocks, {}\n", base::Printable(directory),
                    verified.ok() ? "sound" : "DAMAGED", FormatCount(verified.stats.exchanges),
                    FormatCount(verified.stats.blocks), FormatSize(verified.stored_bytes));
    for (const std::string& problem : verified.problems) {
      outcome.text += fmt::format("  problem: {}\n", base::Printable(problem));
    }
    for (const std::string& note : verified.notes) {
      outcome.text += fmt::format("  note: {}\n", base::Printable(note));
    }
  }
  if (request.json) {
    outcome.text = documents.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  }
  return outcome;
}

}  // namespace scry::job
