#include "migration/script.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "base/letter_case.h"
#include "event/plain_sql.h"
#include "migration/profile.h"

namespace scry::migration {
namespace {

using event::StatementKind;

constexpr size_t kScriptStatementsMax = 2000;
constexpr size_t kScriptBytesMax = 1024 * 1024;

bool IsPlainCommit(const std::string& sql) {
  constexpr std::array<std::string_view, 6> kForms = {
      "COMMIT", "COMMIT WORK", "END", "COMMIT TRANSACTION", "END TRANSACTION", "END WORK"};
  const std::string upper = base::UpperAscii(sql);
  return std::any_of(kForms.begin(), kForms.end(), [&](auto form) { return form == upper; });
}

// Reads statements exchange by exchange; false anywhere: no script.
class Recorder {
 public:
  explicit Recorder(const Seen& seen) : seen_(seen.statements) {}

  std::vector<RecordedStatement> Run() {
    for (size_t i = 0; i < seen_.size();) {
      size_t end = i + 1;
      while (end < seen_.size() && seen_[end].exchange == seen_[i].exchange) ++end;
      if (!TakeExchange(i, end)) return {};
      i = end;
    }
    if (open_) return {};
    return std::move(script_);
  }

 private:
  bool TakeExchange(size_t from, size_t to) {
    const size_t first = script_.size();
    for (size_t i = from; i < to; ++i) {
      if (!TakeStatement(seen_[i])) return false;
    }
    if (!IsOneBlock(first)) return false;
    // Several statements up to one Sync, or in one Query message, are a transaction.
    const bool marked = !script_.empty() && first < script_.size() &&
                        (script_[first].kind == StatementKind::kBegin ||
                         script_.back().kind == StatementKind::kCommit);
    if (!open_ && !marked && script_.size() - first > 1) {
      script_.insert(script_.begin() + static_cast<std::ptrdiff_t>(first),
                     {"BEGIN", 0, StatementKind::kBegin});
      script_.push_back({"COMMIT", 0, StatementKind::kCommit});
    }
    open_ = seen_[to - 1].open_after;
    return true;
  }

  // A transaction begins and ends nowhere inside it.
  bool IsOneBlock(size_t first) const {
    for (size_t i = first; i < script_.size(); ++i) {
      if (script_[i].kind == StatementKind::kBegin && (i != first || open_)) return false;
      if (script_[i].kind == StatementKind::kCommit && i + 1 != script_.size()) return false;
    }
    return true;
  }

  bool TakeStatement(const SeenStatement& seen) {
    const event::Outcome& outcome = seen.statement.outcome;
    if (outcome.status == event::OutcomeStatus::kEmpty) return true;
    const bool done = outcome.status == event::OutcomeStatus::kDone && outcome.sqlstate.empty();
    if (!done || seen.pid != seen_.front().pid) return false;
    const std::string& text = seen.statement.text;
    const uint32_t ordinal = seen.statement.ordinal;
    const auto& plain = PlainOf(text);
    if (ordinal >= plain.size() || plain[ordinal].parameters) return false;
    const event::StatementFacts& facts = facts_.Get(text, ordinal);
    const bool repeatable =
        facts.kind != StatementKind::kRollback && facts.kind != StatementKind::kSavepoint &&
        facts.kind != StatementKind::kCopyIn &&
        (facts.kind != StatementKind::kCommit || IsPlainCommit(plain[ordinal].sql));
    bytes_ += plain[ordinal].sql.size();
    if (!repeatable || script_.size() >= kScriptStatementsMax || bytes_ > kScriptBytesMax) {
      return false;
    }
    script_.push_back({plain[ordinal].sql, facts.fingerprint, facts.kind});
    return true;
  }

  const std::vector<event::PlainStatement>& PlainOf(const std::string& text) {
    if (text != text_) {
      text_ = text;
      plain_ = event::PlainStatementsOf(text);
    }
    return plain_;
  }

  const std::vector<SeenStatement>& seen_;
  event::FactsCache facts_;
  std::string text_;  // Whose statements are in `plain_`.
  std::vector<event::PlainStatement> plain_;
  std::vector<RecordedStatement> script_;
  size_t bytes_ = 0;
  bool open_ = false;  // A transaction, before the exchange.
};

}  // namespace

std::vector<RecordedStatement> ScriptOf(const Seen& seen) {
  if (seen.statements_more > 0 || seen.statements.empty()) return {};
  return Recorder(seen).Run();
}

}  // namespace scry::migration
