#include "report/markdown_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/letter_case.h"
#include "base/units.h"
#include "report/finding_origin.h"
#include "report/markup.h"
#include "report/row_sample_text.h"
#include "report/table.h"
#include "report/telling_statements.h"
#include "report/wait_chart.h"
#include "report/wording.h"

namespace scry::report {
namespace {

using base::FormatCount;
using base::FormatDuration;
using base::OneLine;
using base::Printable;

constexpr size_t kBytesMin = 4'000;
constexpr const char* kNoJoin = "\u200b";  // ZERO WIDTH SPACE.
constexpr size_t kPatternColumns = 160;
constexpr size_t kWholePatternColumns = 2'000;
constexpr size_t kRowColumns = 100;
constexpr size_t kChartColumns = 80;
constexpr size_t kNotJudgedMax = 50;
constexpr size_t kOutputLinesMax = 20;
constexpr size_t kCausesMax = 10;
constexpr size_t kFixesMax = 5;
constexpr size_t kStatementsMax = 30;
// Kept free for the counts of what did not fit and the end of the document.
constexpr size_t kReserve = 1'500;

struct Section {
  const char* type;
  const char* title;
  bool timed;  // A table of numbers, else of sentences.
};
constexpr std::array<Section, 12> kSections = {{{"broken", "Broken", false},
                                                {"different", "Different results", false},
                                                {"blocked", "Blocks traffic", false},
                                                {"slower", "Slower", true},
                                                {"new-slow", "New and slow", true},
                                                {"over-budget", "Over budget", false},
                                                {"more-work", "More work", false},
                                                {"transient", "Only until VACUUM (ANALYZE)", false},
                                                {"warning", "Warnings", false},
                                                {"new", "New", true},
                                                {"faster", "Faster", true},
                                                {"ignored", "Ignored by rules", false}}};

const char* Sign(const std::string& verdict) {
  if (verdict == "safe") return "✅";
  if (verdict == "inconclusive") return "⚠️";
  return "❌";
}

// In a fence that nothing in it can close.
std::string Fenced(const std::vector<std::string>& lines, std::string_view language = "text") {
  size_t longest = 2;
  std::string body;
  for (const std::string& line : lines) {
    size_t run = 0;
    for (const char c : line) {
      run = c == '`' ? run + 1 : 0;
      longest = std::max(longest, run);
    }
    body += Printable(line) + "\n";
  }
  const std::string fence(longest + 1, '`');
  return fence + std::string(language) + "\n" + body + fence + "\n";
}

std::string Folded(const std::string& summary, const std::string& body) {
  return fmt::format("<details><summary>{}</summary>\n\n{}\n</details>\n\n", summary, body);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// With the id: `scry report accept` and the next report know the finding by it.
std::string Query(const Finding& finding) {
  return MarkdownCodeCell(Shorten(OneLine(finding.pattern), kPatternColumns)) +
         (finding.id.empty() ? "" : "<br>" + MarkdownCodeCell(finding.id));
}

std::string Reasons(const Finding& finding) {
  std::string text;
  for (const std::string& reason : finding.reasons) {
    text += (text.empty() ? "" : "<br>") + MarkdownText(reason);
  }
  for (const std::string& advice : finding.advice) {
    text += (text.empty() ? "" : "<br>") + MarkdownText("Advice, not tried: " + advice);
  }
  return text;
}

class Writer {
 public:
  Writer(const Report& report, const MarkdownOptions& options)
      : report_(report), options_(options), bytes_max_(std::max(options.bytes_max, kBytesMin)) {}

  std::string Run() {
    Head();
    Add(Causes());
    for (const Section& section : kSections) WriteSection(section);
    Add(Fixes());
    Add(MigrationOutput());
    Add(During());
    Add(Statements());
    Details();
    Add(IgnoreRules());
    Add(NotJudgedTable());
    Add(Notes());
    Add(Tested());
    Add(Next());
    if (left_out_) {
      out_ +=
          "\n_Cut to fit: the whole of it is in `report.json` and "
          "`scry report show`._\n";
    }
    return std::move(out_);
  }

 private:
  bool Fits(const std::string& text) const {
    return out_.size() + text.size() + kReserve <= bytes_max_;
  }
  bool Add(const std::string& text) {
    if (!Fits(text)) {
      left_out_ = true;
      return false;
    }
    out_ += text;
    return true;
  }

  void Head() {
    std::string name;
    for (const char c : Shorten(Printable(options_.name), 100)) {
      name += c == '-' || c == '>' || c == '<' ? '_' : c;
    }
    out_ += fmt::format("{}{}{} -->\n", kCommentMarker, name.empty() ? "" : " ", name);
    out_ += fmt::format("### {} scry: {}\n\n", Sign(report_.verdict),
                        MarkdownText(Shorten(report_.verdict + ": " + report_.sentence, 600)));
    std::string facts;
    const auto fact = [&](const std::string& text) {
      if (!text.empty()) facts += (facts.empty() ? "" : " · ") + text;
    };
    if (report_.migration.ran) {
      fact(MarkdownCode(Shorten(OneLine(report_.migration.command), 200)));
    }
    if (!report_.shadow.empty()) fact("on a fork of " + MarkdownCode(report_.shadow));
    const TestedFacts& tested = report_.tested;
    if (tested.statements > 0) {
      fact(fmt::format("{} of {} replayed on {}",
                       Count(tested.statements, "statement", "statements"),
                       Count(tested.sessions, "session", "sessions"),
                       Count(report_.lanes.size(), "lane", "lanes")));
      fact("fidelity " + FidelityText(tested.fidelity));
    }
    fact(fmt::format("exit status {}", report_.exit_status));
    out_ += facts + "\n\n";
  }

  std::vector<const Finding*> OfType(std::string_view type) const {
    std::vector<const Finding*> found;
    for (const Finding& finding : report_.findings) {
      if (finding.type == type) found.push_back(&finding);
    }
    return found;
  }

  static std::string Row(const Finding& finding, bool timed) {
    const std::string gates = finding.gates ? "**gates**" : "told";
    if (!timed || !finding.has_latency) {
      const std::string what = Reasons(finding);
      return timed ? fmt::format("| {} | - | - | - | {} | {} | {} |\n", Query(finding),
                                 FormatCount(finding.calls), gates, what)
                   : fmt::format("| {} | {} | {} | {} |\n", Query(finding), what,
                                 FormatCount(finding.calls), gates);
    }
    std::string spread;
    if (finding.factor_high > 0) {
      spread = fmt::format("<br>{} to {}", Factor(finding.factor_low), Factor(finding.factor_high));
    }
    return fmt::format("| {} | {} | {} | **{}**{} | {} | {} | {} |\n", Query(finding),
                       FormatDuration(finding.before.p50_us), FormatDuration(finding.after.p50_us),
                       Factor(finding.factor), spread, FormatCount(finding.calls), gates,
                       Reasons(finding));
  }

  void WriteSection(const Section& section) {
    const std::vector<const Finding*> findings = OfType(section.type);
    if (findings.empty()) return;
    std::string table =
        fmt::format("#### {} ({})\n\n", section.title, FormatCount(findings.size()));
    table += section.timed ? "| query | before | after | factor | calls | | why |\n"
                             "|---|--:|--:|--:|--:|---|---|\n"
                           : "| query | what | calls | |\n|---|---|--:|---|\n";
    size_t shown = 0;
    for (const Finding* finding : findings) {
      const std::string row = Row(*finding, section.timed);
      if (!Fits(table + row)) break;
      table += row;
      ++shown;
    }
    if (shown == 0) {
      left_out_ = true;
      table = fmt::format("#### {} ({})\n", section.title, FormatCount(findings.size()));
    } else if (shown < findings.size()) {
      left_out_ = true;
      table += fmt::format("\nand {} more\n", FormatCount(findings.size() - shown));
    }
    if (out_.size() + table.size() + 200 <= bytes_max_) out_ += table + "\n";
  }

  // Cause first: what one of them did to several patterns is told once.
  std::string Causes() const {
    if (report_.causes.empty()) return {};
    std::string text;
    for (size_t i = 0; i < report_.causes.size() && i < kCausesMax; ++i) {
      const Cause& cause = report_.causes[i];
      text += "- " + MarkdownText(cause.sentence);
      // That of a migration that failed has none.
      if (!cause.findings.empty()) {
        text +=
            fmt::format(" ({}{})", Count(cause.findings.size(), "finding", "findings"), By(cause));
      }
      text += "\n";
    }
    if (report_.causes.size() > kCausesMax) {
      text += fmt::format("- and {} more\n", report_.causes.size() - kCausesMax);
    }
    return text + "\n";
  }

  // "; statement 3, `db/3.sql:12`".
  std::string By(const Cause& cause) const {
    const MigrationStatement* statement = StatementOf(report_, cause);
    if (statement == nullptr) return {};
    const std::string place = PlaceText(*statement);
    return fmt::format("; statement {}{}", *cause.statement_index + 1,
                       place.empty() ? "" : ", " + MarkdownCode(place));
  }

  std::string Fixes() const {
    std::string text;
    for (size_t i = 0; i < report_.fixes.size() && i < kFixesMax; ++i) {
      const Fix& fix = report_.fixes[i];
      text += MarkdownText(fix.sentence) + "\n\n" + Fenced(SqlLines(fix), "sql") + "\n";
      std::string numbers;
      if (fix.us_after > 0) {
        numbers = fmt::format("{} without it, **{}** with it", FormatDuration(fix.us_after),
                              FormatDuration(fix.us_fixed));
        if (fix.us_before > 0) numbers += ", " + FormatDuration(fix.us_before) + " before";
      } else if (fix.blocks_after > 0) {
        numbers = fmt::format("{:.0f} blocks without it, **{:.0f}** with it", fix.blocks_after,
                              fix.blocks_fixed);
      }
      if (fix.size_bytes > 0) {
        numbers += fmt::format("{}{}, built in {}", numbers.empty() ? "" : "; ",
                               base::FormatSize(fix.size_bytes), FormatDuration(fix.build_us));
      }
      if (fix.waits) numbers = MarkdownText(FixWaitsText(*fix.waits));
      if (!numbers.empty()) text += numbers + "\n\n";
    }
    return text.empty() ? text : "#### Fix, tried and measured\n\n" + text;
  }

  std::string During() const {
    const DuringFacts& during = report_.during;
    if (!during.ran) return {};
    std::string body = fmt::format(
        "{} of {} played beside the migration; {} waited for it, {} at most, {} in all; {} "
        "failed.\n\n",
        Count(during.statements, "statement", "statements"),
        Count(during.sessions, "session", "sessions"), Count(during.blocked, "query", "queries"),
        FormatDuration(during.wait_us_max), FormatDuration(during.stall_us),
        FormatCount(during.failed));
    if (during.rounds > 1) {
      body += fmt::format("The traffic was begun {} times, as the migration took longer.\n\n",
                          FormatCount(during.rounds));
    }
    if (during.unloaded_us > 0) {
      body += fmt::format("The migration's last {} ran without any traffic.\n\n",
                          FormatDuration(during.unloaded_us));
    }
    if (during.lock_timeout_us > 0) body += "Rehearsal: " + RehearsalText(during) + ".\n\n";
    if (during.lock_timeout_us > 0 && during.chance >= 0) {
      body += "Chance " + ChanceText(during) + ".\n\n";
    }
    if (!during.statements_blocking.empty()) {
      body += "| statement | lock | blocked | failed | longest wait |\n|---|---|--:|--:|--:|\n";
    }
    for (size_t i = 0; i < during.statements_blocking.size() && i < kStatementsMax; ++i) {
      const BlockingStatement& one = during.statements_blocking[i];
      body += fmt::format(
          "| {} | {} | {} | {} | {} |\n",
          MarkdownCodeCell(Shorten(OneLine(one.text), kPatternColumns)),
          MarkdownText(one.mode + (one.relation.empty() ? "" : " on ") + one.relation),
          FormatCount(one.blocked), FormatCount(one.failed), FormatDuration(one.wait_us_max));
    }
    const auto chart = WaitChart(during, kChartColumns);
    if (during.blocked + during.failed > 0 && !chart.empty()) {
      body += "\n```text\n";
      for (const std::string& line : chart) body += line + "\n";
      body += "```\n";
    }
    return Folded(
        during.blocked + during.failed == 0
            ? "While it runs: no query waited"
            : fmt::format("While it runs: {} waited", Count(during.blocked, "query", "queries")),
        body);
  }

  std::string Statements() const {
    const MigrationFacts& migration = report_.migration;
    if (migration.statements.empty()) return {};
    const bool estimates = !migration.estimate_basis.empty();
    const std::vector<size_t> shown = TellingStatements(migration, kStatementsMax);
    const bool files = std::any_of(shown.begin(), shown.end(), [&](size_t place) {
      const MigrationStatement& one = migration.statements[place];
      return one.temp_bytes.value_or(0) > 0 || one.disk_bytes.value_or(0) != 0;
    });
    std::string body =
        estimates ? "| statement | at | took | est. | strongest lock | held | est. | WAL | est. |"
                  : "| statement | at | took | strongest lock | held | WAL |";
    body += files ? " database | temporary files |\n" : "\n";
    body += estimates ? "|---|--:|--:|--:|---|--:|--:|--:|--:|" : "|---|--:|--:|---|--:|--:|";
    body += files ? "---|--:|\n" : "\n";
    for (const size_t place : shown) {
      const MigrationStatement& one = migration.statements[place];
      const MigrationLock* lock = one.locks.empty() ? nullptr : &one.locks.front();
      const MigrationEstimates estimated = EstimatesOf(one);
      const auto beside = [&](const std::string& cell) {
        return estimates ? " " + cell + " |" : std::string();
      };
      body += fmt::format(
          "| {} | {} | {} |{} {} | {} |{} {} |{}",
          MarkdownCodeCell(Shorten(OneLine(one.text), kPatternColumns)),
          FormatDuration(one.started_us), FormatDuration(one.duration_us), beside(estimated.took),
          lock == nullptr ? "" : MarkdownText(lock->mode + " on " + lock->relation),
          lock == nullptr ? "" : FormatDuration(lock->held_us), beside(estimated.held),
          one.wal_bytes.value_or(0) > 0 ? base::FormatSize(*one.wal_bytes) : "",
          beside(estimated.wal));
      if (files) {
        body +=
            fmt::format(" {} | {} |", GrowthText(one),
                        one.temp_bytes.value_or(0) > 0 ? base::FormatSize(*one.temp_bytes) : "");
      }
      body += "\n";
    }
    if (estimates) body += "\nest.: " + MarkdownText(migration.estimate_basis) + "\n";
    const size_t all = migration.statements.size() + migration.statements_more;
    if (all > shown.size()) body += fmt::format("\nand {} more\n", all - shown.size());
    return Folded(fmt::format("The migration: {}", Count(all, "statement", "statements")), body);
  }

  std::string MigrationOutput() const {
    const MigrationFacts& migration = report_.migration;
    if (!migration.ran || migration.exit_status == 0 || migration.output.empty()) return {};
    const size_t count = migration.output.size();
    const size_t from = count > kOutputLinesMax ? count - kOutputLinesMax : 0;
    const std::vector<std::string> last(
        migration.output.begin() + static_cast<std::ptrdiff_t>(from), migration.output.end());
    return "What the command printed last:\n\n" + Fenced(last) + "\n";
  }

  // Of each finding: the whole statement, the rows, the plans.
  void Details() {
    for (const Finding& finding : report_.findings) {
      std::string body;
      if (!finding.plan.sentence.empty()) body += MarkdownText(finding.plan.sentence) + "\n\n";
      if (!finding.rows.rows.empty()) {
        body += "Rows that differ:\n\n" + Fenced(RowSampleLines(finding.rows, kRowColumns)) + "\n";
      }
      if (!finding.plan.baseline.empty()) {
        body += "Plan before:\n\n" + Fenced(finding.plan.baseline) + "\n";
      }
      if (!finding.plan.candidate.empty()) {
        body += "Plan after:\n\n" + Fenced(finding.plan.candidate) + "\n";
      }
      if (!finding.example.empty())
        body += "Example:\n\n" + Fenced({finding.example}, "sql") + "\n";
      if (body.empty()) continue;
      body = Fenced({Shorten(OneLine(finding.pattern), kWholePatternColumns)}, "sql") + "\n" + body;
      Add(Folded(fmt::format("<code>{}</code>", MarkdownText(finding.id)), body));
    }
  }

  std::string IgnoreRules() const {
    if (report_.ignore_rules.empty()) return {};
    std::string body = "| rule | |\n|---|---|\n";
    for (const IgnoreRule& rule : report_.ignore_rules) {
      body += fmt::format("| {} | {} |\n", MarkdownText(RuleText(rule)), RuleFate(rule));
    }
    return Folded(Count(report_.ignore_rules.size(), "ignore rule", "ignore rules"), body);
  }

  std::string NotJudgedTable() const {
    if (report_.not_judged.empty()) return {};
    std::string body = "| query | why | calls | time |\n|---|---|--:|--:|\n";
    const size_t shown = std::min(report_.not_judged.size(), kNotJudgedMax);
    for (size_t i = 0; i < shown; ++i) {
      const NotJudged& item = report_.not_judged[i];
      body += fmt::format("| {} | {} | {} | {} |\n",
                          MarkdownCodeCell(Shorten(OneLine(item.pattern), kPatternColumns)),
                          MarkdownText(item.why), FormatCount(item.calls), Percent(item.share));
    }
    if (report_.not_judged.size() > shown) {
      body += fmt::format("\nand {} more\n", FormatCount(report_.not_judged.size() - shown));
    }
    return Folded(
        fmt::format("Not judged: {}", Count(report_.not_judged.size(), "pattern", "patterns")),
        body);
  }

  std::string Notes() const {
    if (report_.notes.empty()) return {};
    std::string body;
    for (const std::string& note : report_.notes) body += "- " + MarkdownText(note) + "\n";
    return Folded(Count(report_.notes.size(), "note", "notes"), body);
  }

  std::string Tested() const {
    std::string body = "| | |\n|---|---|\n";
    const auto fact = [&](std::string_view name, const std::string& text) {
      if (!text.empty()) body += fmt::format("| {} | {} |\n", name, MarkdownText(text));
    };
    const MigrationFacts& migration = report_.migration;
    if (migration.ran) {
      fact("change", fmt::format("{} (exit {}, {})", migration.command, migration.exit_status,
                                 FormatDuration(migration.duration_us)));
    }
    for (const CaptureFacts& capture : report_.captures) fact("traffic", CaptureText(capture));
    if (report_.budget.budget_us > 0) fact("budget", BudgetText(report_.budget));
    for (const LaneFacts& lane : report_.lanes) fact(MarkdownText(lane.name), LaneText(lane));
    const TestedFacts& tested = report_.tested;
    if (tested.statements > 0) {
      fact("replayed", ReplayedText(tested));
      fact("compared", ComparedText(tested));
      fact("self-test", SelfTestText(tested));
      fact("confirmed", ConfirmedText(tested));
      fact("fidelity", FidelitySentence(tested));
    }
    fact("by", fmt::format("scry {}, {}", report_.tool_version, WallSeconds(report_.created_us)));
    return Folded("What was tested", body);
  }

  std::string Next() const {
    std::string text;
    for (const NextStep& step : report_.next_steps) {
      text += MarkdownText(step.why) + ":\n" + Fenced({step.command}, "sh");
    }
    return text;
  }

  const Report& report_;
  const MarkdownOptions& options_;
  const size_t bytes_max_;
  std::string out_;
  bool left_out_ = false;
};

}  // namespace

std::string MarkdownText(std::string_view text) {
  const std::string plain = Printable(OneLine(text));
  std::string out;
  // GitHub finds mentions, issues and emoji after it has resolved character references, so only a
  // character in between keeps them apart: one that nobody sees.
  const auto ends_with = [&](std::string_view word) {
    return out.size() >= word.size() &&
           base::LowerAscii(std::string_view(out).substr(out.size() - word.size())) == word;
  };
  for (size_t i = 0; i < plain.size(); ++i) {
    const char c = plain[i];
    switch (c) {
      case '&':
      case '<':
      case '>':
        out += EntityOf(c);
        break;
      case ':':
        // Links and emoji; a colon before a blank is only a colon, and in 13:05 as well.
        if (i + 1 == plain.size() || plain[i + 1] == ' ' ||
            (i > 0 && IsDigit(plain[i - 1]) && IsDigit(plain[i + 1]))) {
          out += c;
        } else {
          out += std::string("&#58;") + kNoJoin;
        }
        break;
      case '.':  // Of www.
        if (ends_with("www")) out += kNoJoin;
        out += c;
        break;
      case '-':  // Of GH-12.
        if (ends_with("gh")) out += kNoJoin;
        out += c;
        break;
      case '@':
      case '#':
        out += fmt::format("&#{};{}", static_cast<int>(c), kNoJoin);
        break;
      // As character references these begin no formula, cell, link or emphasis.
      case '|':
      case '[':
      case ']':
      case '`':
      case '*':
      case '_':
      case '~':
      case '\\':
      case '$':
        out += fmt::format("&#{};", static_cast<int>(c));
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string MarkdownCode(std::string_view text) {
  std::string body;
  size_t run = 0;
  size_t longest = 0;
  for (const char c : Printable(OneLine(text))) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
    body += c;
  }
  if (body.empty()) return {};
  const std::string quotes(longest + 1, '`');
  const char* pad = body.front() == '`' || body.back() == '`' ? " " : "";
  return quotes + pad + body + pad + quotes;
}

std::string MarkdownCodeCell(std::string_view text) {
  std::string cell;
  for (const char c : MarkdownCode(text)) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

std::string WriteMarkdown(const Report& report, const MarkdownOptions& options) {
  return Writer(report, options).Run();
}

}  // namespace scry::report
