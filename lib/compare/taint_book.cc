#include "compare/taint_book.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace scry::compare {
namespace {

using event::StatementFacts;
using event::StatementKind;
using event::StatementPair;

// Past these a relation taints nothing, and its differences stand by themselves.
constexpr size_t kRelationsMax = 4096;
constexpr size_t kWrittenMax = 256;
constexpr size_t kSessionsMax = 4096;  // The oldest is forgotten.
constexpr size_t kStemMin = 3;

std::string WithoutSchema(std::string_view name) {
  const size_t dot = name.rfind('.');
  return std::string(dot == std::string_view::npos ? name : name.substr(dot + 1));
}

// "categories" in the name of a foreign key is "category_id": the name without its plural.
std::string_view StemOf(std::string_view relation) {
  for (const std::string_view plural : {"ies", "es", "s"}) {
    if (relation.ends_with(plural)) return relation.substr(0, relation.size() - plural.size());
  }
  return relation;
}

// What a message has between double quotes, by number from 0; empty: it has not as many.
std::string_view Quoted(std::string_view message, size_t number) {
  for (size_t i = 0;; ++i) {
    const size_t begin = message.find('"');
    if (begin == std::string_view::npos) return {};
    const size_t end = message.find('"', begin + 1);
    if (end == std::string_view::npos) return {};
    if (i == number) return message.substr(begin + 1, end - begin - 1);
    message.remove_prefix(end + 1);
  }
}

bool SameWord(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == b;
         });
}

// A column or a table that is gone is no matter of rows.
bool FollowsFromRows(const StatementPair& pair, const Difference& difference) {
  if (IsErrorKind(difference.kind)) {
    static constexpr std::array<std::string_view, 4> kDataClasses = {"21", "22", "23", "P0"};
    const std::string_view state = pair.lanes[1].outcome.sqlstate;
    return std::find(kDataClasses.begin(), kDataClasses.end(), state.substr(0, 2)) !=
           kDataClasses.end();
  }
  return difference.kind == DifferenceKind::kRows || difference.kind == DifferenceKind::kValues ||
         difference.kind == DifferenceKind::kOrder;
}

bool Diverged(const Difference& difference) {
  return difference.weight > Weight::kNote &&
         (difference.kind == DifferenceKind::kError || difference.kind == DifferenceKind::kRows);
}

}  // namespace

std::string WrittenRelation(const StatementFacts& facts) {
  switch (facts.kind) {
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kMerge:
    case StatementKind::kCopyIn:
      break;
    default:
      return {};
  }
  // "INSERT INTO ONLY s.t (...", "UPDATE t SET", "COPY t(a) FROM": the first word that is a
  // relation's name. A WITH before it is left to stand by itself.
  static constexpr std::array<std::string_view, 7> kLead = {"insert", "into",  "update", "delete",
                                                            "from",   "merge", "copy"};
  std::string_view text = facts.pattern;
  while (!text.empty()) {
    const size_t end = text.find_first_of(" (");
    const std::string_view word = text.substr(0, end);
    const bool lead = SameWord(word, "only") ||
                      std::any_of(kLead.begin(), kLead.end(),
                                  [&](std::string_view known) { return SameWord(word, known); });
    if (!lead) {
      std::string name(word);
      std::erase(name, '"');
      name = WithoutSchema(name);
      const auto known = std::find_if(
          facts.relations.begin(), facts.relations.end(), [&](const std::string& relation) {
            return name == WithoutSchema(relation) || SameWord(name, WithoutSchema(relation));
          });
      return known == facts.relations.end() ? std::string() : WithoutSchema(*known);
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

TaintBook::Following TaintBook::Add(const StatementPair& pair, const StatementFacts& facts,
                                    const Difference& difference) {
  if (pair.lanes.size() < 2) return {};
  const std::string relation = WrittenRelation(facts);
  const bool idle =
      pair.lanes[0].transaction_status == 'I' && pair.lanes[1].transaction_status == 'I';
  const bool ends = facts.kind == StatementKind::kCommit || facts.kind == StatementKind::kRollback;
  const auto id = static_cast<uint64_t>(pair.session);
  auto known = sessions_.find(id);
  if (known == sessions_.end()) {
    const bool quiet = relation.empty() && !Diverged(difference);
    if (quiet && (taints_.empty() || difference.weight <= Weight::kNote)) return {};
    if (sessions_.size() >= kSessionsMax) sessions_.erase(sessions_.begin());
    known = sessions_.emplace(id, Session{}).first;
  }
  Session& session = known->second;
  Following following;
  const bool rest =
      difference.excuse == Excuse::kCascade || difference.excuse == Excuse::kCounterfactual;
  if (rest && session.cause != 0 && session.cause != facts.fingerprint) {
    following = {session.cause, true};
  } else {
    following.cause = CauseOf(pair, facts, difference, session);
  }
  if (Diverged(difference)) {
    const uint64_t cause = following.cause != 0 ? following.cause : facts.fingerprint;
    if (difference.kind == DifferenceKind::kError && session.cause == 0) session.cause = cause;
    if (!relation.empty()) Write(relation, facts, cause, session);
  } else if (!relation.empty()) {
    Write(relation, facts, 0, session);
  }
  if (ends || idle) {
    End(pair, facts, session);
    sessions_.erase(id);
  }
  return following;
}

uint64_t TaintBook::CauseOf(const StatementPair& pair, const StatementFacts& facts,
                            const Difference& difference, const Session& session) const {
  if (difference.weight <= Weight::kNote || !FollowsFromRows(pair, difference)) return 0;
  for (const std::string& name : facts.relations) {
    const std::string relation = WithoutSchema(name);
    for (const auto* taints : {&session.taints, &taints_}) {
      const auto found = taints->find(relation);
      if (found != taints->end() && found->second != facts.fingerprint) return found->second;
    }
  }
  const event::Outcome& candidate = pair.lanes[1].outcome;
  if (candidate.sqlstate != "23503") return 0;
  const uint64_t cause = CauseOfKey(candidate.message, session);
  return cause != facts.fingerprint ? cause : 0;
}

// The relation that lacks the row is named neither by the statement nor by the message, but most
// keys have it in their name: 'insert or update on table "items" violates foreign key constraint
// "items_order_id_fkey"'. Deletes have the referencing relation behind it.
uint64_t TaintBook::CauseOfKey(std::string_view message, const Session& session) const {
  std::string_view key = Quoted(message, 1);
  const std::string_view table = Quoted(message, 0);
  const std::string_view referencing = Quoted(message, 2);
  if (key.starts_with(table)) key.remove_prefix(table.size());
  for (const auto* taints : {&session.taints, &taints_}) {
    for (const auto& [relation, cause] : *taints) {
      const std::string_view stem = StemOf(relation);
      const bool in_key = stem.size() >= kStemMin && key.find(stem) != std::string_view::npos;
      if (in_key || relation == referencing) return cause;
    }
  }
  return 0;
}

// `cause` 0: the write itself went alike, but may hand on what it read.
void TaintBook::Write(const std::string& relation, const StatementFacts& facts, uint64_t cause,
                      Session& session) const {
  if (session.written.size() < kWrittenMax &&
      std::find(session.written.begin(), session.written.end(), relation) ==
          session.written.end()) {
    session.written.push_back(relation);
  }
  for (size_t i = 0; cause == 0 && i < facts.relations.size(); ++i) {
    const std::string read = WithoutSchema(facts.relations[i]);
    if (read == relation) continue;
    const auto own = session.taints.find(read);
    const auto all = taints_.find(read);
    if (own != session.taints.end()) cause = own->second;
    if (cause == 0 && all != taints_.end()) cause = all->second;
  }
  if (cause != 0 && session.taints.size() < kWrittenMax) session.taints.emplace(relation, cause);
}

// Rolled back on both lanes, nothing happened; on one of them, all that was written is missing
// there.
void TaintBook::End(const StatementPair& pair, const StatementFacts& facts, Session& session) {
  const auto rolled_back = [&](const event::LaneOutcome& lane) {
    return lane.outcome.tag == "ROLLBACK" || !Succeeded(lane.outcome);
  };
  const bool transaction =
      facts.kind == StatementKind::kCommit || facts.kind == StatementKind::kRollback;
  const bool before = transaction && rolled_back(pair.lanes[0]);
  const bool after = transaction && rolled_back(pair.lanes[1]);
  if (before && after) return;
  for (const auto& [relation, cause] : session.taints) Publish(relation, cause);
  if (before == after || session.cause == 0) return;
  for (const std::string& relation : session.written) Publish(relation, session.cause);
}

void TaintBook::Publish(const std::string& relation, uint64_t cause) {
  if (taints_.size() < kRelationsMax) taints_.emplace(relation, cause);
}

}  // namespace scry::compare
