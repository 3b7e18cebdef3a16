#include "report/text_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"
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

constexpr size_t kOutputLinesMax = 20;
constexpr size_t kNamesTold = 5;
constexpr size_t kEstimateColumns = 80;
constexpr size_t kStatementsMax = 20;

class MigrationSections {
 public:
  MigrationSections(const Report& report, TextPage& page) : report_(report), page_(page) {}

  void WriteMigrationOutput() {
    const MigrationFacts& migration = report_.migration;
    if (!migration.ran || migration.exit_status == 0) return;
    page_.Heading("MIGRATION", "what the command printed last");
    page_.Line("  " + Shorten("$ " + CleanLine(migration.command), page_.columns() - kIndent));
    const size_t count = migration.output.size();
    if (count == 0) page_.Line("  It is shown while it runs; --show-values keeps it in reports.");
    const size_t from = count > kOutputLinesMax ? count - kOutputLinesMax : 0;
    for (size_t i = from; i < count; ++i) {
      page_.Line(page_.Paint("  | ", Ink::kDim) +
                 Shorten(Printable(migration.output[i]), page_.columns() - 4));
    }
  }

  // What a reader asks first of a migration: statement by statement, locks and how long.
  void WriteMigrationStatements() {
    const MigrationFacts& migration = report_.migration;
    if (migration.statements.empty()) return;
    constexpr std::string_view kTitle = "MIGRATION";
    // Where there is room for twice as many numbers; the sum of them is told below in any case.
    const bool estimates = !migration.estimate_basis.empty() && page_.columns() >= kEstimateColumns;
    std::vector<TableColumn> columns = {{std::string(kTitle), Align::kLeft, true},
                                        {"at", Align::kRight, false}};
    for (const char* name : {"took", "lock held", "WAL"}) {
      columns.push_back({name, Align::kRight, false});
      if (estimates) columns.push_back({"est.", Align::kRight, false});
    }
    Table table(columns);
    const std::vector<size_t> shown = TellingStatements(migration, kStatementsMax);
    for (const size_t place : shown) {
      const MigrationStatement& statement = migration.statements[place];
      const bool locks = !statement.locks.empty();
      std::string text = "  " + OneLine(statement.text);
      if (statement.calls > 1) text += fmt::format(" ({} times)", FormatCount(statement.calls));
      std::vector<std::string> row = {text, FormatDuration(statement.started_us)};
      const auto add = [&](std::string measured, std::string estimated) {
        row.push_back(std::move(measured));
        if (estimates) row.push_back(std::move(estimated));
      };
      const MigrationEstimates estimated = EstimatesOf(statement);
      add(FormatDuration(statement.duration_us), estimated.took);
      add(locks ? FormatDuration(statement.locks.front().held_us) : "", estimated.held);
      add(statement.wal_bytes.value_or(0) > 0 ? base::FormatSize(*statement.wal_bytes) : "",
          estimated.wal);
      table.AddRow(row);
    }
    const auto lines = table.Lines(page_.columns());
    page_.TableHeading(lines.front(), kTitle);
    for (size_t i = 0; i < shown.size(); ++i) {
      page_.Line(lines[i + 1]);
      WriteStatementDetails(migration.statements[shown[i]]);
    }
    page_.TellRest(migration.statements.size() + migration.statements_more, shown.size());
    WriteLosses(migration);
  }

  void WriteDuring() {
    const DuringFacts& during = report_.during;
    if (!during.ran) return;
    page_.Heading("DURING", "the migration while captured traffic ran");
    page_.Fact("traffic",
               fmt::format("{}, {} in {}{}", Count(during.sessions, "session", "sessions"),
                           Count(during.statements, "statement", "statements"),
                           FormatDuration(during.duration_us),
                           during.speed == 1 ? "" : fmt::format(" at {:.3g}x", during.speed)) +
                   (during.rounds > 1 ? fmt::format(", begun {} times", FormatCount(during.rounds))
                                      : std::string()));
    if (during.unloaded_us > 0) {
      page_.Fact("without", fmt::format("the migration's last {} ran without any traffic",
                                        FormatDuration(during.unloaded_us)));
    }
    std::string blocker = "longest transaction of the traffic on its tables " +
                          FormatDuration(during.transaction_us_max);
    if (during.blocker_us > 0) {
      blocker += fmt::format("; scry added one of {}", FormatDuration(during.blocker_us));
      if (during.blocker_supposed) {
        blocker += ", which does not gate: --blocker says that production has such";
      }
    }
    page_.Fact("blocker", blocker);
    page_.Fact(
        "change",
        fmt::format(
            "{} under load, {} idle{}", FormatDuration(during.migration_us),
            FormatDuration(report_.migration.duration_us),
            during.exit_status == 0 ? "" : fmt::format("; it failed with {}", during.exit_status)));
    if (during.lock_timeout_us > 0) {
      page_.Fact("rehearsal", RehearsalText(during));
      if (during.chance >= 0) page_.Fact("chance", ChanceText(during));
    }
    if (during.blocked == 0 && during.failed == 0) {
      page_.Fact("waited", "no query waited for it");
    } else {
      page_.Fact("waited",
                 fmt::format("{}, {} at most, {} in all; {} at once; drained {} after the end",
                             Count(during.blocked, "query", "queries"),
                             FormatDuration(during.wait_us_max), FormatDuration(during.stall_us),
                             Count(during.piled_up, "session", "sessions"),
                             FormatDuration(during.drain_us)));
    }
    if (during.failed > 0) page_.Fact("failed", Count(during.failed, "query", "queries"));
    if (during.blocked + during.failed > 0) {
      for (const std::string& line : WaitChart(during, page_.columns())) page_.Line(line);
    }
    for (size_t i = 0; i < during.deadlocks.size() && i < kNamesTold; ++i) {
      const Deadlock& deadlock = during.deadlocks[i];
      page_.Fact("deadlock",
                 fmt::format("victim: {}; with: {}", deadlock.victim, Joined(deadlock.others)));
    }
  }

 private:
  void WriteStatementDetails(const MigrationStatement& statement) {
    if (!statement.sqlstate.empty()) page_.Detail("fails with " + statement.sqlstate);
    std::string locks;
    for (size_t i = 0; i < statement.locks.size() && i < kNamesTold; ++i) {
      const MigrationLock& lock = statement.locks[i];
      locks += fmt::format("{}{} on {}", i == 0 ? "locks " : ", ", lock.mode, lock.relation);
    }
    if (statement.locks.size() > kNamesTold) {
      locks += fmt::format(" and {} more", statement.locks.size() - kNamesTold);
    }
    if (!locks.empty()) page_.Detail(locks);
    if (!statement.rewrote.empty()) page_.Detail("rewrites " + Joined(statement.rewrote));
    if (!statement.dropped.empty()) page_.Detail("CASCADE drops " + Joined(statement.dropped));
    std::string written;
    const auto add = [&](const std::string& part) {
      written += (written.empty() ? "" : ", ") + part;
    };
    if (statement.rows > 0) {
      add("writes " + Count(statement.rows, "row", "rows"));
      if (statement.estimate) add("est. " + FormatCount(statement.estimate->rows));
    }
    const std::string grown = GrowthText(statement);
    if (!grown.empty()) add("the database " + grown);
    if (statement.temp_bytes.value_or(0) > 0) add(TempText(*statement.temp_bytes));
    if (!written.empty()) page_.Detail(written, Ink::kDim);
  }

  void WriteLosses(const MigrationFacts& migration) {
    std::string written;
    const auto add = [&](const std::string& part) {
      written += (written.empty() ? "" : ", ") + part;
    };
    if (migration.wal_bytes > 0) add(base::FormatSize(migration.wal_bytes) + " of WAL");
    if (migration.temp_bytes > 0) add(TempText(migration.temp_bytes));
    if (migration.disk_bytes > 0) {
      add("the database grew by " + base::FormatSize(static_cast<uint64_t>(migration.disk_bytes)));
    }
    page_.Fact("in all", written);
    std::string rewritten;
    for (size_t i = 0; i < migration.rewritten.size() && i < kNamesTold; ++i) {
      const RewrittenTable& table = migration.rewritten[i];
      rewritten +=
          fmt::format("{}{}, {} to {}", i == 0 ? "" : "; ", table.relation,
                      base::FormatSize(table.bytes_before), base::FormatSize(table.bytes_after));
      if (table.bytes_estimated > 0) {
        rewritten += fmt::format(" (est. {})", base::FormatSize(table.bytes_estimated));
      }
    }
    if (migration.rewritten.size() > kNamesTold) {
      rewritten += fmt::format("; {} more", migration.rewritten.size() - kNamesTold);
    }
    page_.Fact("rewritten", rewritten);
    if (!migration.estimate_basis.empty()) {
      page_.Fact("est.",
                 fmt::format("{} in all; {}", FormatDuration(migration.duration_us_estimated),
                             migration.estimate_basis));
    }
    const std::pair<const std::vector<std::string>*, const char*> losses[] = {
        {&migration.statistics_lost, "statistics of {}: estimates are guesses until ANALYZE"},
        {&migration.visibility_lost,
         "visibility map of {}: index-only scans read the table until VACUUM"},
        {&migration.indexes_invalid, "{} is INVALID: writes maintain it and no query uses it"},
        {&migration.grants_lost, "grants: {}"}};
    for (const auto& [names, words] : losses) {
      if (!names->empty()) page_.Fact("lost", fmt::format(fmt::runtime(words), Joined(*names)));
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

  const Report& report_;
  TextPage& page_;
};

}  // namespace

void WriteMigrationOutput(const Report& report, TextPage& page) {
  MigrationSections(report, page).WriteMigrationOutput();
}
void WriteMigration(const Report& report, TextPage& page) {
  MigrationSections sections(report, page);
  sections.WriteMigrationStatements();
  sections.WriteDuring();
}

}  // namespace scry::report
