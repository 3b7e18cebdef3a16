#include "job/cause_statement.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cause/cause.h"
#include "event/schema_act.h"

namespace scry::job {
namespace {

using event::SchemaAct;

// What a mechanism says of the statement behind it.
struct Doing {
  std::string_view word;  // In the mechanism.
  bool SchemaAct::*act;   // One of its acts ...
  bool SchemaAct::*or_act;
};

// The first whose word is in the mechanism. Others may be of any statement.
constexpr Doing kDoings[] = {
    {"dropped", &SchemaAct::drops, &SchemaAct::alters},  // "default dropped" is an ALTER.
    {"gone", &SchemaAct::drops, &SchemaAct::renames},
    {"renamed", &SchemaAct::renames, &SchemaAct::renames},
    {"moved", &SchemaAct::renames, &SchemaAct::renames},
    {"without grant", &SchemaAct::creates, &SchemaAct::creates},
    {"revoked", &SchemaAct::grants, &SchemaAct::grants},
    {"owner", &SchemaAct::alters, &SchemaAct::alters},
    {"added", &SchemaAct::creates, &SchemaAct::creates},
    {"new NOT NULL column", &SchemaAct::creates, &SchemaAct::creates},
    {"unique index", &SchemaAct::creates, &SchemaAct::creates},
    {"ambiguous", &SchemaAct::creates, &SchemaAct::creates},
    {"natural join", &SchemaAct::creates, &SchemaAct::creates},
    {"became", &SchemaAct::alters, &SchemaAct::alters},
    {"type change", &SchemaAct::alters, &SchemaAct::creates},
    {"emptied", &SchemaAct::drops, &SchemaAct::writes},
    {"rows written", &SchemaAct::writes, &SchemaAct::writes},
    {"stale statistics", &SchemaAct::writes, &SchemaAct::writes},
    {"foreign key", &SchemaAct::creates, &SchemaAct::drops},
};

// These say what is missing, which no statement did.
bool IsOfNoStatement(std::string_view mechanism) {
  return mechanism.starts_with("no index") || mechanism == cause::kNoRule;
}

bool Fits(std::string_view mechanism, const SchemaAct& act) {
  for (const Doing& doing : kDoings) {
    if (mechanism.find(doing.word) != std::string_view::npos) {
      return act.*doing.act || act.*doing.or_act;
    }
  }
  return true;
}

// Arguments of a function hold blanks, and names of their own.
std::string_view WithoutArguments(std::string_view object) {
  bool quoted = false;
  for (size_t i = 0; i < object.size(); ++i) {
    if (object[i] == '"') quoted = !quoted;
    if (object[i] == '(' && !quoted) return object.substr(0, i);
  }
  return object;
}

// "column public.orders.total" to {"public", "orders", "total"}; quotes are not names' own.
std::vector<std::string> NameParts(std::string_view object) {
  object = WithoutArguments(object);
  // The kind stands before the name, and may be several words.
  const size_t blank = object.find_last_of(' ', object.find('"'));
  const std::string_view name = blank == std::string_view::npos ? object : object.substr(blank + 1);
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (const char c : name) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == '.' && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  if (parts.back().empty()) parts.pop_back();
  return parts;
}

bool NamesLast(const std::vector<std::string>& names, const std::string& last) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const std::vector<std::string> parts = NameParts(name);
    return !parts.empty() && parts.back() == last;
  });
}

class Tying {
 public:
  explicit Tying(const std::vector<migration::StatementProfile>& statements)
      : statements_(statements) {
    for (const migration::StatementProfile& statement : statements_) {
      acts_.push_back(event::ActOf(statement.text, statement.ordinal));
    }
  }

  std::optional<size_t> StatementOf(const report::Cause& cause) const {
    if (IsOfNoStatement(cause.mechanism)) return std::nullopt;
    const std::vector<std::string> parts = NameParts(cause.object);
    if (parts.empty()) return std::nullopt;
    std::optional<size_t> best;
    int best_score = 0;
    for (size_t i = 0; i < statements_.size(); ++i) {
      const int score = Score(i, cause.mechanism, parts);
      // What was done last is what is there now.
      if (score == 0 || score < best_score) continue;
      best = i;
      best_score = score;
    }
    return best ? best : OnlyOneOnItsTables(cause);
  }

 private:
  // 0: not this one. The more of the name a statement says, the surer.
  int Score(size_t i, std::string_view mechanism, const std::vector<std::string>& parts) const {
    const migration::StatementProfile& statement = statements_[i];
    const SchemaAct& act = acts_[i];
    if (!statement.sqlstate.empty()) return 0;
    const std::string& last = parts.back();
    // Whatever its text says: this is what it was seen to do.
    if (mechanism.find("dropped") != std::string_view::npos && NamesLast(statement.dropped, last)) {
      return 8;
    }
    if (act.known && !Fits(mechanism, act)) return 0;
    bool named = act.names.contains(last);
    if (!act.known) {
      named = NamesLast(statement.rewrote, last);
      for (const migration::TakenLock& lock : statement.locks) {
        if (lock.mode <= migration::LockMode::kRowExclusive) continue;
        named |= NamesLast({lock.name}, last);
      }
    }
    if (!named) return 0;
    int score = 4;
    for (size_t part = 0; part + 1 < parts.size(); ++part) {
      score += act.names.contains(parts[part]) ? 1 : 0;
    }
    // "total" of another table.
    const bool of_table = parts.size() > 1;
    if (of_table && act.known && !act.names.contains(parts[parts.size() - 2])) return 0;
    return score;
  }

  // An index goes with its column, a constraint is named by the server: no text has their name.
  // Then the sentence names the table.
  std::optional<size_t> OnlyOneOnItsTables(const report::Cause& cause) const {
    std::optional<size_t> found;
    for (size_t i = 0; i < statements_.size(); ++i) {
      if (!statements_[i].sqlstate.empty() || !acts_[i].known) continue;
      if (!Fits(cause.mechanism, acts_[i]) || acts_[i].grants) continue;
      const bool touches = std::any_of(statements_[i].locks.begin(), statements_[i].locks.end(),
                                       [&](const migration::TakenLock& lock) {
                                         return lock.mode > migration::LockMode::kRowExclusive &&
                                                Says(cause.sentence, lock.name);
                                       });
      if (!touches) continue;
      if (found) return std::nullopt;
      found = i;
    }
    return found;
  }

  // As a word of its own.
  static bool Says(std::string_view sentence, std::string_view name) {
    const auto of_word = [](char c) {
      return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
             (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
    };
    for (size_t at = sentence.find(name); at != std::string_view::npos && !name.empty();
         at = sentence.find(name, at + 1)) {
      const size_t end = at + name.size();
      if ((at == 0 || !of_word(sentence[at - 1])) &&
          (end == sentence.size() || !of_word(sentence[end]))) {
        return true;
      }
    }
    return false;
  }

  const std::vector<migration::StatementProfile>& statements_;
  std::vector<SchemaAct> acts_;
};

}  // namespace

void TieCauses(const migration::MigrationProfile& profile, report::Report& report) {
  const Tying tying(profile.statements);
  for (report::Cause& cause : report.causes) {
    const std::optional<size_t> index = tying.StatementOf(cause);
    if (!index || *index >= report.migration.statements.size()) continue;
    cause.statement_index = *index;
    cause.statement = report.migration.statements[*index].text;
  }
}

}  // namespace scry::job
