#include "replay/footprint_reader.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "base/letter_case.h"
#include "pg/startup.h"
#include "replay/key_value.h"
#include "replay/lost_race.h"
#include "replay/reread.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

using event::StatementFacts;
using event::StatementKind;
using event::StatementSites;
using event::ValueSite;

// A transaction that touched more is taken to have touched everything.
constexpr size_t kHeldMax = 4096;
// Of one exchange; further ones only help to tell who took what from a queue.
constexpr size_t kRowsMax = 64;
// Of one session; past it they are not known any more, which costs order, not truth.
constexpr size_t kNamesMax = 4096;

// The one key of the rows that a statement touches.
struct RowKey {
  uint64_t hash = 0;  // 0: any rows.
  std::optional<int64_t> number;
};

// Text that was not parsed is known by its first word alone: more commands may follow.
bool KnownWhole(const StatementFacts& facts, const std::string& text) {
  return facts.parsed || text.find(';') == std::string::npos;
}

bool HoldsWord(std::string_view text, std::string_view word) {
  return base::LowerAscii(text).find(word) != std::string::npos;
}

bool NamesSnapshotLevel(std::string_view text) {
  return HoldsWord(text, "serializable") || HoldsWord(text, "repeatable read");
}
bool NamesPlainLevel(std::string_view text) {
  return HoldsWord(text, "read committed") || HoldsWord(text, "read uncommitted");
}

// The nth word of a command, in lower case; without quotes.
std::string WordOf(std::string_view text, size_t n) {
  std::string word;
  for (size_t at = 0; at < text.size();) {
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0) ++at;
    const size_t begin = at;
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) == 0 &&
           text[at] != '(' && text[at] != ';') {
      ++at;
    }
    if (at == begin) break;
    if (n-- > 0) continue;
    word = base::LowerAscii(text.substr(begin, at - begin));
    std::erase(word, '"');
    break;
  }
  return word;
}

// A time as settings are written, "1.5s": 0 where there is none near the front.
base::Micros TimeIn(std::string_view text) {
  constexpr size_t kFrontMax = 16;
  constexpr base::Micros kMs = 1000;
  static const std::map<std::string_view, base::Micros> kUnits = {{"us", 1},
                                                                  {"ms", kMs},
                                                                  {"s", 1000 * kMs},
                                                                  {"min", 60000 * kMs},
                                                                  {"h", 3600000 * kMs},
                                                                  {"d", 86400000 * kMs}};
  const size_t begin = text.substr(0, kFrontMax).find_first_of("0123456789");
  if (begin == std::string_view::npos) return 0;
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + begin, end, number);
  const char* at = parsed.ptr;
  while (at != end && *at == ' ') ++at;
  const char* const unit = at;
  while (at != end && std::isalpha(static_cast<unsigned char>(*at)) != 0) ++at;
  const auto known = kUnits.find(std::string_view(unit, static_cast<size_t>(at - unit)));
  const base::Micros scale = known == kUnits.end() ? kMs : known->second;
  return static_cast<base::Micros>(std::min(number * static_cast<double>(scale), 1e15));
}

// Takes a limit of idle time over that `text` sets, if it is shorter.
void NoteIdleLimit(std::string_view text, base::Micros& limit_us) {
  const std::string lower = base::LowerAscii(text);
  for (const std::string_view name :
       {"idle_in_transaction_session_timeout", "idle_session_timeout"}) {
    const size_t at = lower.find(name);
    if (at == std::string::npos) continue;
    const base::Micros set_us = TimeIn(std::string_view(lower).substr(at + name.size()));
    if (set_us > 0 && (limit_us == 0 || set_us < limit_us)) limit_us = set_us;
  }
}

// Roles, their settings and memberships, databases, and who may connect to them.
bool NamesLogins(std::string_view text) {
  static const std::set<std::string> kThings = {"role",     "user",  "group",
                                                "database", "owned", "event"};
  const std::string first = WordOf(text, 0);
  if (first == "grant" || first == "revoke") {
    return !HoldsWord(text, " on ") || HoldsWord(text, " on database ");
  }
  return kThings.contains(WordOf(text, 1));
}

std::pair<std::string_view, std::string_view> SplitName(std::string_view relation) {
  const size_t dot = relation.rfind('.');
  if (dot == std::string_view::npos) return {{}, relation};
  return {relation.substr(0, dot), relation.substr(dot + 1)};
}

Mode ModeOf(event::RowLock strength) {
  switch (strength) {
    case event::RowLock::kKeyShare:
      return Mode::kKeyShare;
    case event::RowLock::kShare:  // Keeps changes out, as a change does.
    case event::RowLock::kNoKeyUpdate:
      return Mode::kUpdate;
    case event::RowLock::kUpdate:
      return Mode::kDelete;
  }
  return Mode::kDelete;
}

void AddAccess(std::vector<Access>& list, const Access& access) {
  if (std::find(list.begin(), list.end(), access) == list.end()) list.push_back(access);
}

// Holds what a transaction changed or locked; reads are over with their statement.
void Hold(std::vector<Access>& held, const std::vector<Access>& touches) {
  for (const Access& touch : touches) {
    if (touch.mode == Mode::kRead || touch.object == kSequences) continue;
    if (held.size() >= kHeldMax) {
      held = {{kEverything, 0, Mode::kDelete}};
      return;
    }
    AddAccess(held, touch);
  }
}

}  // namespace

// The values that the parameters of a statement have in this exchange.
struct FootprintReader::Values {
  std::string_view text;
  std::optional<wire::Bind> bind;
  std::unique_ptr<const std::string> payload;  // `bind` points into it, wherever this moves.
  bool odd_types = false;

  RowKey KeyOf(const ValueSite& site, const RelationFacts& relation) const {
    if (site.array) return {};
    if (site.parameter == 0) {
      const auto literal = event::LiteralValue(text.substr(site.offset, site.length));
      return literal ? KeyOf(relation, *literal, false) : RowKey();
    }
    if (!bind || odd_types) return {};
    const auto index = static_cast<size_t>(site.parameter) - 1;
    if (index >= bind->parameters.size() || !bind->parameters[index]) return {};
    const bool same = bind->formats.size() == 1;
    const bool binary =
        index < bind->formats.size() || same ? bind->formats[same ? 0 : index] == 1 : false;
    return KeyOf(relation, *bind->parameters[index], binary);
  }
  static RowKey KeyOf(const RelationFacts& relation, std::string_view value, bool binary) {
    const auto hash = HashKey(relation.key_type, value, binary);
    if (!hash) return {};
    const bool integer = relation.key_type == KeyType::kInteger;
    return {std::max<uint64_t>(*hash, 1), integer ? IntegerKey(value, binary) : std::nullopt};
  }
};

// One exchange being read.
class FootprintReader::Reading {
 public:
  Reading(FootprintReader& reader, const event::Exchange& exchange, SessionTrail& trail)
      : reader_(reader),
        catalog_(trail.catalog == nullptr ? reader.catalog_ : *trail.catalog),
        exchange_(exchange),
        trail_(trail) {}

  ExchangeFacts Read() {
    ExchangeFacts& result = result_;
    NoteParses();
    result.only_ends = result.only_unlocks = !exchange_.statements.empty();
    for (const event::Statement& statement : exchange_.statements) {
      if (statement.outcome.status == event::OutcomeStatus::kSkipped) {
        result.only_ends = result.only_unlocks = false;
        Skipped(statement);
        continue;
      }
      if (statement.text.empty()) {  // Prepared before the capture: unknown.
        TouchUnknown();
        result.only_ends = result.only_unlocks = boundaries_known_ = false;
        continue;
      }
      const StatementFacts& facts = reader_.facts_.Get(statement.text, statement.ordinal);
      if (&statement == &exchange_.statements.front()) result.fingerprint = facts.fingerprint;
      result.only_ends &= KnownWhole(facts, statement.text) && IsEnd(facts.kind);
      result.only_unlocks &= OnlyUnlocks(facts);
      result.passes_locks |= facts.skips_locked || GaveUp(statement, facts);
      NoteBoundary(statement, facts);
      ReadStatement(statement, facts);
    }
    if (exchange_.statements.empty()) PrepareOnly();
    CheckBoundary();
    Finish(result.footprint);
    result.only_reads =
        !touches_.empty() && !result.footprint.barrier && result.footprint.releases.empty() &&
        std::all_of(touches_.begin(), touches_.end(),
                    [](const Access& access) { return access.mode == Mode::kRead; });
    result.one_snapshot = snapshots_ <= 1;
    result.rereadable = result.only_reads && reads_once_ && MayReread(exchange_);
    result.takes_snapshot = takes_snapshot_;
    result.idle_limit_us = trail_.idle_limit_us;
    result.footprint.touches = std::move(touches_);
    return std::move(result_);
  }

 private:
  static bool IsEnd(StatementKind kind) {
    return kind == StatementKind::kCommit || kind == StatementKind::kRollback;
  }

  static bool OnlyUnlocks(const StatementFacts& facts) {
    return facts.kind == StatementKind::kSelect && facts.relations.empty() &&
           facts.functions.size() == 1 && facts.functions[0].starts_with("pg_advisory_unlock");
  }
  // pg_try_advisory_lock() that did not get it.
  static bool GaveUp(const event::Statement& statement, const StatementFacts& facts) {
    const bool tries =
        std::any_of(facts.functions.begin(), facts.functions.end(),
                    [](const auto& name) { return name.starts_with("pg_try_advisory"); });
    const std::string& values = statement.outcome.values;
    return tries && !values.empty() && (values.back() == 'f' || values.back() == '\0');
  }

  void Touch(ObjectId object, Mode mode, uint64_t key = 0) {
    AddAccess(touches_, {object, key, mode});
  }
  void TouchRow(ObjectId object, Mode mode, const RowKey& key) {
    Touch(object, mode, key.hash);
    if (key.number && result_.rows.size() < kRowsMax) {
      result_.rows.push_back({object, *key.number});
    }
  }
  // May do anything: all that could be in its way is.
  void TouchUnknown() {
    Touch(kEverything, Mode::kDelete);
    Touch(kEverything, Mode::kInsert);
    if (catalog_.puts_off()) AddAccess(trail_.put_off, {kEverything, 0, Mode::kKeyShare});
  }

  // Declared parameter types other than those that a key is compared as.
  void NoteParses() {
    static const std::set<uint32_t> kPlain = {0, 20, 21, 23, 25, 1043, 2950};
    for (const event::FrontendMessage& message : exchange_.messages) {
      if (message.type != wire::frontend::kParse) continue;
      const std::string payload = message.Payload();
      const auto parse = wire::ParseParse(base::AsBytes(payload));
      if (!parse) continue;
      const bool odd = std::any_of(parse->parameter_types.begin(), parse->parameter_types.end(),
                                   [](uint32_t type) { return !kPlain.contains(type); });
      if (!odd) {
        trail_.odd_types.erase(std::string(parse->name));
      } else if (trail_.odd_types.size() < kNamesMax) {
        trail_.odd_types.insert(std::string(parse->name));
      }
    }
  }

  // A server takes the snapshot of a transaction when it analyses or binds its first query.
  void PrepareOnly() {
    if (!trail_.open) return;
    for (const event::FrontendMessage& message : exchange_.messages) {
      if (message.type == wire::frontend::kBind) return TakeSnapshot();
      if (message.type != wire::frontend::kParse) continue;
      const std::string payload = message.Payload();
      const auto parse = wire::ParseParse(base::AsBytes(payload));
      if (!parse || parse->text.empty()) continue;
      switch (reader_.facts_.Get(std::string(parse->text), 0).kind) {
        case StatementKind::kSelect:
        case StatementKind::kInsert:
        case StatementKind::kUpdate:
        case StatementKind::kDelete:
        case StatementKind::kMerge:
          return TakeSnapshot();
        default:
          break;
      }
    }
  }

  Values ValuesOf(const event::Statement& statement) const {
    Values values;
    values.text = statement.text;
    if (statement.message >= exchange_.messages.size()) return values;
    const event::FrontendMessage& run = exchange_.messages[statement.message];
    if (run.type != wire::frontend::kExecute) return values;
    const std::string run_payload = run.Payload();
    const auto execute = wire::ParseExecute(base::AsBytes(run_payload));
    if (!execute) return values;
    for (size_t i = statement.message; i-- > 0;) {
      if (exchange_.messages[i].type != wire::frontend::kBind) continue;
      values.payload = std::make_unique<const std::string>(exchange_.messages[i].Payload());
      values.bind = wire::ParseBind(base::AsBytes(*values.payload));
      if (values.bind && values.bind->portal == execute->portal) {
        values.odd_types = trail_.odd_types.contains(std::string(values.bind->statement));
        return values;
      }
      values.bind.reset();
    }
    return values;
  }

  // Of a REPEATABLE READ or SERIALIZABLE transaction, all statements but the first go on with its
  // snapshot.
  void CountSnapshot(StatementKind kind) {
    const bool control = kind == StatementKind::kBegin || kind == StatementKind::kCommit ||
                         kind == StatementKind::kRollback || kind == StatementKind::kSavepoint;
    const bool had = trail_.open && trail_.takes_snapshot && trail_.snapshot_taken && !released_;
    if (!control && !had) ++snapshots_;
  }

  void ReadStatement(const event::Statement& statement, const StatementFacts& facts) {
    CountSnapshot(facts.kind);
    if (!KnownWhole(facts, statement.text)) return TouchUnknown();
    switch (facts.kind) {
      case StatementKind::kBegin:
        Begin(facts.pattern);
        return;
      case StatementKind::kCommit:
      case StatementKind::kRollback:
        End(facts);
        return;
      case StatementKind::kSavepoint:
        trail_.savepoints = true;
        // ROLLBACK TO lets go of what was locked since: more than that does no harm.
        released_ |= WordOf(facts.pattern, 0) == "rollback";
        return;
      case StatementKind::kDdl:
        Ddl(statement, facts);
        return;
      case StatementKind::kSession:
        Setting(statement, facts);
        return;
      case StatementKind::kOther:
        Other(facts);
        return;
      default:
        Query(statement, facts);
    }
  }

  // An error kept it from running: it began and ended nothing. Where a lane is spared the error it
  // does what it would have done.
  void Skipped(const event::Statement& statement) {
    if (statement.text.empty()) return;
    const StatementFacts& facts = reader_.facts_.Get(statement.text, statement.ordinal);
    switch (facts.kind) {
      case StatementKind::kSelect:
      case StatementKind::kInsert:
      case StatementKind::kUpdate:
      case StatementKind::kDelete:
      case StatementKind::kMerge:
        if (KnownWhole(facts, statement.text)) Query(statement, facts);
        break;
      default:
        break;
    }
  }

  // Where transactions begin and end by their statements alone.
  void NoteBoundary(const event::Statement& statement, const StatementFacts& facts) {
    const bool failed = statement.outcome.status == event::OutcomeStatus::kError;
    if (!KnownWhole(facts, statement.text)) {
      boundaries_known_ = false;
    } else if (facts.kind == StatementKind::kBegin) {
      trail_.begun |= !failed;
    } else if (IsEnd(facts.kind)) {
      trail_.begun =
          !failed && HoldsWord(facts.pattern, "chain") && !HoldsWord(facts.pattern, "no chain");
    }
  }

  // A transaction of which the BEGIN (or the end) is missing in the capture goes another way on
  // lanes: each of its statements commits by itself, or none does when the server said so.
  void CheckBoundary() {
    const bool open = exchange_.status == 'T' || exchange_.status == 'E';
    if (!boundaries_known_ || exchange_.statements.empty()) trail_.begun = open;
    trail_.torn |= trail_.begun != open;
    if (!trail_.torn) return;
    TouchUnknown();
    released_ = true;
    if (!open && !trail_.begun) trail_.torn = false;
  }

  void Begin(const std::string& text) {
    trail_.open = true;
    trail_.snapshot_taken = false;
    trail_.takes_snapshot =
        NamesSnapshotLevel(text) ||
        (!NamesPlainLevel(text) && (trail_.snapshot_default || catalog_.snapshots_by_default()));
    trail_.serializable =
        HoldsWord(text, "serializable") ||
        (trail_.takes_snapshot && !NamesSnapshotLevel(text) && trail_.serializable_default);
  }

  void End(const StatementFacts& facts) {
    if (facts.writes) {  // Two-phase commit: the locks outlive the session.
      barrier_ = true;
      return;
    }
    if (facts.kind == StatementKind::kCommit) CheckWhatWasPutOff();
    trail_.put_off.clear();
    released_ = true;
    // AND CHAIN opens the next one; "COMMIT; BEGIN" says so itself.
    if (HoldsWord(facts.pattern, "chain")) trail_.snapshot_taken = false;
  }

  void Ddl(const event::Statement& statement, const StatementFacts& facts) {
    if (facts.makes_temporary) return MakeTemporary(statement, facts);
    const std::string& text = facts.pattern;
    const std::string first = WordOf(text, 0);
    const bool drops = first == "drop" && WordOf(text, 1) == "table";
    const bool own = !facts.relations.empty() &&
                     std::all_of(facts.relations.begin(), facts.relations.end(),
                                 [&](const std::string& name) { return IsTemporary(name); });
    const bool drops_own = drops && IsTemporary(WordOf(text, WordOf(text, 2) == "if" ? 4 : 2));
    // The name stands for what the temporary table had hidden.
    if (drops) {
      std::erase_if(trail_.temporary, [&](const auto& name) { return HoldsWord(text, name); });
    }
    if (own || drops_own) return;
    if (statement.outcome.status != event::OutcomeStatus::kError) NoteRemade(facts);
    const bool empties =
        first == "truncate" && !HoldsWord(text, "cascade") && !HoldsWord(text, "restart");
    const bool concurrently = (first == "create" || first == "reindex") && facts.makes.empty() &&
                              HoldsWord(text, " concurrently ");
    if (empties || concurrently || first == "refresh") return TakeTables(facts);
    if (NamesLogins(text)) Touch(kLogins, Mode::kUpdate);
    barrier_ = true;
  }

  // All of each relation that it names; makes anew what is made of others.
  void TakeTables(const StatementFacts& facts) {
    if (facts.relations.empty()) barrier_ = true;
    for (const std::string& name : facts.relations) {
      if (IsTemporary(name)) continue;
      const Found found = Find(name);
      barrier_ = barrier_ || found.unknown || found.relations.empty();
      for (const RelationFacts* relation : found.relations) {
        barrier_ = barrier_ || (facts.kind == StatementKind::kDdl && relation->writing_unknown);
        if (relation->writing_reads) Touch(kEverything, Mode::kRead);
        for (const ObjectId object : relation->made_of) Touch(object, Mode::kRead);
        for (const ObjectId object : relation->reads) Touch(object, Mode::kTable);
      }
    }
    takes_tables_ = true;
  }

  // From now on the catalog may be wrong about it.
  void NoteRemade(const StatementFacts& facts) {
    const std::string& text = facts.pattern;
    // What is new nothing calls that was there before.
    const std::string function = FunctionMade(text);
    const auto [schema, bare] = SplitName(function);
    if (schema != "pg_temp" && catalog_.HasFunction(std::string(bare))) {
      reader_.remade_functions_.emplace(bare);
    }
    if (!MayAddHazards(facts)) return;
    // A new relation changes others only as a part of them.
    const bool alone =
        !facts.makes.empty() && !HoldsWord(text, "partition of") && !HoldsWord(text, "inherits");
    if (alone) {
      Remade(facts.makes);
    } else {
      for (const std::string& name : facts.relations) Remade(name);
    }
    constexpr std::string_view kRenames = "rename to ";
    const size_t rename = base::LowerAscii(text).find(kRenames);
    if (rename != std::string::npos) Remade(WordOf(text.substr(rename + kRenames.size()), 0));
  }

  void Remade(const std::string& name) {
    const auto [schema, bare] = SplitName(name);
    reader_.remade_.insert(std::string(bare));
    for (const RelationFacts* relation : catalog_.Find(schema, bare).relations) {
      reader_.remade_objects_.insert(relation->object);
    }
  }

  // The function or procedure that it makes or changes, in lower case; empty: none.
  static std::string FunctionMade(const std::string& text) {
    const std::string first = WordOf(text, 0);
    if (first != "create" && first != "alter") return {};
    const size_t at = WordOf(text, 1) == "or" ? 3 : 1;  // OR REPLACE.
    const std::string what = WordOf(text, at);
    if (what != "function" && what != "procedure" && what != "routine") return {};
    return WordOf(text, at + 1);
  }

  // Triggers, rules, policies, keys, defaults that call functions, parts: they may be among it. Not
  // in a new column, or an index that is not unique.
  bool MayAddHazards(const StatementFacts& facts) const {
    const std::string& text = facts.pattern;
    const std::string first = WordOf(text, 0);
    if (first == "create") return WordOf(text, 1) != "index";
    if (first != "alter") return false;
    const bool calls = std::any_of(
        facts.functions.begin(), facts.functions.end(),
        [&](const std::string& name) { return ClassOf(name) != FunctionClass::kHarmless; });
    constexpr std::array<std::string_view, 13> kHazards = {
        "add constraint", "unique",  "primary key", "foreign key", "references",
        "exclude",        "enable",  "generated",   "identity",    "serial",
        "attach",         "inherit", "rename"};
    return calls || std::any_of(kHazards.begin(), kHazards.end(),
                                [&](std::string_view hazard) { return HoldsWord(text, hazard); });
  }

  FunctionClass ClassOf(const std::string& function) const {
    return reader_.remade_functions_.contains(function) ? FunctionClass::kWrites
                                                        : catalog_.ClassOf(function);
  }

  // DDL of the traffic may have changed what the catalog says of it.
  bool IsRemade(const RelationFacts& relation) const {
    if (relation.calls_functions && !reader_.remade_functions_.empty()) return true;
    const std::set<ObjectId>& remade = reader_.remade_objects_;
    return !remade.empty() &&
           (remade.contains(relation.object) ||
            std::any_of(relation.reads.begin(), relation.reads.end(),
                        [&](ObjectId object) { return remade.contains(object); }));
  }

  // It only reads what others see.
  void MakeTemporary(const event::Statement& statement, const StatementFacts& facts) {
    if (HoldsWord(facts.pattern, "execute")) return TouchUnknown();  // CREATE TABLE AS EXECUTE.
    Functions(statement.text, facts, ValuesOf(statement));
    for (const std::string& name : facts.relations) {
      if (name != facts.makes) ReadRelation(Find(name), 0);
    }
    Lock(reader_.sites_.Get(statement.text, statement.ordinal), facts, ValuesOf(statement));
    TakeSnapshot();
    const bool view = HoldsWord(facts.pattern.substr(0, facts.pattern.find(" as ")), "view");
    std::set<std::string>& names = view ? trail_.temporary_views : trail_.temporary;
    if (names.size() < kNamesMax) names.insert(std::string(SplitName(facts.makes).second));
  }

  // A transaction that made it may have been rolled back since, or ON COMMIT DROP: what the name
  // also stands for counts as well.
  bool IsTemporary(const std::string& name) const {
    const auto [schema, bare] = SplitName(name);
    if (schema == "pg_temp") return true;
    return schema.empty() && trail_.temporary.contains(name) && !catalog_.Find({}, name).known;
  }

  void Setting(const event::Statement& statement, const StatementFacts& facts) {
    const std::string word = WordOf(facts.pattern, 0);
    if (word == "set") NoteIdleLimit(statement.text, trail_.idle_limit_us);
    if (word == "set" && NamesSnapshotLevel(statement.text)) {  // A value: not in the pattern.
      const bool session = HoldsWord(facts.pattern, "default_transaction_isolation") ||
                           HoldsWord(facts.pattern, "session characteristics");
      (session ? trail_.snapshot_default : trail_.takes_snapshot) = true;
      (session ? trail_.serializable_default : trail_.serializable) =
          HoldsWord(statement.text, "serializable");
    } else if (word == "set" && WordOf(facts.pattern, 1) == "constraints") {
      CheckWhatWasPutOff();
    } else if (word == "prepare") {
      if (trail_.prepared.size() < kNamesMax) {
        trail_.prepared[WordOf(facts.pattern, 1)] = {statement.text, statement.ordinal};
      }
    } else if (word == "listen" || word == "unlisten") {
      Touch(kNotifications, Mode::kUpdate);
      trail_.listens |= word == "listen";
    } else if (word == "declare") {
      Declare(statement, facts);
    } else if (word == "discard") {
      trail_.temporary.clear();
      trail_.temporary_views.clear();
      trail_.prepared.clear();
    }
  }

  // A cursor's snapshot is taken now; what it locks, it locks when it is fetched from.
  void Declare(const event::Statement& statement, const StatementFacts& facts) {
    const size_t before = touches_.size();
    Query(statement, facts);
    for (size_t i = before; i < touches_.size(); ++i) {
      if (touches_[i].mode != Mode::kRead) AddAccess(trail_.cursors, touches_[i]);
    }
  }

  void Other(const StatementFacts& facts) {
    const std::string word = WordOf(facts.pattern, 0);
    if (word == "notify") {
      Touch(kNotifications, Mode::kUpdate);
    } else if (word == "execute" && facts.parsed) {
      const auto prepared = trail_.prepared.find(WordOf(facts.pattern, 1));
      if (prepared == trail_.prepared.end()) return TouchUnknown();
      event::Statement inner;
      inner.text = prepared->second.first;
      inner.ordinal = prepared->second.second;
      Values values;  // Those of its parameters are not at hand.
      values.text = inner.text;
      // Ends the validity of `facts`, which nobody reads any more.
      ReadText(inner, reader_.facts_.Get(inner.text, inner.ordinal), values);
    } else if (word == "lock" || (word == "vacuum" && HoldsWord(facts.pattern, "full"))) {
      TakeTables(facts);
    } else if (word != "vacuum" && word != "analyze" && word != "checkpoint") {
      TouchUnknown();
    }
  }

  void Query(const event::Statement& statement, const StatementFacts& facts) {
    reads_once_ = facts.parsed && facts.kind == StatementKind::kSelect &&
                  !(trail_.open && trail_.takes_snapshot);
    if (!facts.parsed) {
      if (facts.writes) TouchUnknown();
      Touch(kEverything, Mode::kRead);
      return;
    }
    if (facts.makes_temporary) return MakeTemporary(statement, facts);
    if (!facts.makes.empty()) {
      barrier_ = true;
      return;
    }
    for (const Access& access : trail_.cursors) {
      if (facts.relations.empty()) AddAccess(touches_, access);  // FETCH.
    }
    ReadText(statement, facts, ValuesOf(statement));
  }

  void ReadText(const event::Statement& statement, const StatementFacts& facts,
                const Values& values) {
    Functions(statement.text, facts, values);
    const StatementSites& sites = reader_.sites_.Get(statement.text, statement.ordinal);
    const bool listed =
        sites.known || (!sites.reads.empty() || !sites.writes.empty() || !sites.row_locks.empty());
    if (!listed && !facts.relations.empty()) {  // A form that value_sites does not take apart.
      if (facts.writes) return TouchUnknown();
      for (const std::string& name : facts.relations) ReadRelation(Find(name), 0);
      return TakeSnapshot();
    }
    for (const std::string& name : sites.reads) {
      const Found found = Find(name);
      ReadRelation(found, KeyOf(sites, found, name, values).hash);
    }
    Lock(sites, facts, values);
    for (const std::string& name : sites.writes) WriteRelation(name, sites, facts, values);
    TakeSnapshot();
  }

  // FOR UPDATE and its like.
  void Lock(const StatementSites& sites, const StatementFacts& facts, const Values& values) {
    for (const event::LockedRelation& locked : sites.row_locks) {
      const Found found = Find(locked.relation);
      if (found.unknown) return TouchUnknown();
      const RowKey key = KeyOf(sites, found, locked.relation, values);
      for (const RelationFacts* relation : found.relations) {
        for (const ObjectId object : relation->reads) {
          TouchRow(object, ModeOf(locked.strength), key);
          if (facts.skips_locked) result_.queues.push_back(object);
        }
      }
    }
  }

  void TakeSnapshot() {
    const bool single =
        !trail_.open && (trail_.snapshot_default || catalog_.snapshots_by_default());
    if (!(trail_.open && trail_.takes_snapshot) && !single) return;
    if (std::exchange(trail_.snapshot_taken, true)) return;
    Touch(kEverything, Mode::kRead);
    takes_snapshot_ = trail_.open;
  }

  struct Found {
    bool unknown = false;
    std::vector<const RelationFacts*> relations;
  };
  Found Find(const std::string& name) const {
    Found found;
    if (IsTemporary(name)) return found;
    const auto [schema, bare] = SplitName(name);
    if (schema.empty() && trail_.temporary_views.contains(name)) {
      found.unknown = true;
      return found;
    }
    RelationCatalog::Found known = catalog_.Find(schema, bare);
    found.unknown = !known.known || reader_.remade_.contains(bare);
    found.relations = std::move(known.relations);
    for (const RelationFacts* relation : found.relations) found.unknown |= IsRemade(*relation);
    return found;
  }

  // Empty unless the statement touches only rows with that one value of the relation's key.
  static RowKey KeyOf(const StatementSites& sites, const RelationFacts& relation,
                      const std::string& name, const Values& values) {
    if (relation.key_column.empty()) return {};
    for (const ValueSite& site : sites.sites) {
      if (!site.conjunct || site.relation != name || site.column != relation.key_column) continue;
      const RowKey key = values.KeyOf(site, relation);
      if (key.hash != 0) return key;
    }
    return {};
  }
  static RowKey KeyOf(const StatementSites& sites, const Found& found, const std::string& name,
                      const Values& values) {
    return found.relations.size() == 1 ? KeyOf(sites, *found.relations.front(), name, values)
                                       : RowKey();
  }

  void ReadRelation(const Found& found, uint64_t key) {
    if (found.unknown) Touch(kEverything, Mode::kRead);
    for (const RelationFacts* relation : found.relations) {
      if (relation->reading_writes) TouchUnknown();
      if (relation->reads_unknown) Touch(kEverything, Mode::kRead);
      for (const ObjectId object : relation->reads) Touch(object, Mode::kRead, key);
    }
  }

  void WriteRelation(const std::string& name, const StatementSites& sites,
                     const StatementFacts& facts, const Values& values) {
    const Found found = Find(name);
    if (found.unknown) return TouchUnknown();
    for (const RelationFacts* relation : found.relations) {
      PutOff(*relation);
      if (relation->writing_unknown || relation->reading_writes) return TouchUnknown();
      if (relation->reads_unknown || relation->writing_reads) Touch(kEverything, Mode::kRead);
      const bool itself = relation->reads == std::vector<ObjectId>{relation->object};
      const bool single = sites.writes.size() == 1 && itself;
      for (const ObjectId parent : relation->parents) Touch(parent, Mode::kKeyShare);
      if (single &&
          (facts.kind == StatementKind::kInsert || facts.kind == StatementKind::kCopyIn)) {
        Insert(*relation, sites, name, values);
      } else if (single && facts.kind == StatementKind::kUpdate) {
        Update(*relation, sites, KeyOf(sites, *relation, name, values));
      } else if (single && facts.kind == StatementKind::kDelete) {
        Delete(*relation, KeyOf(sites, *relation, name, values));
      } else {  // Through a view, MERGE, several at once.
        for (const ObjectId object : relation->reads) {
          Touch(object, Mode::kDelete);
          Touch(object, Mode::kInsert);
        }
        Draw(*relation, nullptr);
        Delete(*relation, {});
      }
    }
  }

  // Its checks may look at others only when the transaction commits.
  void PutOff(const RelationFacts& relation) {
    std::vector<Access>& later = trail_.put_off;
    for (const ObjectId object : relation.put_off) AddAccess(later, {object, 0, Mode::kKeyShare});
    if (relation.put_off_calls == FunctionClass::kReads)
      AddAccess(later, {kEverything, 0, Mode::kRead});
    if (relation.put_off_calls == FunctionClass::kWrites) {
      AddAccess(later, {kEverything, 0, Mode::kDelete});
      AddAccess(later, {kEverything, 0, Mode::kInsert});
    }
  }
  void CheckWhatWasPutOff() {
    for (const Access& access : trail_.put_off) AddAccess(touches_, access);
  }

  void Insert(const RelationFacts& relation, const StatementSites& sites, const std::string& name,
              const Values& values) {
    if (relation.unique) {
      for (const uint64_t key : NewKeys(relation, sites, name, values)) {
        Touch(relation.object, Mode::kInsert, key);
      }
    } else {
      Touch(relation.object, Mode::kAppend);
    }
    if (sites.insert && sites.insert->on_conflict) Touch(relation.object, Mode::kUpdate);
    Draw(relation, sites.insert ? &*sites.insert : nullptr);
  }

  // Those of the rows that it inserts; 0 where one of them is not known.
  static std::vector<uint64_t> NewKeys(const RelationFacts& relation, const StatementSites& sites,
                                       const std::string& name, const Values& values) {
    constexpr uint32_t kKeysMax = 16;
    const std::vector<uint64_t> any = {0};
    if (relation.key_column.empty() || relation.meets_otherwise || !sites.insert) return any;
    const uint32_t rows = sites.insert->values_rows;
    if (rows == 0 || rows > kKeysMax) return any;
    const std::string place = "#" + std::to_string(relation.key_position);
    std::vector<uint64_t> keys;
    for (const ValueSite& site : sites.sites) {
      if (site.role != ValueSite::Role::kStored || site.relation != name) continue;
      if (site.column != relation.key_column && site.column != place) continue;
      keys.push_back(values.KeyOf(site, relation).hash);
    }
    return keys.size() == rows ? keys : any;
  }

  // Sequences that defaults draw from. `insert`: what is known of the columns given.
  void Draw(const RelationFacts& relation, const event::InsertShape* insert) {
    for (const auto& [column, sequences] : relation.draws) {
      const auto names = [&](const std::vector<std::string>& list) {
        return std::find(list.begin(), list.end(), column) != list.end();
      };
      const bool given = insert != nullptr && !insert->columns.empty() && names(insert->columns) &&
                         !names(insert->defaults);
      if (given) continue;
      for (const uint64_t sequence : sequences) Touch(kSequences, Mode::kUpdate, sequence);
    }
  }

  void Update(const RelationFacts& relation, const StatementSites& sites, const RowKey& key) {
    const bool guarded =
        std::any_of(sites.set_columns.begin(), sites.set_columns.end(),
                    [&](const std::string& column) { return relation.guarded.contains(column); });
    if (!guarded) return TouchRow(relation.object, Mode::kUpdate, key);
    Touch(relation.object, Mode::kInsert);
    Delete(relation, {});
  }

  void Delete(const RelationFacts& relation, const RowKey& key) {
    TouchRow(relation.object, Mode::kDelete, key);
    for (const ObjectId object : relation.cascades) {
      if (reader_.remade_objects_.contains(object)) TouchUnknown();
      Touch(object, Mode::kDelete);
    }
    for (const ObjectId object : relation.referring) Touch(object, Mode::kRead);
  }

  // set_config(), whose values may stand in the text or come with it.
  void Configure(std::string_view text) {
    constexpr std::string_view kLevel = "transaction_isolation";
    NoteIdleLimit(text, trail_.idle_limit_us);
    if (!HoldsWord(text, kLevel) || !NamesSnapshotLevel(text)) return;
    const bool serializable = HoldsWord(text, "serializable");
    const bool session = HoldsWord(text, "default_transaction_isolation");
    (session ? trail_.snapshot_default : trail_.takes_snapshot) = true;
    (session ? trail_.serializable_default : trail_.serializable) = serializable;
  }

  void Functions(const std::string& text, const StatementFacts& facts, const Values& values) {
    for (const std::string& name : facts.functions) {
      if (name == "set_config") Configure(text + (values.payload ? *values.payload : ""));
      if (name == "nextval" || name == "setval") {
        Touch(kSequences, Mode::kUpdate);
      } else if (name.starts_with("pg_advisory") || name.starts_with("pg_try_advisory")) {
        Touch(kAdvisoryLocks, Mode::kUpdate);
        unlocks_ |= name.starts_with("pg_advisory_unlock");
        trail_.session_locks |= name.find("_xact_") == std::string::npos;
      } else if (name == "pg_notify") {
        Touch(kNotifications, Mode::kUpdate);
      } else if (name.starts_with("lo_") || name == "loread" || name == "lowrite") {
        Touch(kLargeObjects, Mode::kUpdate);
      } else if (ClassOf(name) == FunctionClass::kWrites) {
        TouchUnknown();
      } else if (ClassOf(name) == FunctionClass::kReads) {
        Touch(kEverything, Mode::kRead);
      }
    }
    for (const std::string& name : catalog_.writing_operators()) {
      if (text.find(name) != std::string::npos) TouchUnknown();
    }
  }

  // What the end of the exchange means for its transaction.
  void Finish(Footprint& footprint) {
    const uint8_t status = exchange_.status;
    const bool over = status == 'I' || status == 0;
    if (over) {
      CheckWhatWasPutOff();
      trail_.put_off.clear();
    }
    result_.serializable = trail_.serializable;
    const bool fails = status == 'E' && !std::exchange(trail_.failed, status == 'E');
    if (!over) trail_.failed = status == 'E';
    footprint.barrier = barrier_;
    const std::vector<Access> kept =
        FoundNoRow(exchange_, touches_) ? std::vector<Access>() : touches_;
    if (over || fails || released_) {
      // At an error the locks go at once, not with the ROLLBACK that follows.
      footprint.releases = trail_.held;
      Hold(footprint.releases, kept);
    }
    if (unlocks_) AddAccess(footprint.releases, {kAdvisoryLocks, 0, Mode::kUpdate});
    // A lane on which it did not fail may commit it yet.
    if (over) trail_.held.clear();
    if (!over) Hold(trail_.held, kept);
    // Whoever found in production what DDL has changed comes behind its COMMIT.
    if (status == 'T' && barrier_) Hold(trail_.held, {{kEverything, 0, Mode::kTable}});
    trail_.open = !over;
    trail_.table_locks = status == 'T' && (trail_.table_locks || barrier_ || takes_tables_);
    if (!over) return;
    trail_.savepoints = trail_.failed = trail_.takes_snapshot = trail_.snapshot_taken = false;
    trail_.serializable = false;
    trail_.cursors.clear();
  }

  FootprintReader& reader_;
  const RelationCatalog& catalog_;
  const event::Exchange& exchange_;
  SessionTrail& trail_;
  ExchangeFacts result_;
  std::vector<Access> touches_;
  bool boundaries_known_ = true;  // See NoteBoundary.
  bool unlocks_ = false;          // Advisory locks of the session.
  bool barrier_ = false;
  bool takes_tables_ = false;
  bool takes_snapshot_ = false;
  bool reads_once_ = false;  // The last of its statements.
  size_t snapshots_ = 0;     // That its statements take, at most.
  bool released_ = false;    // A transaction, or a part of one, ended inside.
};

namespace {

bool Overlap(const Access& a, const Access& b) {
  if (a.object == kEverything || b.object == kEverything) return true;
  return a.object == b.object && (a.key == 0 || b.key == 0 || a.key == b.key);
}

bool Holds(const SessionTrail& trail, const Footprint& footprint) {
  if (trail.table_locks || (footprint.barrier && trail.open)) return true;
  return std::any_of(footprint.touches.begin(), footprint.touches.end(), [&](const Access& touch) {
    if (touch.mode == Mode::kRead) return false;
    if (touch.object == kAdvisoryLocks && trail.session_locks) return true;
    return std::any_of(trail.held.begin(), trail.held.end(),
                       [&](const Access& held) { return Overlap(touch, held); });
  });
}

}  // namespace

bool HeldByOthers(uint64_t session, const Footprint& footprint,
                  const std::unordered_map<uint64_t, SessionTrail>& trails) {
  return std::any_of(trails.begin(), trails.end(), [&](const auto& other) {
    return other.first != session && Holds(other.second, footprint);
  });
}

ExchangeFacts FootprintReader::Read(const event::Exchange& exchange, SessionTrail& trail) {
  return Reading(*this, exchange, trail).Read();
}

void FootprintReader::AddCatalog(const std::string& database, RelationCatalog catalog) {
  objects_end_ = catalog.end();
  others_.try_emplace(database, std::move(catalog));
}

void FootprintReader::Start(const event::SessionStart& start, SessionTrail& trail,
                            const std::string& database) const {
  const auto other = others_.find(database);
  if (other != others_.end()) trail.catalog = &other->second;
  const auto note = [&](std::string_view value) {
    trail.snapshot_default |= NamesSnapshotLevel(value);
    trail.serializable_default |= HoldsWord(value, "serializable");
  };
  for (const auto& [name, value] : start.parameters) {
    NoteIdleLimit(name + "=" + value, trail.idle_limit_us);
    if (name != "options") {
      note(value);
      continue;
    }
    for (const std::string& option : pg::SplitOptions(value)) note(option);
  }
}

bool FootprintReader::ChangesLogins(const Footprint& footprint) {
  const auto changes = [](const Access& access) {
    return access.object == kLogins && access.mode != Mode::kRead;
  };
  return std::any_of(footprint.touches.begin(), footprint.touches.end(), changes) ||
         std::any_of(footprint.releases.begin(), footprint.releases.end(), changes);
}

Footprint FootprintReader::End(const SessionTrail& trail) {
  Footprint footprint;
  footprint.releases = trail.held;
  if (trail.session_locks) AddAccess(footprint.releases, {kAdvisoryLocks, 0, Mode::kUpdate});
  return footprint;
}

}  // namespace scry::replay
