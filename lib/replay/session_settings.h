// What a session has set since its start, so that one of its statements can be run by itself as it
// ran then: SET, RESET, SET ROLE, set_config(). Fed by SampleBook. Bounded. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "event/event.h"
#include "event/statement_facts.h"

namespace scry::replay {

inline constexpr size_t kSettingsMax = 64;
inline constexpr size_t kSettingBytesMax = 8192;

// Of the extended protocol: with the messages that run it. Empty messages: a simple query.
struct SettingStatement {
  std::string text;
  std::vector<event::FrontendMessage> messages;
  friend bool operator==(const SettingStatement&, const SettingStatement&) = default;
};

class SessionSettings {
 public:
  // Whether the exchange's one statement is of the kind that is remembered here.
  static bool IsSetting(const event::StatementFacts& facts, const std::string& text);

  // `setting`: IsSetting() and the statement succeeded.
  void Add(SettingStatement setting);
  // After every exchange: what a transaction set ends with it, or stays.
  void EndExchange(const event::Exchange& exchange);

  // In the order they were set.
  std::vector<SettingStatement> InForce() const;
  // False: more was set than is remembered.
  bool known() const { return known_; }

 private:
  struct Entry {
    std::string name;  // What a later one of the same name replaces.
    SettingStatement statement;
    bool local = false;  // Until the transaction's end.
  };
  static void Put(std::vector<Entry>& entries, Entry entry);

  std::vector<Entry> session_;
  std::vector<Entry> transaction_;  // Of the one that is open.
  bool in_transaction_ = false;
  bool known_ = true;
};

}  // namespace scry::replay
