#include "replay/sequence_states.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

namespace scry::replay {
namespace {

// Each takes a lock until its command ends, and the server's lock table has limits.
constexpr size_t kAtOnce = 100;

constexpr const char* kSequences = R"(
SELECT n.nspname, c.relname, s.seqincrement, s.seqmin, s.seqmax
FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relpersistence <> 't')";

int64_t Number(const std::optional<std::string>& text) {
  int64_t number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

using Name = std::pair<std::string, std::string>;  // Schema and name.
using Sequences = std::map<Name, LaneSequence>;

// How far along it is, in its direction.
std::pair<int64_t, bool> Place(int64_t last_value, bool is_called, bool descending) {
  // ~: the order of all values the other way round, without the overflow of a minus.
  return {descending ? ~last_value : last_value, is_called};
}

std::string SqlName(const pg::AdminSession& lane, const Name& name) {
  return lane.QuoteName(name.first) + "." + lane.QuoteName(name.second);
}

// Runs `each` over parts of `names`.
template <typename Each>
base::Status InParts(const std::vector<Name>& names, Each each) {
  for (size_t from = 0; from < names.size(); from += kAtOnce) {
    const size_t to = std::min(names.size(), from + kAtOnce);
    SCRY_TRY(each(from, to));
  }
  return {};
}

// Of those that the snapshot knows, the states on one lane.
base::Result<Sequences> ReadLane(pg::AdminSession& lane, const std::set<Name>& wanted) {
  SCRY_TRY_ASSIGN(const pg::Rows rows, lane.Exec(kSequences));
  Sequences found;
  std::vector<Name> names;
  for (const auto& row : rows.rows) {
    Name name(row.at(0).value_or(""), row.at(1).value_or(""));
    if (!wanted.contains(name)) continue;
    LaneSequence& sequence = found[name];
    sequence.increment = Number(row.at(2));
    sequence.min = Number(row.at(3));
    sequence.max = Number(row.at(4));
    names.push_back(std::move(name));
  }
  const base::Status read = InParts(names, [&](size_t from, size_t to) -> base::Status {
    std::string sql;
    for (size_t i = from; i < to; ++i) {
      sql += fmt::format("{}SELECT {}, last_value, is_called FROM {}",
                         i == from ? "" : " UNION ALL ", i, SqlName(lane, names[i]));
    }
    SCRY_TRY_ASSIGN(const pg::Rows states, lane.Exec(sql));
    for (const auto& row : states.rows) {
      const auto index = static_cast<size_t>(Number(row.at(0)));
      if (index >= names.size()) continue;
      LaneSequence& sequence = found[names[index]];
      sequence.last_value = Number(row.at(1));
      sequence.is_called = row.at(2).value_or("") == "t";
    }
    return {};
  });
  if (!read.ok()) return read.error();
  return found;
}

class Setter {
 public:
  Setter(const std::vector<pg::AdminSession*>& lanes, const event::SourceSnapshot& snapshot)
      : lanes_(lanes), snapshot_(snapshot) {}

  base::Result<SequenceReport> Set() {
    std::set<Name> wanted;
    for (const event::SequenceState& sequence : snapshot_.sequences) {
      if (sequence.last_value) wanted.emplace(sequence.schema, sequence.name);
    }
    for (pg::AdminSession* lane : lanes_) {
      SCRY_TRY_ASSIGN(Sequences states, ReadLane(*lane, wanted));
      states_.push_back(std::move(states));
    }
    for (size_t lane = 0; lane < lanes_.size(); ++lane) {
      SCRY_TRY(lanes_[lane]->Exec("SET default_transaction_read_only = off"));  // As the source's.
      SCRY_TRY(SetLane(lane));
    }
    return Count();
  }

 private:
  base::Status SetLane(size_t lane) {
    std::vector<Name> names;
    std::map<Name, std::string> calls;
    for (const event::SequenceState& sequence : snapshot_.sequences) {
      const Name name(sequence.schema, sequence.name);
      const auto here = states_[lane].find(name);
      const auto baseline = states_[0].find(name);
      if (here == states_[lane].end() || baseline == states_[0].end()) continue;
      const SequenceStep step = StepFor(sequence, baseline->second, here->second);
      Note(name, step);
      if (step != SequenceStep::kSet) continue;
      names.push_back(name);
      calls[name] = fmt::format("pg_catalog.setval({}::pg_catalog.regclass, {}, {})",
                                lanes_[lane]->Quote(SqlName(*lanes_[lane], name)),
                                *sequence.last_value, sequence.is_called);
    }
    const auto run = [&](size_t from, size_t to) {
      std::string sql = "SELECT ";
      for (size_t i = from; i < to; ++i) sql += (i == from ? "" : ", ") + calls[names[i]];
      return lanes_[lane]->Exec(sql);
    };
    return InParts(names, [&](size_t from, size_t to) -> base::Status {
      if (run(from, to).ok()) return {};
      // One of them refused, and took the others with it.
      for (size_t i = from; i < to; ++i) {
        if (!run(i, i + 1).ok()) Note(names[i], SequenceStep::kRefused);
      }
      SCRY_TRY(lanes_[lane]->Exec("SELECT 1"));  // Or did its server end?
      return {};
    });
  }

  void Note(const Name& name, SequenceStep step) { steps_[name].insert(step); }

  SequenceReport Count() const {
    SequenceReport report;
    for (const event::SequenceState& sequence : snapshot_.sequences) {
      if (!sequence.last_value) {
        ++report.unreadable;
        continue;
      }
      const auto found = steps_.find(Name(sequence.schema, sequence.name));
      if (found == steps_.end()) {
        ++report.missing;
        continue;
      }
      const auto has = [&](SequenceStep step) { return found->second.contains(step) ? 1U : 0U; };
      report.set += has(SequenceStep::kSet);
      report.ahead += has(SequenceStep::kAhead);
      report.migrated += has(SequenceStep::kMigrated);
      if (has(SequenceStep::kMigrated) != 0) report.moved.push_back(found->first);
      report.refused += has(SequenceStep::kRefused);
    }
    return report;
  }

  const std::vector<pg::AdminSession*>& lanes_;
  const event::SourceSnapshot& snapshot_;
  std::vector<Sequences> states_;  // By lane.
  std::map<Name, std::set<SequenceStep>> steps_;
};

}  // namespace

SequenceStep StepFor(const event::SequenceState& captured, const LaneSequence& baseline,
                     const LaneSequence& lane) {
  const bool descending = captured.increment < 0;
  if ((lane.increment < 0) != descending || (baseline.increment < 0) != descending) {
    return SequenceStep::kMigrated;
  }
  const int64_t last_value = captured.last_value.value_or(0);
  const auto wanted = Place(last_value, captured.is_called, descending);
  const auto here = Place(lane.last_value, lane.is_called, descending);
  const auto before = Place(baseline.last_value, baseline.is_called, descending);
  if (here == wanted) return SequenceStep::kSame;
  if (here > wanted) return before > wanted ? SequenceStep::kAhead : SequenceStep::kMigrated;
  if (here < before) return SequenceStep::kMigrated;
  const bool fits = last_value >= lane.min && last_value <= lane.max;
  return fits ? SequenceStep::kSet : SequenceStep::kRefused;
}

base::Result<SequenceReport> SetSequences(const std::vector<pg::AdminSession*>& lanes,
                                          const event::SourceSnapshot& snapshot) {
  if (snapshot.sequences.empty() || lanes.empty()) return SequenceReport();
  return Setter(lanes, snapshot).Set();
}

std::vector<std::string> SequenceReport::Notes() const {
  const auto of = [](uint64_t count, std::string_view one, std::string_view many) {
    return fmt::format("{} sequence{} {}", count, count == 1 ? "" : "s", count == 1 ? one : many);
  };
  std::vector<std::string> notes;
  const auto add = [&](uint64_t count, std::string_view one, std::string_view many,
                       std::string_view rest) {
    if (count > 0) notes.push_back(of(count, one, many) + std::string(rest));
  };
  add(set, "was", "were", " set to where the source's stood when the capture began.");
  add(ahead, "of the shadow is", "of the shadow are",
      " ahead of the capture and stayed there: the shadow is newer than the capture.");
  add(migrated, "was", "were", " moved by the migration and stayed where it put them.");
  add(refused, "took", "took", " no state of the capture.");
  add(missing, "of the source is", "of the source are", " not in the shadow.");
  add(unreadable, "of the source", "of the source",
      " could not be read by the capture; GRANT SELECT ON SEQUENCE ... to the role of --upstream "
      "mends it.");
  return notes;
}

}  // namespace scry::replay
