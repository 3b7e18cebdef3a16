#include "job/split_migration.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/letter_case.h"

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

bool IsLocalSetting(const std::string& sql) {
  return base::UpperAscii(sql).starts_with("SET LOCAL ");
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

  bool Split(size_t from, size_t to) {
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
      if (NeedsItsTransaction(script_[i].sql)) return false;
      const auto rewrite = rewrites_.find(i);
      if (rewrite == rewrites_.end()) {
        part.push_back(script_[i].sql);
        continue;
      }
      close();
      for (const std::string& sql : rewrite->second) {
        SayUnder(settings, sql, script_[from].sql, script_[to - 1].sql);
      }
      ++parts;
    }
    close();
    split_.splits = split_.splits || parts > 1;
    return true;
  }

  // A lock_timeout of the transaction is to hold for what comes out of it, where that can be.
  void SayUnder(const std::vector<std::string>& settings, const std::string& sql,
                const std::string& begin, const std::string& commit) {
    const bool alone = base::UpperAscii(sql).find(" CONCURRENTLY ") != std::string::npos;
    if (settings.empty() || alone) {
      Say({sql});
      return;
    }
    Say({begin});
    Say(settings);
    Say({sql, commit});
  }

  void Say(const std::vector<std::string>& statements) {
    split_.script.insert(split_.script.end(), statements.begin(), statements.end());
    split_.changed.insert(split_.changed.end(), statements.begin(), statements.end());
  }

  const std::vector<RecordedStatement>& script_;
  const Rewrites& rewrites_;
  SplitMigration split_;
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
