#include "replay/exchange_class.h"

#include <algorithm>
#include <string_view>

namespace scry::replay {
namespace {

using event::StatementFacts;
using event::StatementKind;

bool EndsTransaction(StatementKind kind) {
  return kind == StatementKind::kCommit || kind == StatementKind::kRollback;
}

// Text that was not parsed is known by its first word alone: more commands may follow.
bool KnownWhole(const StatementFacts& facts, const std::string& text) {
  return facts.parsed || text.find(';') == std::string::npos;
}

std::string_view WithoutSchema(const std::string& relation) {
  const size_t dot = relation.rfind('.');
  return dot == std::string::npos ? std::string_view(relation)
                                  : std::string_view(relation).substr(dot + 1);
}

}  // namespace

bool ExchangeClassifier::Writes(const event::Statement& statement,
                                const StatementFacts& facts) const {
  if (facts.writes || !KnownWhole(facts, statement.text)) return true;
  if (EndsTransaction(facts.kind) || facts.kind == StatementKind::kBegin) return false;
  if (std::any_of(facts.functions.begin(), facts.functions.end(),
                  [&](const std::string& name) { return hidden_.functions.contains(name); })) {
    return true;
  }
  if (!hidden_.relations.empty() &&
      std::any_of(facts.relations.begin(), facts.relations.end(), [&](const std::string& name) {
        return hidden_.relations.contains(std::string(WithoutSchema(name)));
      })) {
    return true;
  }
  return std::any_of(
      hidden_.operators.begin(), hidden_.operators.end(),
      [&](const std::string& name) { return statement.text.find(name) != std::string::npos; });
}

ExchangeClass ExchangeClassifier::Classify(const event::Exchange& exchange,
                                           TransactionTrail& trail) {
  ExchangeClass result;
  result.only_ends = !exchange.statements.empty();
  bool writes = false;
  bool reads = false;
  bool ends = exchange.status == 'I' || exchange.status == 0;
  for (const event::Statement& statement : exchange.statements) {
    if (statement.text.empty()) {  // Prepared before the capture: unknown.
      writes = true;
      result.only_ends = false;
      continue;
    }
    const StatementFacts& facts = facts_.Get(statement.text, statement.ordinal);
    if (&statement == &exchange.statements.front()) result.fingerprint = facts.fingerprint;
    const bool whole = KnownWhole(facts, statement.text);
    const bool ends_transaction = whole && EndsTransaction(facts.kind);
    result.only_ends &= ends_transaction;
    ends |= ends_transaction;  // COMMIT AND CHAIN, "COMMIT; BEGIN": the status is T all the same.
    const bool fetches = facts.kind == StatementKind::kSelect;
    if (Writes(statement, facts) || (fetches && trail.writing_cursor)) {
      writes = true;
      trail.writing_cursor |= facts.kind == StatementKind::kSession;  // DECLARE.
    } else {
      // A setting may name a role, PREPARE a table, DECLARE takes a snapshot: what others committed
      // before matters to them as to a SELECT.
      reads |=
          fetches || facts.kind == StatementKind::kCopyOut || facts.kind == StatementKind::kSession;
    }
  }
  const bool wrote = trail.wrote || writes;
  trail.ever_wrote |= writes;
  trail.wrote = wrote && exchange.status != 'I' && exchange.status != 0 && (!ends || writes);
  if (exchange.status == 'I') trail.writing_cursor = false;
  if (ends && wrote) {
    result.order_class = OrderClass::kCommit;
  } else if (writes) {
    result.order_class = OrderClass::kWriter;
  } else if (reads) {
    result.order_class = OrderClass::kReader;
  }
  return result;
}

OrderClass ExchangeClassifier::ClassifyEnd(const TransactionTrail& trail) {
  return trail.ever_wrote ? OrderClass::kCommit : OrderClass::kFree;
}

}  // namespace scry::replay
