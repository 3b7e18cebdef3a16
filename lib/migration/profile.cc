#include "migration/profile.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "base/letter_case.h"
#include "event/relation_name.h"
#include "event/statement_facts.h"

namespace scry::migration {
namespace {

using event::StatementKind;

// Further statements are counted; what a migration does more often it does in a loop.
constexpr size_t kStatementsMax = 5000;
constexpr size_t kTextBytesMax = 8192;
// Clocks of two processes on one machine, read one after the other.
constexpr Micros kClockSlackUs = 2000;

bool IsRowWork(StatementKind kind) {
  return kind == StatementKind::kSelect || kind == StatementKind::kInsert ||
         kind == StatementKind::kUpdate || kind == StatementKind::kDelete ||
         kind == StatementKind::kMerge || kind == StatementKind::kCopyIn ||
         kind == StatementKind::kCopyOut;
}

bool TakesNoTime(StatementKind kind, const std::string& tag) {
  // That one runs the checks that were put off.
  if (tag == "SET CONSTRAINTS") return false;
  return kind == StatementKind::kBegin || kind == StatementKind::kSavepoint ||
         kind == StatementKind::kSession;
}

// "ALTER TABLE" of "ALTER TABLE", "INSERT" of "INSERT 0 5".
std::string_view TagWords(std::string_view tag) {
  const size_t digit = tag.find_first_of("0123456789");
  if (digit != std::string_view::npos) tag = tag.substr(0, digit);
  while (tag.ends_with(' ')) tag.remove_suffix(1);
  return tag;
}

// Its tag counts rows that it answered with. EXECUTE has the tag of what it runs; CREATE TABLE AS
// has the tag of a SELECT too.
bool OnlyAnswers(StatementKind kind, const std::string& tag) {
  return kind == StatementKind::kSelect || kind == StatementKind::kCopyOut ||
         (kind == StatementKind::kOther && tag == "SELECT");
}

class Builder {
 public:
  Builder(Seen seen, ServerLog log, const CatalogState& before, const CatalogState& after)
      : seen_(std::move(seen)), log_(std::move(log)), before_(before), after_(after) {
    profile_.change = Compare(before, after);
    profile_.wal_bytes = after.wal_lsn - std::min(before.wal_lsn, after.wal_lsn);
    profile_.temp_bytes = after.temp_bytes - std::min(before.temp_bytes, after.temp_bytes);
    profile_.disk_bytes =
        static_cast<int64_t>(after.database_bytes) - static_cast<int64_t>(before.database_bytes);
    profile_.database_bytes = before.database_bytes;
    for (const auto& [oid, relation] : before.relations) {
      if (relation.bytes > 0) profile_.table_bytes[relation.name] = relation.bytes;
      names_before_.insert(relation.name);
      if (relation.kind == 'p') partitioned_.push_back(relation.name);
    }
    profile_.statements_more = seen_.statements_more;
    profile_.gaps.log_dropped = log_.dropped;
    RecordedScript script = ScriptOf(seen_);
    profile_.script = std::move(script.statements);
    profile_.why_no_script = std::move(script.why_none);
  }

  MigrationProfile Run() {
    for (DdlEvent& event : log_.ddl) event.wall_us -= seen_.wall_offset_us;
    for (LockWaitEvent& wait : log_.waits) {
      wait.begin_wall_us -= seen_.wall_offset_us;
      wait.end_wall_us -= seen_.wall_offset_us;
      if (const RelationState* relation = Known(wait.relation)) wait.name = relation->name;
    }
    for (DeadlockEvent& deadlock : log_.deadlocks) deadlock.wall_us -= seen_.wall_offset_us;
    for (SpillEvent& spill : log_.spills) spill.wall_us -= seen_.wall_offset_us;
    AddStatements();
    profile_.gaps.events_lost = log_.ddl.empty() && RanDdl();
    for (const DdlEvent& event : log_.ddl) {
      if (event.kind == DdlEvent::Kind::kCommandEnd) ++events_left_[{ExchangeOf(event), event.tag}];
    }
    for (const DdlEvent& event : log_.ddl) TakeEvent(event);
    for (const SeenLocks& locks : seen_.locks) TakeLocks(locks);
    ExplainFiles();
    ExplainConcurrentBuilds();
    ShareSizes();
    for (const SpillEvent& spill : log_.spills) {
      StatementProfile* at = FindAt(spill.pid, spill.wall_us, kClockSlackUs);
      if (at != nullptr) at->temp_bytes += spill.bytes;
    }
    for (StatementProfile& statement : profile_.statements) FinishLocks(statement);
    Fold();
    std::stable_sort(profile_.statements.begin(), profile_.statements.end(),
                     [](const auto& a, const auto& b) { return a.begin_us < b.begin_us; });
    profile_.waits = std::move(log_.waits);
    profile_.deadlocks = std::move(log_.deadlocks);
    return std::move(profile_);
  }

 private:
  void AddStatements() {
    event::FactsCache facts;
    std::map<uint32_t, std::vector<size_t>> open;  // By pid: statements of the open transaction.
    for (size_t i = 0; i < seen_.statements.size(); ++i) {
      SeenStatement& seen = seen_.statements[i];
      StatementProfile statement;
      const event::StatementFacts& known = facts.Get(seen.statement.text, seen.statement.ordinal);
      statement.pid = seen.pid;
      statement.ordinal = seen.statement.ordinal;
      statement.pattern = known.pattern;
      statement.fingerprint = known.fingerprint;
      statement.relations = known.relations;
      statement.work = WorkOf(known, seen.statement);
      statement.begin_us = seen.begin_us;
      statement.end_us = seen.end_us;
      statement.tag = std::string(TagWords(seen.statement.outcome.tag));
      statement.sqlstate = seen.statement.outcome.sqlstate;
      statement.message = seen.statement.outcome.message;
      const StatementKind kind = known.kind;
      if (!OnlyAnswers(kind, statement.tag))
        statement.rows = RowsWritten(seen.statement.outcome.tag);
      statement.text = seen.statement.text.view().substr(0, kTextBytesMax);
      kinds_.push_back(kind);
      runs_code_.push_back(statement.tag == "DO" || statement.tag == "CALL" ||
                           statement.tag.ends_with(" EXTENSION") || CallsFunction(known.functions));
      locks_tables_.push_back(runs_code_.back() || kind == StatementKind::kDdl ||
                              kind == StatementKind::kOther || !known.makes.empty());
      exchanges_.push_back(seen.exchange);
      profile_.statements.push_back(std::move(statement));
      std::vector<size_t>& transaction = open[seen.pid];
      transaction.push_back(i);
      const bool last =
          i + 1 == seen_.statements.size() || seen_.statements[i + 1].exchange != seen.exchange;
      const bool ends = kind == StatementKind::kCommit || kind == StatementKind::kRollback;
      if (ends || (last && !seen.open_after)) End(transaction);
    }
    for (auto& [pid, transaction] : open) End(transaction);
    PassTimeOn();
    for (size_t i = 0; i < profile_.statements.size(); ++i) {
      by_pid_[profile_.statements[i].pid].push_back(i);
    }
  }

  // What takes no time has the time of an exchange where the answers to all of it came at its end,
  // as drivers send BEGIN along with what comes first.
  void PassTimeOn() {
    for (size_t i = 0; i + 1 < exchanges_.size(); ++i) {
      StatementProfile& statement = profile_.statements[i];
      if (exchanges_[i + 1] != exchanges_[i] || !TakesNoTime(kinds_[i], statement.tag)) continue;
      statement.end_us = statement.begin_us;
      profile_.statements[i + 1].begin_us = statement.begin_us;
    }
  }

  // Of equal INSERTs, of which there may be many, once; of a Query of many statements likewise.
  const event::TableWork& WorkOf(const event::StatementFacts& facts,
                                 const event::Statement& statement) {
    static const event::TableWork kNone;
    const bool inserts = facts.kind == StatementKind::kInsert;
    const bool vacuums = statement.outcome.tag == "VACUUM";
    if (!inserts && !vacuums && facts.kind != StatementKind::kDdl) return kNone;
    const auto known = work_.find(facts.fingerprint);
    if (inserts && known != work_.end()) return known->second;
    if (!statement.text.SharesWith(worked_text_)) {
      worked_text_ = statement.text;
      works_ = event::TableWorksOf(statement.text);
    }
    const bool parsed = statement.ordinal < works_.size();
    return work_[facts.fingerprint] = parsed ? works_[statement.ordinal] : event::TableWork();
  }

  // One that somebody wrote.
  bool CallsFunction(const std::vector<std::string>& names) const {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return before_.functions.contains(name) || after_.functions.contains(name);
    });
  }

  void End(std::vector<size_t>& transaction) {
    if (transaction.empty()) return;
    const Micros end_us = profile_.statements[transaction.back()].end_us;
    for (const size_t i : transaction) {
      profile_.statements[i].transaction_end_us = end_us;
      transactions_.resize(std::max(transactions_.size(), i + 1));
      transactions_[i] = transaction.front();
    }
    transaction.clear();
  }

  // The statement of a backend that ran at a moment, else the last before it.
  StatementProfile* FindAt(uint32_t pid, Micros at_us, Micros slack_us) {
    const auto known = by_pid_.find(pid);
    if (known == by_pid_.end()) return nullptr;
    StatementProfile* found = nullptr;
    for (const size_t i : known->second) {
      StatementProfile& statement = profile_.statements[i];
      if (statement.begin_us > at_us + slack_us) break;
      found = &statement;
      if (at_us <= statement.end_us) break;
    }
    return found;
  }

  // DDL that triggers fire for, whatever else it says.
  bool RanDdl() const {
    constexpr std::array<std::string_view, 8> kTags = {
        "ALTER TABLE", "CREATE TABLE", "DROP TABLE", "CREATE INDEX",
        "DROP INDEX",  "CREATE VIEW",  "DROP VIEW",  "CREATE FUNCTION"};
    return std::any_of(profile_.statements.begin(), profile_.statements.end(),
                       [&](const StatementProfile& one) {
                         return one.sqlstate.empty() &&
                                std::find(kTags.begin(), kTags.end(), one.tag) != kTags.end();
                       });
  }

  size_t IndexOf(const StatementProfile& statement) const {
    return static_cast<size_t>(&statement - profile_.statements.data());
  }

  // 0: nobody's.
  uint64_t ExchangeOf(const DdlEvent& event) {
    const StatementProfile* statement = FindAt(event.pid, event.wall_us, kClockSlackUs);
    return statement == nullptr ? 0 : exchanges_[IndexOf(*statement)];
  }

  // Code may run DDL of its own in it, which fires triggers too.
  bool RunsCode(size_t i) const {
    const std::string& tag = profile_.statements[i].tag;
    return kinds_[i] == StatementKind::kSelect || tag == "SELECT" || tag == "DO" || tag == "CALL" ||
           tag == "CREATE EXTENSION";
  }

  // Where an exchange, whose statements end before `end`, has more events of a tag to come than
  // statements with it: the first from `from` on that runs code. nullptr: there is none.
  StatementProfile* RunnerOf(const DdlEvent& event, size_t from, size_t end) {
    StatementProfile* runner = nullptr;
    uint64_t with_tag = 0;
    for (size_t i = from; i < end; ++i) {
      const bool own = profile_.statements[i].tag == event.tag;
      with_tag += own ? 1 : 0;
      if (runner == nullptr && with_tag == 0 && RunsCode(i)) runner = &profile_.statements[i];
    }
    const auto left = events_left_.find({exchanges_[end - 1], event.tag});
    return left != events_left_.end() && left->second > with_tag ? runner : nullptr;
  }

  // The statements of an exchange stand together: the first one with this one, and behind the last.
  size_t FirstWith(size_t i) const {
    while (i > 0 && exchanges_[i - 1] == exchanges_[i]) --i;
    return i;
  }
  size_t EndWith(size_t i) const {
    size_t end = i + 1;
    while (end < exchanges_.size() && exchanges_[end] == exchanges_[i]) ++end;
    return end;
  }

  // Events of one exchange come in the order of its statements: with several in a Query message the
  // server may hand all answers over at its end, so the clock does not tell them apart.
  void TakeEvent(const DdlEvent& event) {
    StatementProfile* statement = FindAt(event.pid, event.wall_us, kClockSlackUs);
    if (statement == nullptr) return;
    const size_t first = FirstWith(IndexOf(*statement));
    const size_t end = EndWith(first);
    const uint64_t exchange = exchanges_[first];
    size_t& next = next_[exchange];
    StatementProfile* runner = RunnerOf(event, std::max(first, next), end);
    if (runner != nullptr) statement = runner;
    if (event.kind == DdlEvent::Kind::kCommandEnd) {
      uint64_t& left = events_left_[{exchange, event.tag}];
      left -= std::min<uint64_t>(left, 1);
    }
    for (size_t i = std::max(first, next); runner == nullptr && i < end; ++i) {
      if (profile_.statements[i].tag != event.tag) continue;
      statement = &profile_.statements[i];
      if (event.kind == DdlEvent::Kind::kCommandEnd) {
        next = i + 1;
        SetEnd(i, event.wall_us);
      }
      break;
    }
    switch (event.kind) {
      case DdlEvent::Kind::kCommandEnd:
        AddLocks(*statement, event.locks);
        break;
      case DdlEvent::Kind::kRewrite:
        if (const RelationState* relation = Known(event.rewritten)) {
          rewrites_told_.insert(event.rewritten);
          statement->rewrote.push_back(relation->name);
        }
        break;
      case DdlEvent::Kind::kDrop:
        for (const DroppedObject& object : event.dropped) {
          if (object.original) continue;
          statement->dropped.push_back(object.type + " " + object.identity);
        }
        break;
    }
  }

  // Where an exchange has several statements, the next one begins where this one ended.
  void SetEnd(size_t i, Micros end_us) {
    BeginBy(i, end_us);
    const bool next_too = i + 1 < exchanges_.size() && exchanges_[i + 1] == exchanges_[i];
    StatementProfile& statement = profile_.statements[i];
    if (!next_too || end_us < statement.begin_us) return;
    StatementProfile& next = profile_.statements[i + 1];
    statement.end_us = std::min(end_us, std::max(next.end_us, statement.end_us));
    next.begin_us = statement.end_us;
    next.end_us = std::max(next.end_us, next.begin_us);
  }

  // A statement was at work at a moment, so that row work before it, whose answer came along with
  // its own, had ended.
  void BeginBy(size_t i, Micros at_us) {
    StatementProfile& statement = profile_.statements[i];
    const size_t first = FirstWith(i);
    if (first == i || locks_tables_[i - 1]) return;
    at_us = std::max(at_us, profile_.statements[first].begin_us);
    if (statement.begin_us <= at_us) return;
    statement.begin_us = at_us;
    for (size_t before = first; before < i; ++before) {
      StatementProfile& ended = profile_.statements[before];
      ended.begin_us = std::min(ended.begin_us, at_us);
      ended.end_us = std::min(ended.end_us, at_us);
    }
    parted_.insert(exchanges_[i]);
  }

  // The last statement of the transaction that held them. nullptr: several were open while the
  // server was asked, and any of them may have, or none was.
  const StatementProfile* HolderOf(const SeenLocks& seen) {
    const StatementProfile* last = FindAt(seen.pid, seen.at_us, 0);
    if (last == nullptr || last->transaction_end_us < seen.asked_us) return nullptr;
    const std::vector<size_t>& own = by_pid_.at(seen.pid);
    const auto first = std::lower_bound(own.begin(), own.end(), transactions_[IndexOf(*last)]);
    if (first == own.begin()) return last;
    const StatementProfile& before = profile_.statements[*(first - 1)];
    return before.transaction_end_us > seen.asked_us ? nullptr : last;
  }

  void TakeLocks(const SeenLocks& seen) {
    const StatementProfile* statement = HolderOf(seen);
    if (statement == nullptr) return;
    const size_t at = IndexOf(*statement);
    for (const OidLock& lock : seen.locks) {
      const size_t taker = TakerOf(lock, at);
      if (taker != at) BeginBy(taker, seen.at_us);
      AddLock(profile_.statements[taker], lock, /*implied=*/false);
    }
  }

  // Row work takes no more than RowExclusive: where its transaction had no stronger lock already,
  // the DDL behind it has it, though the clock does not tell them apart.
  size_t TakerOf(const OidLock& lock, size_t at) {
    if (lock.mode <= LockMode::kRowExclusive || locks_tables_[at]) return at;
    if (Known(lock.relation) == nullptr) return at;
    const auto& held = held_[transactions_[at]];
    const auto known = held.find(lock.relation);
    const bool had = known != held.end() && known->second.mode >= lock.mode;
    if (had && known->second.statement <= at) return at;
    const size_t end = EndWith(at);
    for (size_t i = at + 1; i < end; ++i) {
      if (locks_tables_[i]) return i;
    }
    return at;
  }

  // As it was before the migration, or as the migration made it.
  const RelationState* Known(uint32_t oid) const {
    for (const CatalogState* state : {&before_, &after_}) {
      const auto found = state->relations.find(oid);
      if (found != state->relations.end()) return &found->second;
    }
    return nullptr;
  }

  // Whoever makes a relation holds it first.
  bool MadeBy(size_t transaction, uint32_t relation) {
    if (before_.relations.contains(relation)) return false;
    return made_.try_emplace(relation, transaction).first->second == transaction;
  }

  // Locks that no statement before it in the transaction held, or held more weakly.
  void AddLocks(StatementProfile& statement, const std::vector<OidLock>& locks) {
    for (const OidLock& lock : locks) AddLock(statement, lock, /*implied=*/false);
  }

  void AddLock(StatementProfile& statement, const OidLock& lock, bool implied) {
    const size_t at = IndexOf(statement);
    const size_t transaction = transactions_[at];
    if (Known(lock.relation) == nullptr || MadeBy(transaction, lock.relation)) return;
    Held& known = held_[transaction][lock.relation];
    // Seen again, or by another observer for an earlier statement.
    if (lock.mode < known.mode || (lock.mode == known.mode && at >= known.statement)) return;
    known = {lock.mode, at};
    Put(statement, lock, implied);
  }

  void Put(StatementProfile& statement, const OidLock& lock, bool implied) const {
    const auto same =
        std::find_if(statement.locks.begin(), statement.locks.end(),
                     [&](const TakenLock& taken) { return taken.relation == lock.relation; });
    if (same != statement.locks.end()) {
      same->mode = std::max(same->mode, lock.mode);
      return;
    }
    const RelationState& known = *Known(lock.relation);
    TakenLock& taken = statement.locks.emplace_back();
    taken.relation = lock.relation;
    taken.name = known.name;
    taken.mode = lock.mode;
    taken.implied = implied;
    taken.partitioned = known.kind == 'p' || known.kind == 'I';
    taken.made = !before_.relations.contains(lock.relation);
    taken.apart = taken.made && !names_before_.contains(known.name) &&
                  !before_.relations.contains(known.table);
  }

  // New files that no event trigger told of: VACUUM FULL, CLUSTER, TRUNCATE, REINDEX, and what code
  // does of it. Whoever swaps a file holds the relation alone.
  void ExplainFiles() {
    for (const Rewritten& rewritten : profile_.change.rewritten) {
      const bool told = rewrites_told_.contains(rewritten.relation);
      for (const size_t i : WhoSwapped(rewritten.relation, &event::TableWork::swaps_files, told)) {
        profile_.statements[i].rewrote.push_back(rewritten.name);
        AddLock(profile_.statements[i], {rewritten.relation, LockMode::kAccessExclusive}, true);
      }
    }
    for (const uint32_t index : profile_.change.reindexed) {
      for (const size_t i : WhoSwapped(index, &event::TableWork::reindexes, false)) {
        AddLock(profile_.statements[i], {index, LockMode::kAccessExclusive}, true);
        AddLock(profile_.statements[i], {Known(index)->table, LockMode::kShare}, true);
      }
    }
  }

  // All statements that swap the relation's file by what they say; else, unless a trigger told of
  // another, the first of those that most likely did.
  std::vector<size_t> WhoSwapped(uint32_t relation, bool event::TableWork::*by_text,
                                 bool told) const {
    const std::string_view name = event::BareName(Known(relation)->name);
    std::optional<std::vector<std::string_view>> code;  // All sources are read for it.
    std::vector<size_t> sure;
    size_t likely = 0;
    Likelihood most = Likelihood::kNone;
    for (size_t i = 0; i < profile_.statements.size(); ++i) {
      const StatementProfile& statement = profile_.statements[i];
      if (!statement.sqlstate.empty()) continue;
      if (statement.work.*by_text && NamesOrItsTable(statement.relations, relation)) {
        sure.push_back(i);
        continue;
      }
      Likelihood likelihood = HowLikely(i, relation, by_text);
      if (likelihood == Likelihood::kRunsCode) {
        if (!code) code = FunctionsWith(name);
        if (Runs(statement, name, *code)) likelihood = Likelihood::kCodeNames;
      }
      if (likelihood <= most) continue;
      most = likelihood;
      likely = i;
    }
    if (sure.empty() && !told && most != Likelihood::kNone) sure.push_back(likely);
    return sure;
  }

  enum class Likelihood : uint8_t {
    kNone,
    kHolds,      // It held the relation alone; its trigger would have told, if there are any.
    kRunsCode,   // Which may do anything ...
    kReaches,    // It swaps files of what it does not name: by CASCADE, in partitions, everywhere.
    kCodeNames,  // ... and has the relation's name in it, or in a function that it names.
    kCodeHolds,  // ... and held it alone.
  };
  Likelihood HowLikely(size_t i, uint32_t relation, bool event::TableWork::*by_text) const {
    const StatementProfile& statement = profile_.statements[i];
    const bool holds =
        std::any_of(statement.locks.begin(), statement.locks.end(), [&](const TakenLock& lock) {
          return lock.relation == relation && lock.mode == LockMode::kAccessExclusive;
        });
    if (holds && runs_code_[i]) return Likelihood::kCodeHolds;
    if (statement.work.*by_text && ReachesFurther(statement)) return Likelihood::kReaches;
    if (runs_code_[i]) return Likelihood::kRunsCode;
    return holds ? Likelihood::kHolds : Likelihood::kNone;
  }

  // Beyond what it names.
  bool ReachesFurther(const StatementProfile& statement) const {
    return statement.relations.empty() || statement.work.truncates_more ||
           std::any_of(partitioned_.begin(), partitioned_.end(), [&](const std::string& parent) {
             return Names(statement.relations, parent);
           });
  }

  // Names of functions with a name in them.
  std::vector<std::string_view> FunctionsWith(std::string_view name) const {
    std::vector<std::string_view> found;
    for (const CatalogState* state : {&before_, &after_}) {
      for (const auto& [function, source] : state->functions) {
        if (base::ContainsInAnyCase(source, name)) found.push_back(function);
      }
    }
    return found;
  }

  static bool Runs(const StatementProfile& statement, std::string_view name,
                   const std::vector<std::string_view>& functions) {
    const auto in_text = [&](std::string_view part) {
      return base::ContainsInAnyCase(statement.text, part);
    };
    return in_text(name) || std::any_of(functions.begin(), functions.end(), in_text);
  }

  bool NamesOrItsTable(const std::vector<std::string>& named, uint32_t relation) const {
    const RelationState& state = *Known(relation);
    const RelationState* table = Known(state.table);
    return Names(named, state.name) || (table != nullptr && Names(named, table->name));
  }

  // CREATE INDEX CONCURRENTLY commits several times on its way and has let its table go when its
  // trigger fires. The index tells which of several tables of a name it was; of a build that left
  // none, any of them may have been.
  void ExplainConcurrentBuilds() {
    std::set<uint32_t> built;
    for (StatementProfile& statement : profile_.statements) {
      if (!statement.work.builds_concurrently) continue;
      if (const uint32_t index = IndexOf(statement, built)) {
        built.insert(index);
        const uint32_t table = after_.relations.at(index).table;
        AddLock(statement, {table, LockMode::kShareUpdateExclusive}, /*implied=*/true);
        continue;
      }
      for (const auto& [oid, relation] : before_.relations) {
        if (!Names(statement.relations, relation.name)) continue;
        AddLock(statement, {oid, LockMode::kShareUpdateExclusive}, /*implied=*/true);
      }
    }
  }

  // The new index that a statement most likely built: one whose name stands in it rather than
  // another, the first that no statement before it built. 0: there is none.
  uint32_t IndexOf(const StatementProfile& statement, const std::set<uint32_t>& built) const {
    uint32_t found = 0;
    int most = -1;
    for (const auto& [oid, relation] : after_.relations) {
      if (relation.table == 0 || before_.relations.contains(oid)) continue;
      const RelationState* table = Known(relation.table);
      if (table == nullptr || !Names(statement.relations, table->name)) continue;
      const bool named = base::ContainsInAnyCase(statement.text, event::BareName(relation.name));
      const int likely = (named ? 2 : 0) + (built.contains(oid) ? 0 : 1);
      if (likely <= most) continue;
      most = likely;
      found = oid;
    }
    return found;
  }

  // Is the relation of a catalog among those that a statement writes?
  static bool Names(const std::vector<std::string>& relations, const std::string& name) {
    const std::string_view bare = event::BareName(name);
    return std::any_of(relations.begin(), relations.end(), [&](const std::string& relation) {
      return relation == name || relation == bare || relation == "public." + name;
    });
  }

  // Who is told what an exchange wrote. Of answers that came together and were told apart since,
  // only the sum is known: the one that took longest.
  StatementProfile* WriterAt(const SeenSizes& seen) {
    StatementProfile* statement = FindAt(seen.pid, seen.at_us, 0);
    if (statement == nullptr) return nullptr;
    const size_t at = IndexOf(*statement);
    if (!parted_.contains(exchanges_[at])) return statement;
    const size_t end = EndWith(at);
    for (size_t i = FirstWith(at); i < end; ++i) {
      StatementProfile& other = profile_.statements[i];
      const Micros took_us = statement->end_us - statement->begin_us;
      if (other.end_us - other.begin_us > took_us) statement = &other;
    }
    return statement;
  }

  // The log's position and the database's size were read at the end of exchanges: what came since
  // the reading before is theirs. What came before a failed one may be that one's.
  void ShareSizes() {
    uint64_t lsn = before_.wal_lsn;
    uint64_t bytes = before_.database_bytes;
    bool missed = false;
    bool lsn_missed = false;
    for (const SeenSizes& seen : seen_.sizes) {
      StatementProfile* statement = WriterAt(seen);
      if (statement != nullptr && !lsn_missed && seen.lsn.value_or(0) > lsn) {
        statement->wal_bytes += *seen.lsn - lsn;
      }
      lsn = std::max(lsn, seen.lsn.value_or(0));
      lsn_missed = !seen.lsn;
      const bool known = seen.database_bytes && !missed;
      if (statement != nullptr && (seen.missed || (seen.database_bytes && missed))) {
        statement->disk_bytes.reset();
      } else if (statement != nullptr && known && statement->disk_bytes) {
        *statement->disk_bytes +=
            static_cast<int64_t>(*seen.database_bytes) - static_cast<int64_t>(bytes);
      }
      missed = seen.missed || (missed && !seen.database_bytes);
      bytes = seen.database_bytes.value_or(bytes);
    }
  }

  // A lock on an index says nothing where its table is locked as strongly.
  void FinishLocks(StatementProfile& statement) const {
    std::vector<TakenLock> telling;
    for (const TakenLock& lock : statement.locks) {
      const uint32_t table = Known(lock.relation)->table;
      const bool covered =
          std::any_of(statement.locks.begin(), statement.locks.end(), [&](const TakenLock& other) {
            return other.relation == table && other.mode >= lock.mode;
          });
      if (!covered) telling.push_back(lock);
    }
    statement.locks = std::move(telling);
    for (TakenLock& lock : statement.locks) {
      lock.held_us =
          std::max<Micros>(statement.transaction_end_us, statement.end_us) - statement.begin_us;
    }
    std::stable_sort(statement.locks.begin(), statement.locks.end(),
                     [](const TakenLock& a, const TakenLock& b) {
                       if (a.mode != b.mode) return a.mode > b.mode;
                       return a.name < b.name;
                     });
    std::sort(statement.rewrote.begin(), statement.rewrote.end());
    statement.rewrote.erase(std::unique(statement.rewrote.begin(), statement.rewrote.end()),
                            statement.rewrote.end());
  }

  // A loop of equal row work is one entry.
  void Fold() {
    std::vector<StatementProfile> folded;
    std::map<uint32_t, size_t> last;  // By pid.
    for (size_t i = 0; i < profile_.statements.size(); ++i) {
      StatementProfile& statement = profile_.statements[i];
      statement.busy_us = statement.end_us - statement.begin_us;
      const auto before = last.find(statement.pid);
      if (before != last.end()) {
        StatementProfile& same = folded[before->second];
        const bool equal = same.fingerprint == statement.fingerprint &&
                           same.sqlstate == statement.sqlstate && statement.locks.empty() &&
                           IsRowWork(kinds_[i]);
        if (equal) {
          ++same.calls;
          same.end_us = statement.end_us;
          same.busy_us += statement.busy_us;
          same.transaction_end_us = statement.transaction_end_us;
          same.rows += statement.rows;
          same.wal_bytes += statement.wal_bytes;
          same.temp_bytes += statement.temp_bytes;
          if (!statement.disk_bytes) same.disk_bytes.reset();
          if (same.disk_bytes) *same.disk_bytes += *statement.disk_bytes;
          continue;
        }
      }
      if (folded.size() >= kStatementsMax) {
        ++profile_.statements_more;
        continue;
      }
      last[statement.pid] = folded.size();
      folded.push_back(std::move(statement));
    }
    profile_.statements = std::move(folded);
  }

  struct Held {
    LockMode mode = LockMode::kNone;
    size_t statement = 0;
  };

  Seen seen_;
  ServerLog log_;
  const CatalogState& before_;
  const CatalogState& after_;
  std::set<std::string> names_before_;    // Of relations ...
  std::vector<std::string> partitioned_;  // ... and of tables in partitions.
  MigrationProfile profile_;
  // By statement, until they are folded.
  std::vector<StatementKind> kinds_;
  std::vector<bool> runs_code_;     // Of users: event triggers hear only of the DDL in it.
  std::vector<bool> locks_tables_;  // It may, by more than work on their rows takes.
  std::map<uint64_t, event::TableWork> work_;  // By fingerprint.
  base::SharedText worked_text_;               // The last one whose statements were looked at ...
  std::vector<event::TableWork> works_;        // ... and theirs.
  std::vector<uint64_t> exchanges_;
  std::vector<size_t> transactions_;  // The first statement of its transaction.
  std::map<uint32_t, std::vector<size_t>> by_pid_;
  std::map<uint64_t, size_t> next_;  // By exchange: statements before it had their events.
  // By exchange and tag: ends of commands that are still to be placed.
  std::map<std::pair<uint64_t, std::string>, uint64_t> events_left_;
  std::map<size_t, std::map<uint32_t, Held>> held_;
  std::map<uint32_t, size_t> made_;  // Relations, by the transactions of the migration that did it.
  std::set<uint32_t> rewrites_told_;
  std::set<uint64_t> parted_;  // Exchanges, by BeginBy().
};

}  // namespace

LockMode MigrationProfile::Strongest(uint32_t relation) const {
  LockMode strongest = LockMode::kNone;
  for (const StatementProfile& statement : statements) {
    for (const TakenLock& lock : statement.locks) {
      if (lock.relation == relation) strongest = std::max(strongest, lock.mode);
    }
  }
  return strongest;
}

uint64_t RowsWritten(const std::string& tag) {
  for (const char* word : {"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "SELECT"}) {
    if (tag.starts_with(word)) return event::TagCount(tag).value_or(0);
  }
  return 0;
}

MigrationProfile BuildProfile(Seen seen, ServerLog log, const CatalogState& before,
                              const CatalogState& after) {
  return Builder(std::move(seen), std::move(log), before, after).Run();
}

}  // namespace scry::migration
