#include "job/split_migration.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/letter_case.h"
#include "event/parse_tree.h"
#include "event/take_away.h"

namespace scry::job {
namespace {

using event::StatementKind;
using migration::RecordedStatement;
using Rewrites = std::map<size_t, std::vector<std::string>>;

// What is over with its transaction, and of use behind it.
bool NeedsItsTransaction(const std::string& sql) {
  constexpr std::array<std::string_view, 4> kBeginnings = {"LOCK ", "DECLARE ", "SET CONSTRAINTS ",
                                                           "SET TRANSACTION "};
  constexpr std::array<std::string_view, 3> kWords = {" ON COMMIT ", "_XACT_LOCK", "SET_CONFIG("};
  const std::string upper = base::UpperAscii(sql);
  return std::any_of(kBeginnings.begin(), kBeginnings.end(),
                     [&](auto words) { return upper.starts_with(words); }) ||
         std::any_of(kWords.begin(), kWords.end(),
                     [&](auto words) { return upper.find(words) != std::string::npos; });
}

constexpr std::string_view kSetLocal = "SET LOCAL ";

bool IsLocalSetting(const std::string& sql) { return base::UpperAscii(sql).starts_with(kSetLocal); }

// "statement_timeout" of a SET of it, as the server folds it. Empty: it is no such statement.
std::string SettingOf(const std::string& sql) {
  if (!base::UpperAscii(sql).starts_with("SET ")) return {};
  const auto parsed = event::tree::Parse(sql);
  if (!parsed) return {};
  const auto& statements = event::tree::List(*parsed, "stmts");
  const auto* statement = statements.empty() ? nullptr : event::tree::Find(statements[0], "stmt");
  const auto* set =
      statement == nullptr ? nullptr : event::tree::Find(*statement, "VariableSetStmt");
  return set == nullptr ? std::string() : base::LowerAscii(event::tree::Text(*set, "name"));
}

class Splitter {
 public:
  Splitter(const std::vector<RecordedStatement>& script, const Rewrites& rewrites)
      : script_(script), rewrites_(rewrites) {}

  std::optional<SplitMigration> Run() {
    for (size_t i = 0; i < script_.size();) {
      const size_t end = TransactionAround(script_, i).second;
      if (!IsRewritten(i, end)) {
        for (size_t at = i; at < end; ++at) split_.script.push_back(script_[at].sql);
      } else if (script_[i].kind != StatementKind::kBegin) {
        Say(rewrites_.at(i));
      } else if (!Split(i, end)) {
        return std::nullopt;
      }
      i = end;
    }
    return std::move(split_);
  }

 private:
  bool IsRewritten(size_t from, size_t to) const {
    const auto next = rewrites_.lower_bound(from);
    return next != rewrites_.end() && next->first < to;
  }

  // Behind what takes something away nothing may stand that may put it back: others would see that
  // it is gone until then.
  bool StaysWhole(size_t from, size_t to) const {
    uint32_t taken = 0;
    for (size_t i = from + 1; i + 1 < to; ++i) {
      const std::string& sql = script_[i].sql;
      if (NeedsItsTransaction(sql)) return true;
      if (IsLocalSetting(sql)) continue;
      if ((taken & event::PutsBack(sql)) != 0) return true;
      taken |= event::TakesAway(sql);
    }
    return false;
  }

  bool Split(size_t from, size_t to) {
    if (StaysWhole(from, to)) return false;
    std::vector<std::string> settings;  // Of the transaction so far.
    std::vector<std::string> part;
    size_t parts = 0;
    const auto close = [&] {
      const bool idle = std::all_of(part.begin(), part.end(), IsLocalSetting);
      if (!idle) {
        Say({script_[from].sql});
        Say(settings);
        Say(part);
        Say({script_[to - 1].sql});
        ++parts;
      }
      std::copy_if(part.begin(), part.end(), std::back_inserter(settings), IsLocalSetting);
      part.clear();
    };
    for (size_t i = from + 1; i + 1 < to; ++i) {
      const auto rewrite = rewrites_.find(i);
      if (rewrite == rewrites_.end()) {
        part.push_back(script_[i].sql);
        continue;
      }
      close();
      for (const std::string& sql : rewrite->second) {
        SayUnder(settings, sql, script_[from].sql, script_[to - 1].sql);
      }
      if (unsure_) return false;
      ++parts;
    }
    close();
    split_.splits = split_.splits || parts > 1;
    return true;
  }

  // Settings of the transaction are to hold for what comes out of it. What runs in none gets them
  // for its session meanwhile; but for lock_timeout, which would end CONCURRENTLY's waits for
  // transactions that are older, and leave an invalid index.
  void SayUnder(const std::vector<std::string>& settings, const std::string& sql,
                const std::string& begin, const std::string& commit) {
    const bool alone = base::UpperAscii(sql).find(" CONCURRENTLY ") != std::string::npos;
    if (alone) {
      SayAlone(settings, sql);
      return;
    }
    if (settings.empty()) {
      Say({sql});
      return;
    }
    Say({begin});
    Say(settings);
    Say({sql, commit});
  }

  void SayAlone(const std::vector<std::string>& settings, const std::string& sql) {
    std::vector<std::string> resets;
    for (const std::string& setting : settings) {
      const std::string name = SettingOf(setting);
      if (name == "lock_timeout") continue;
      unsure_ = unsure_ || name.empty() || IsSetElsewhere(name);
      Say({"SET " + setting.substr(kSetLocal.size())});
      resets.insert(resets.begin(), "RESET " + name);
    }
    Say({sql});
    Say(resets);
  }

  // RESET would not bring back what the session itself had set.
  bool IsSetElsewhere(const std::string& name) const {
    return std::any_of(script_.begin(), script_.end(), [&](const RecordedStatement& one) {
      return !IsLocalSetting(one.sql) && SettingOf(one.sql) == name;
    });
  }

  void Say(const std::vector<std::string>& statements) {
    split_.script.insert(split_.script.end(), statements.begin(), statements.end());
    split_.changed.insert(split_.changed.end(), statements.begin(), statements.end());
  }

  const std::vector<RecordedStatement>& script_;
  const Rewrites& rewrites_;
  SplitMigration split_;
  bool unsure_ = false;  // A setting of a transaction cannot be given to what runs outside of it.
};

}  // namespace

std::pair<size_t, size_t> TransactionAround(const std::vector<RecordedStatement>& script,
                                            size_t at) {
  size_t from = at;
  const auto ends = [&](size_t i) { return script[i].kind == StatementKind::kCommit; };
  while (from > 0 && script[from].kind != StatementKind::kBegin && !ends(from - 1)) --from;
  if (script[from].kind != StatementKind::kBegin) return {at, at + 1};
  size_t to = at;
  while (to < script.size() && !ends(to)) ++to;
  return {from, std::min(to + 1, script.size())};
}

std::optional<SplitMigration> SplitUp(const std::vector<RecordedStatement>& script,
                                      const Rewrites& rewrites) {
  return Splitter(script, rewrites).Run();
}

}  // namespace scry::job
