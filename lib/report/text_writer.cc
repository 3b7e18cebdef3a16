#include "report/text_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"
#include "report/row_sample_text.h"
#include "report/table.h"
#include "report/wait_chart.h"
#include "report/wording.h"

namespace scry::report {
namespace {

using base::FormatCount;
using base::FormatDuration;
using base::OneLine;
using base::Printable;

constexpr size_t kColumnsMin = 40;
constexpr size_t kIndent = 2;
constexpr size_t kDetailIndent = 6;
constexpr size_t kNotJudgedMax = 5;
constexpr size_t kFasterMax = 5;
constexpr size_t kUnfaithfulMax = 5;
constexpr size_t kIgnoredShownMax = 5;
constexpr size_t kThinMax = 5;
constexpr size_t kOutputLinesMax = 20;
constexpr size_t kUnchangedMax = 200;
constexpr size_t kCausesMax = 10;
constexpr size_t kCausePatternsMax = 3;
constexpr size_t kStatementsMax = 20;
constexpr size_t kNamesTold = 5;

enum class Ink { kPlain, kBold, kDim, kRed, kGreen, kYellow };

std::string Clean(std::string_view text) { return Printable(OneLine(text)); }

class Writer {
 public:
  Writer(const Report& report, const TextOptions& options)
      : report_(report), options_(options), columns_(std::max(options.columns, kColumnsMin)) {}

  std::string Run() {
    WriteVerdict();
    WriteMigrationOutput();
    WriteCauses();
    WriteSentences("broken", "BROKEN", "ran before the change, fail after it");
    WriteSentences("different", "DIFFERENT", "other results than before the change");
    WriteSentences("blocked", "BLOCKS", "statements of the migration that queries waited for");
    WriteSpeeds("slower", "SLOWER", "before", options_.findings_per_section_max);
    WriteSpeeds("new-slow", "NEW AND SLOW", "captured", options_.findings_per_section_max);
    WriteSentences("over-budget", "OVER BUDGET", "slower on the candidate than the policy allows");
    WriteSentences("more-work", "MORE WORK", "for the same parameters, whatever the clock says");
    WriteSentences("transient", "TRANSIENT", "only in the first minutes after it");
    WriteSentences("warning", "WARNINGS", "told, not gating");
    WriteSpeeds("new", "NEW", "captured", options_.findings_per_section_max);
    WriteSpeeds("faster", "FASTER", "before", kFasterMax);
    WriteMigrationStatements();
    WriteDuring();
    WriteFixes();
    WriteIgnored();
    WriteNotJudged();
    WriteUnchanged();
    WriteThin();
    WriteUnfaithful();
    WriteNotes();
    WriteTested();
    WriteNextSteps();
    return std::move(out_);
  }

 private:
  std::string Paint(std::string_view text, Ink ink) const {
    if (!options_.color || ink == Ink::kPlain) return std::string(text);
    static constexpr const char* kCodes[] = {"0", "1", "2", "1;31", "1;32", "1;33"};
    return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<size_t>(ink)], text);
  }

  void Line(std::string_view text) {
    out_ += text;
    out_ += '\n';
  }

  // Indented, broken at blanks.
  void Wrapped(std::string_view text, size_t indent, Ink ink, std::string_view bullet = {}) {
    const size_t hang = indent + bullet.size();
    bool first = true;
    for (const std::string& line : Wrap(Clean(text), columns_ - hang)) {
      const std::string lead =
          first ? std::string(indent, ' ') + std::string(bullet) : std::string(hang, ' ');
      Line(lead + Paint(line, ink));
      first = false;
    }
  }
  void Detail(std::string_view text, Ink ink = Ink::kPlain) { Wrapped(text, kDetailIndent, ink); }

  void Heading(std::string_view title, std::string_view explanation = {}) {
    Line("");
    std::string line = Paint(title, Ink::kBold);
    if (!explanation.empty()) line += "  " + Paint(explanation, Ink::kDim);
    Line(line);
  }

  // The first `title.size()` bytes of a table's title line are its section's heading.
  void TableHeading(const std::string& line, std::string_view title) {
    Line("");
    Line(Paint(title, Ink::kBold) + Paint(std::string_view(line).substr(title.size()), Ink::kDim));
  }

  void WriteVerdict() {
    std::string word = report_.verdict;
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    word = Clean(word);
    Ink ink = Ink::kRed;
    if (report_.verdict == "safe") ink = Ink::kGreen;
    if (report_.verdict == "inconclusive") ink = Ink::kYellow;
    const size_t hang = DisplayWidth(word) + 2;
    const size_t room = columns_ > hang + kColumnsMin / 2 ? columns_ - hang : kColumnsMin / 2;
    const auto lines = Wrap(Clean(report_.sentence), room);
    Line(Paint(word, ink) + (lines.empty() ? "" : "  " + lines.front()));
    for (size_t i = 1; i < lines.size(); ++i) Line(std::string(hang, ' ') + lines[i]);
  }

  void WriteMigrationOutput() {
    const MigrationFacts& migration = report_.migration;
    if (!migration.ran || migration.exit_status == 0) return;
    Heading("MIGRATION", "what the command printed last");
    Line("  " + Shorten("$ " + Clean(migration.command), columns_ - kIndent));
    const size_t count = migration.output.size();
    const size_t from = count > kOutputLinesMax ? count - kOutputLinesMax : 0;
    for (size_t i = from; i < count; ++i) {
      Line(Paint("  | ", Ink::kDim) + Shorten(Printable(migration.output[i]), columns_ - 4));
    }
  }

  const Finding* ById(const std::string& id) const {
    const auto found = std::find_if(report_.findings.begin(), report_.findings.end(),
                                    [&](const Finding& finding) { return finding.id == id; });
    return found == report_.findings.end() ? nullptr : &*found;
  }

  // Cause first: what one of them did to several patterns is told once.
  void WriteCauses() {
    if (report_.causes.empty()) return;
    Heading("CAUSES", "from plans and catalogues of both lanes");
    const size_t shown = std::min(report_.causes.size(), kCausesMax);
    for (size_t i = 0; i < shown; ++i) {
      const Cause& cause = report_.causes[i];
      Wrapped(cause.sentence, kIndent, Ink::kPlain, "- ");
      if (!cause.statement.empty()) {
        Line(std::string(kDetailIndent, ' ') +
             Shorten("by: " + Clean(cause.statement), columns_ - kDetailIndent));
      }
      TellPatterns(cause.findings);
    }
    TellRest(report_.causes.size(), shown);
  }

  // The first of the findings that a cause or a fix is of.
  void TellPatterns(const std::vector<std::string>& ids) {
    const size_t shown = std::min(ids.size(), kCausePatternsMax);
    for (size_t i = 0; i < shown; ++i) {
      const Finding* finding = ById(ids[i]);
      if (finding == nullptr) continue;
      const std::string line = finding->type + ": " + Clean(finding->pattern);
      Line(std::string(kDetailIndent, ' ') +
           Paint(Shorten(line, columns_ - kDetailIndent), Ink::kDim));
    }
    if (ids.size() <= shown) return;
    Detail(fmt::format("and {} more", FormatCount(ids.size() - shown)), Ink::kDim);
  }

  static std::string Measured(double us, double blocks) {
    std::string text = us > 0 ? FormatDuration(us) : std::string();
    if (blocks > 0) {
      text += fmt::format("{}{}", text.empty() ? "" : " and ",
                          Count(static_cast<uint64_t>(std::round(blocks)), "block", "blocks"));
    }
    return text.empty() ? "-" : text;
  }

  void WriteFixes() {
    if (report_.fixes.empty()) return;
    Heading("FIX", "applied to the candidate and measured");
    std::vector<std::string> told;  // Advice, once.
    for (const Fix& fix : report_.fixes) {
      // For copying: never broken or cut.
      for (const std::string& sql : fix.sql) Line("  " + Clean(sql));
      TellPatterns(fix.findings);
      Detail(fix.sentence);
      std::string numbers;
      if (fix.us_before > 0 || fix.blocks_before > 0) {
        numbers = "before " + Measured(fix.us_before, fix.blocks_before) + ", ";
      }
      numbers += fmt::format("after {}, with the fix {}", Measured(fix.us_after, fix.blocks_after),
                             Measured(fix.us_fixed, fix.blocks_fixed));
      Detail(numbers);
      if (fix.size_bytes > 0) {
        Detail(fmt::format("{}, built in {}", base::FormatSize(fix.size_bytes),
                           FormatDuration(fix.build_us)));
      }
      for (const WriteCost& cost : fix.writes) WriteCostOf(cost);
      for (const std::string& advice : fix.advice) {
        if (std::find(told.begin(), told.end(), advice) != told.end()) continue;
        told.push_back(advice);
        Detail(advice, Ink::kDim);
      }
    }
  }

  void WriteCostOf(const WriteCost& cost) {
    std::string text =
        fmt::format("costs per call: WAL {} to {}",
                    base::FormatSize(static_cast<uint64_t>(std::max(0.0, cost.without.wal_bytes))),
                    base::FormatSize(static_cast<uint64_t>(std::max(0.0, cost.with.wal_bytes))));
    text += fmt::format(", blocks {:.0f} to {:.0f}", cost.without.blocks, cost.with.blocks);
    if (cost.us_with > 0) {
      text +=
          fmt::format(", {} to {}", FormatDuration(cost.us_without), FormatDuration(cost.us_with));
    }
    Detail(text, Ink::kDim);
    Line(std::string(kDetailIndent + 2, ' ') +
         Paint(Shorten(Clean(cost.pattern), columns_ - kDetailIndent - 2), Ink::kDim));
  }

  // What a reader asks first of a migration: statement by statement, locks and how long.
  void WriteMigrationStatements() {
    const MigrationFacts& migration = report_.migration;
    if (migration.statements.empty()) return;
    constexpr std::string_view kTitle = "MIGRATION";
    Table table({{std::string(kTitle), Align::kLeft, true},
                 {"at", Align::kRight, false},
                 {"took", Align::kRight, false},
                 {"lock held", Align::kRight, false},
                 {"WAL", Align::kRight, false}});
    const size_t shown = std::min(migration.statements.size(), kStatementsMax);
    for (size_t i = 0; i < shown; ++i) {
      const MigrationStatement& statement = migration.statements[i];
      const bool locks = !statement.locks.empty();
      std::string text = "  " + OneLine(statement.text);
      if (statement.calls > 1) text += fmt::format(" ({} times)", FormatCount(statement.calls));
      table.AddRow({text, FormatDuration(statement.started_us),
                    FormatDuration(statement.duration_us),
                    locks ? FormatDuration(statement.locks.front().held_us) : "",
                    statement.wal_bytes > 0 ? base::FormatSize(statement.wal_bytes) : ""});
    }
    const auto lines = table.Lines(columns_);
    TableHeading(lines.front(), kTitle);
    for (size_t i = 0; i < shown; ++i) {
      Line(lines[i + 1]);
      WriteStatementDetails(migration.statements[i]);
    }
    TellRest(migration.statements.size() + migration.statements_more, shown);
    WriteLosses(migration);
  }

  void WriteStatementDetails(const MigrationStatement& statement) {
    if (!statement.sqlstate.empty()) Detail("fails with " + statement.sqlstate);
    std::string locks;
    for (size_t i = 0; i < statement.locks.size() && i < kNamesTold; ++i) {
      const MigrationLock& lock = statement.locks[i];
      locks += fmt::format("{}{} on {}", i == 0 ? "locks " : ", ", lock.mode, lock.relation);
    }
    if (statement.locks.size() > kNamesTold) {
      locks += fmt::format(" and {} more", statement.locks.size() - kNamesTold);
    }
    if (!locks.empty()) Detail(locks);
    if (!statement.rewrote.empty()) Detail("rewrites " + Joined(statement.rewrote));
    if (!statement.dropped.empty()) Detail("CASCADE drops " + Joined(statement.dropped));
    if (statement.rows > 0) {
      Detail("writes " + Count(statement.rows, "row", "rows"), Ink::kDim);
    }
  }

  static std::string Joined(const std::vector<std::string>& names) {
    std::string text;
    for (size_t i = 0; i < names.size() && i < kNamesTold; ++i) {
      text += (i == 0 ? "" : ", ") + names[i];
    }
    if (names.size() > kNamesTold) text += fmt::format(" and {} more", names.size() - kNamesTold);
    return text;
  }

  void WriteLosses(const MigrationFacts& migration) {
    std::string written;
    const auto add = [&](const std::string& part) {
      written += (written.empty() ? "" : ", ") + part;
    };
    if (migration.wal_bytes > 0) add(base::FormatSize(migration.wal_bytes) + " of WAL");
    if (migration.temp_bytes > 0)
      add(base::FormatSize(migration.temp_bytes) + " of temporary files");
    if (migration.disk_bytes > 0) {
      add("the database grew by " + base::FormatSize(static_cast<uint64_t>(migration.disk_bytes)));
    }
    Fact("in all", written);
    std::string rewritten;
    for (size_t i = 0; i < migration.rewritten.size() && i < kNamesTold; ++i) {
      const RewrittenTable& table = migration.rewritten[i];
      rewritten +=
          fmt::format("{}{}, {} to {}", i == 0 ? "" : "; ", table.relation,
                      base::FormatSize(table.bytes_before), base::FormatSize(table.bytes_after));
    }
    if (migration.rewritten.size() > kNamesTold) {
      rewritten += fmt::format("; {} more", migration.rewritten.size() - kNamesTold);
    }
    Fact("rewritten", rewritten);
    const std::pair<const std::vector<std::string>*, const char*> losses[] = {
        {&migration.statistics_lost, "statistics of {}: estimates are guesses until ANALYZE"},
        {&migration.visibility_lost,
         "visibility map of {}: index-only scans read the table until VACUUM"},
        {&migration.indexes_invalid, "{} is INVALID: writes maintain it and no query uses it"},
        {&migration.grants_lost, "grants: {}"}};
    for (const auto& [names, words] : losses) {
      if (!names->empty()) Fact("lost", fmt::format(fmt::runtime(words), Joined(*names)));
    }
  }

  void WriteDuring() {
    const DuringFacts& during = report_.during;
    if (!during.ran) return;
    Heading("DURING", "the migration while captured traffic ran");
    Fact("traffic", fmt::format("{}, {} in {}{}", Count(during.sessions, "session", "sessions"),
                                Count(during.statements, "statement", "statements"),
                                FormatDuration(during.duration_us),
                                during.speed == 1 ? "" : fmt::format(" at {:.3g}x", during.speed)));
    std::string blocker =
        "longest transaction of the traffic " + FormatDuration(during.transaction_us_max);
    if (during.blocker_us > 0) {
      blocker += fmt::format("; scry added one of {}", FormatDuration(during.blocker_us));
      if (during.blocker_supposed) {
        blocker += ", which does not gate: --blocker says that production has such";
      }
    }
    Fact("blocker", blocker);
    Fact("change", fmt::format("{} under load, {} idle{}", FormatDuration(during.migration_us),
                               FormatDuration(report_.migration.duration_us),
                               during.exit_status == 0
                                   ? ""
                                   : fmt::format("; it failed with {}", during.exit_status)));
    if (during.lock_timeout_us > 0) {
      Fact("rehearsal", fmt::format("lock_timeout {}: {} after {} of at most {}",
                                    FormatDuration(during.lock_timeout_us),
                                    during.succeeded ? "succeeded" : "gave up",
                                    Count(during.attempts, "attempt", "attempts"),
                                    FormatCount(during.attempts_max)));
    }
    if (during.blocked == 0 && during.failed == 0) {
      Fact("waited", "no query waited for it");
    } else {
      Fact("waited",
           fmt::format("{}, {} at most, {} in all; {} at once; drained {} after the end",
                       Count(during.blocked, "query", "queries"),
                       FormatDuration(during.wait_us_max), FormatDuration(during.stall_us),
                       Count(during.piled_up, "session", "sessions"),
                       FormatDuration(during.drain_us)));
    }
    if (during.failed > 0) Fact("failed", Count(during.failed, "query", "queries"));
    if (during.blocked + during.failed > 0) {
      for (const std::string& line : WaitChart(during, columns_)) Line(line);
    }
    for (size_t i = 0; i < during.deadlocks.size() && i < kNamesTold; ++i) {
      const Deadlock& deadlock = during.deadlocks[i];
      Fact("deadlock",
           fmt::format("victim: {}; with: {}", deadlock.victim, Joined(deadlock.others)));
    }
  }

  std::vector<const Finding*> OfType(std::string_view type) const {
    std::vector<const Finding*> found;
    for (const Finding& finding : report_.findings) {
      if (finding.type == type) found.push_back(&finding);
    }
    return found;
  }

  void TellRest(size_t count, size_t shown) {
    if (count > shown) {
      Line("  " + Paint(fmt::format("and {} more", FormatCount(count - shown)), Ink::kDim));
    }
  }

  // The id of what gates; why another finding is told and does not gate, where its reasons do not
  // say so.
  void TellGate(const Finding& finding) {
    if (finding.gates) {
      // As 'scry report accept' takes it.
      Detail(finding.id, Ink::kDim);
      return;
    }
    const bool told =
        std::any_of(finding.reasons.begin(), finding.reasons.end(),
                    [](const std::string& why) { return why.starts_with("does not gate"); });
    if (!told) Detail("does not gate: the policy says so", Ink::kDim);
  }

  void WriteExample(const Finding& finding) {
    if (!finding.example.empty()) Detail("example: " + finding.example, Ink::kDim);
  }

  void WriteRows(const RowSample& sample) {
    if (sample.rows.empty()) return;
    for (const std::string& line : RowSampleLines(sample, columns_ - kDetailIndent)) {
      Line(std::string(kDetailIndent, ' ') + line);
    }
  }

  void WritePlan(const Finding& finding) {
    if (!finding.plan.sentence.empty()) Detail(finding.plan.sentence);
    if (!options_.plans) return;
    const std::pair<const char*, const std::vector<std::string>*> sides[] = {
        {"plan before", &finding.plan.baseline}, {"plan after", &finding.plan.candidate}};
    for (const auto& [title, lines] : sides) {
      if (lines->empty()) continue;
      Detail(title, Ink::kDim);
      for (const std::string& line : *lines) {
        Line(std::string(kDetailIndent + 2, ' ') +
             Shorten(Printable(line), columns_ - kDetailIndent - 2));
      }
    }
  }

  // Findings that are told in words.
  void WriteSentences(std::string_view type, std::string_view title, std::string_view explanation) {
    const auto findings = OfType(type);
    if (findings.empty()) return;
    Heading(title, explanation);
    const size_t shown = std::min(findings.size(), options_.findings_per_section_max);
    for (size_t i = 0; i < shown; ++i) {
      const Finding& finding = *findings[i];
      Line("  " + Shorten(Clean(finding.pattern), columns_ - kIndent));
      for (const std::string& reason : finding.reasons) Detail(reason);
      if (finding.has_latency) {
        Detail(fmt::format("p95 {} before, {} after", FormatDuration(finding.before.p95_us),
                           FormatDuration(finding.after.p95_us)));
      }
      if (type != "warning" && type != "transient") TellGate(finding);
      WriteRows(finding.rows);
      WritePlan(finding);
      WriteExample(finding);
    }
    TellRest(findings.size(), shown);
  }

  static std::string SpreadSentence(const Finding& finding) {
    std::string text = fmt::format("p95 {} to {}", FormatDuration(finding.before.p95_us),
                                   FormatDuration(finding.after.p95_us));
    if (finding.factor_high > 0) {
      text += fmt::format("; with 99 % confidence {} to {}", Factor(finding.factor_low),
                          Factor(finding.factor_high));
    }
    if (finding.confirmed && finding.again_pairs > 0) {
      text += "; seen again in " + Count(finding.again_pairs, "more pair", "more pairs");
    } else if (finding.confirmed) {
      text += "; seen again in a second run";
    }
    return text;
  }

  // Findings that are told in numbers: a table, with details under each row.
  void WriteSpeeds(std::string_view type, std::string_view title, std::string_view before,
                   size_t shown_max) {
    const auto findings = OfType(type);
    if (findings.empty()) return;
    const size_t shown = std::min(findings.size(), shown_max);
    Table table({{std::string(title), Align::kLeft, true},
                 {std::string(before), Align::kRight, false},
                 {"after", Align::kRight, false},
                 {"factor", Align::kRight, false},
                 {"calls", Align::kRight, false},
                 {"time", Align::kRight, false}});
    for (size_t i = 0; i < shown; ++i) {
      const Finding& finding = *findings[i];
      const auto number = [&](std::string text) {
        return finding.has_latency ? std::move(text) : std::string("-");
      };
      table.AddRow({"  " + OneLine(finding.pattern), number(FormatDuration(finding.before.p50_us)),
                    number(FormatDuration(finding.after.p50_us)), number(Factor(finding.factor)),
                    FormatCount(finding.calls), Percent(finding.share)});
    }
    const auto lines = table.Lines(columns_);
    TableHeading(lines.front(), title);
    for (size_t i = 0; i < shown; ++i) {
      const Finding& finding = *findings[i];
      Line(lines[i + 1]);
      for (const std::string& reason : finding.reasons) Detail(reason);
      const bool spread = type == "slower" || type == "new-slow";
      if (spread && finding.has_latency) Detail(SpreadSentence(finding), Ink::kDim);
      if (spread) TellGate(finding);
      WritePlan(finding);
      WriteExample(finding);
    }
    TellRest(findings.size(), shown);
  }

  // Every rule, also one that hid nothing: nobody may forget what is not looked at.
  void WriteIgnored() {
    if (report_.ignore_rules.empty()) return;
    Heading("IGNORED", "by rules of the policy");
    for (const IgnoreRule& rule : report_.ignore_rules) {
      Wrapped(RuleText(rule), kIndent, Ink::kPlain);
      Detail(RuleFate(rule), rule.again > 0 ? Ink::kYellow : Ink::kDim);
      size_t shown = 0;
      for (const Finding& finding : report_.findings) {
        if (finding.type != "ignored" || finding.ignored_by != rule.place) continue;
        if (++shown > kIgnoredShownMax) break;
        Line(std::string(kDetailIndent, ' ') +
             Shorten(Clean(fmt::format("{}: {}", finding.ignored_type, finding.pattern)),
                     columns_ - kDetailIndent));
        if (!finding.reasons.empty()) {
          Wrapped(finding.reasons.front(), kDetailIndent + 2, Ink::kDim);
        } else if (finding.has_latency) {
          Wrapped(fmt::format("{} before, {} after", FormatDuration(finding.before.p50_us),
                              FormatDuration(finding.after.p50_us)),
                  kDetailIndent + 2, Ink::kDim);
        }
      }
    }
  }

  void WriteThin() {
    if (report_.budget.thin.empty()) return;
    constexpr std::string_view kTitle = "THIN";
    Table table({{std::string(kTitle), Align::kLeft, true},
                 {"chosen", Align::kRight, false},
                 {"captured", Align::kRight, false},
                 {"wanted", Align::kRight, false}});
    const size_t shown = std::min(report_.budget.thin.size(), kThinMax);
    for (size_t i = 0; i < shown; ++i) {
      const ThinPattern& item = report_.budget.thin[i];
      table.AddRow({"  " + OneLine(item.pattern), FormatCount(item.calls),
                    FormatCount(item.available), FormatCount(item.wanted)});
    }
    const auto lines = table.Lines(columns_);
    TableHeading(lines.front(), kTitle);
    for (size_t i = 1; i < lines.size(); ++i) Line(lines[i]);
    TellRest(report_.budget.thin.size() + report_.budget.thin_more, shown);
  }

  void WriteNotJudged() {
    if (report_.not_judged.empty()) return;
    constexpr std::string_view kTitle = "NOT JUDGED";
    const size_t count = report_.not_judged.size();
    const size_t shown = std::min(count, kNotJudgedMax);
    Table table({{std::string(kTitle), Align::kLeft, true},
                 {"calls", Align::kRight, false},
                 {"time", Align::kRight, false}});
    double rest = 0;
    for (size_t i = 0; i < count; ++i) {
      const NotJudged& item = report_.not_judged[i];
      if (i < shown) {
        table.AddRow({"  " + OneLine(item.pattern), FormatCount(item.calls), Percent(item.share)});
      } else {
        rest += item.share;
      }
    }
    const auto lines = table.Lines(columns_);
    TableHeading(lines.front(), kTitle);
    for (size_t i = 0; i < shown; ++i) {
      Line(lines[i + 1]);
      Detail(report_.not_judged[i].why, Ink::kDim);
    }
    if (count > shown) {
      Line("  " + Paint(fmt::format("and {} more with {} of the time", FormatCount(count - shown),
                                    Percent(rest)),
                        Ink::kDim));
    }
  }

  // "Unchanged" means no more than this: a slowdown from so much on would have been found.
  void WriteUnchanged() {
    std::vector<const PatternLine*> unchanged;
    for (const PatternLine& line : report_.patterns) {
      if (line.type == "unchanged") unchanged.push_back(&line);
    }
    if (unchanged.empty() || !options_.unchanged) return;
    constexpr std::string_view kTitle = "UNCHANGED";
    Table table({{std::string(kTitle), Align::kLeft, true},
                 {"median", Align::kRight, false},
                 {"would show from", Align::kRight, false},
                 {"calls", Align::kRight, false},
                 {"time", Align::kRight, false}});
    const size_t shown = std::min(unchanged.size(), kUnchangedMax);
    for (size_t i = 0; i < shown; ++i) {
      const PatternLine& line = *unchanged[i];
      table.AddRow({"  " + OneLine(line.pattern),
                    line.pairs > 0 ? FormatDuration(line.median_us) : "-", Factor(line.detectable),
                    FormatCount(line.calls), Percent(line.share)});
    }
    const auto lines = table.Lines(columns_);
    TableHeading(lines.front(), kTitle);
    for (size_t i = 1; i < lines.size(); ++i) Line(lines[i]);
    TellRest(unchanged.size(), shown);
  }

  void WriteUnfaithful() {
    const bool below = report_.tested.fidelity < report_.tested.fidelity_floor;
    if (report_.unfaithful.empty() || (!below && !options_.fidelity)) return;
    constexpr std::string_view kTitle = "UNFAITHFUL";
    Table table({{std::string(kTitle), Align::kLeft, true},
                 {"calls", Align::kRight, false},
                 {"sqlstate", Align::kRight, false},
                 {"rows", Align::kRight, false},
                 {"values", Align::kRight, false}});
    const size_t shown = std::min(report_.unfaithful.size(), kUnfaithfulMax);
    for (size_t i = 0; i < shown; ++i) {
      const Unfaithful& item = report_.unfaithful[i];
      table.AddRow({"  " + OneLine(item.pattern), FormatCount(item.calls),
                    FormatCount(item.lost.sqlstate), FormatCount(item.lost.rows),
                    FormatCount(item.lost.values)});
    }
    const auto lines = table.Lines(columns_);
    TableHeading(lines.front(), kTitle);
    for (size_t i = 1; i < lines.size(); ++i) Line(lines[i]);
    TellRest(report_.unfaithful.size(), shown);
  }

  void WriteNotes() {
    if (report_.notes.empty()) return;
    Heading("NOTES");
    for (const std::string& note : report_.notes) Wrapped(note, kIndent, Ink::kPlain, "- ");
  }

  void Fact(std::string_view name, std::string_view text) {
    constexpr size_t kNameWidth = 11;
    if (text.empty()) return;
    std::string lead = Shorten(name, kNameWidth - 1);
    lead.append(kNameWidth - DisplayWidth(lead), ' ');
    for (const std::string& line : Wrap(Clean(text), columns_ - kIndent - kNameWidth)) {
      Line("  " + Paint(lead, Ink::kDim) + line);
      lead.assign(kNameWidth, ' ');
    }
  }

  void WriteTested() {
    Heading("TESTED");
    const MigrationFacts& migration = report_.migration;
    if (migration.ran) {
      Fact("change", fmt::format("{} (exit {}, {})", migration.command, migration.exit_status,
                                 FormatDuration(migration.duration_us)));
    }
    Fact("shadow", report_.shadow);
    for (const CaptureFacts& capture : report_.captures) Fact("traffic", CaptureText(capture));
    if (report_.budget.budget_us > 0) Fact("budget", BudgetText(report_.budget));
    for (const LaneFacts& lane : report_.lanes) Fact(Printable(lane.name), LaneText(lane));
    const TestedFacts& tested = report_.tested;
    if (tested.statements == 0 && tested.sessions == 0) {
      Fact("replayed", "nothing");
    } else {
      Fact("replayed", ReplayedText(tested));
      if (options_.waits) Fact("waited", WaitsText(tested));
      Fact("compared", ComparedText(tested));
      Fact("self-test", SelfTestText(tested));
      Fact("confirmed", ConfirmedText(tested));
      Fact("fidelity", FidelitySentence(tested));
      if (tested.work_patterns > 0) {
        Fact("work",
             fmt::format("counted for {} with {}",
                         Count(tested.work_patterns, "pattern", "patterns"),
                         Count(tested.work_samples, "set of parameters", "sets of parameters")));
      }
    }
    Fact("by", fmt::format("scry {}, {}", report_.tool_version, WallSeconds(report_.created_us)));
  }

  void WriteNextSteps() {
    if (report_.next_steps.empty()) return;
    Heading("NEXT");
    for (const NextStep& step : report_.next_steps) {
      Wrapped(step.why, kIndent, Ink::kDim);
      // A command is for copying: it is never broken or cut.
      Line(std::string(kDetailIndent, ' ') + Clean(step.command));
    }
  }

  const Report& report_;
  const TextOptions& options_;
  const size_t columns_;
  std::string out_;
};

}  // namespace

std::string WriteText(const Report& report, const TextOptions& options) {
  return Writer(report, options).Run();
}

}  // namespace scry::report
