#include "replay/session_settings.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace scry::replay {
namespace {

// The next word in lower case; "=" and quotes end it. Empty at the end.
std::string NextWord(std::string_view text, size_t& at) {
  const auto ends = [](char c) {
    return std::isspace(static_cast<unsigned char>(c)) != 0 || c == '=' || c == '\'' || c == ';' ||
           c == '(';
  };
  while (at < text.size() && ends(text[at])) ++at;
  std::string word;
  for (; at < text.size() && !ends(text[at]); ++at) {
    word += static_cast<char>(std::tolower(static_cast<unsigned char>(text[at])));
  }
  return word;
}

bool CallsOnlySetConfig(const event::StatementFacts& facts) {
  return facts.kind == event::StatementKind::kSelect && facts.relations.empty() &&
         facts.functions == std::vector<std::string>{"set_config"};
}

struct Named {
  std::string name;  // Empty: RESET ALL, DISCARD ALL.
  bool local = false;
};

Named NameOf(const SettingStatement& statement) {
  size_t at = 0;
  Named named;
  const std::string verb = NextWord(statement.text, at);
  if (verb == "select") {
    // Which one may stand in a parameter; whether it is local as well. As a whole it is run again
    // either way, and inside a transaction both mean the same.
    named.name = statement.text;
    for (const event::FrontendMessage& message : statement.messages) named.name += message.values;
    return named;
  }
  std::string word = NextWord(statement.text, at);
  if (word == "local" || word == "session") {
    named.local = word == "local";
    const std::string next = NextWord(statement.text, at);
    // SET SESSION AUTHORIZATION and SET SESSION CHARACTERISTICS are names of their own.
    word = next == "authorization" || next == "characteristics" ? word + " " + next : next;
  }
  if (word != "all") named.name = word == "time" ? "timezone" : word;
  return named;
}

}  // namespace

bool SessionSettings::IsSetting(const event::StatementFacts& facts, const std::string& text) {
  if (text.size() > kSettingBytesMax || !facts.parsed) return false;
  if (CallsOnlySetConfig(facts)) return true;
  if (facts.kind != event::StatementKind::kSession) return false;
  size_t at = 0;
  const std::string verb = NextWord(text, at);
  if (verb == "discard") return NextWord(text, at) == "all";
  if (verb != "set" && verb != "reset") return false;
  const std::string name = NextWord(text, at);
  return name != "transaction" && name != "constraints";
}

void SessionSettings::Put(std::vector<Entry>& entries, Entry entry) {
  std::erase_if(entries, [&](const Entry& old) { return old.name == entry.name; });
  entries.push_back(std::move(entry));
}

void SessionSettings::Add(SettingStatement setting) {
  const Named named = NameOf(setting);
  std::vector<Entry>& entries = in_transaction_ ? transaction_ : session_;
  if (named.name.empty()) {
    entries.clear();
    if (!in_transaction_) return;  // As at its start.
  }
  Put(entries, {named.name, std::move(setting), named.local});
  if (entries.size() > kSettingsMax) {
    entries.erase(entries.begin());
    known_ = false;
  }
}

void SessionSettings::EndExchange(const event::Exchange& exchange) {
  if (exchange.status != 'I') {
    in_transaction_ = true;
    return;
  }
  const bool undone = std::any_of(exchange.statements.begin(), exchange.statements.end(),
                                  [](const auto& s) { return s.outcome.tag == "ROLLBACK"; });
  if (in_transaction_ && !undone) {
    for (Entry& entry : transaction_) {
      if (!entry.local) Put(session_, std::move(entry));
    }
  }
  transaction_.clear();
  in_transaction_ = false;
}

std::vector<SettingStatement> SessionSettings::InForce() const {
  std::vector<SettingStatement> statements;
  for (const std::vector<Entry>* entries : {&session_, &transaction_}) {
    for (const Entry& entry : *entries) statements.push_back(entry.statement);
  }
  return statements;
}

}  // namespace scry::replay
