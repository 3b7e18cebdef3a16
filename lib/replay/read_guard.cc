#include "replay/read_guard.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/letter_case.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

using event::StatementFacts;
using event::StatementKind;

namespace frontend = wire::frontend;

bool Holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::vector<std::string_view> WordsOf(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of(" =", at), text.size());
    if (end > at) words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

// The second word.
std::string_view NameIn(std::string_view pattern) {
  const size_t begin = std::min(pattern.find(' '), pattern.size() - 1) + 1;
  return pattern.substr(begin, pattern.find_first_of(" (;", begin) - begin);
}

bool IsPlainName(std::string_view word) {
  return std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
}

// A pattern that was cut, or a name in quotes, which may be written in many ways.
bool IsOpaque(std::string_view pattern) { return Holds(pattern, "…") || Holds(pattern, "\""); }

// SET of a setting that has no say in what may be written.
bool IsHarmlessSetting(std::string_view pattern) {
  const std::vector<std::string_view> words = WordsOf(pattern);
  size_t at = 1;
  if (words.size() > at && (words[at] == "session" || words[at] == "local")) ++at;
  if (words.size() <= at || !IsPlainName(words[at])) return false;
  if (words[at] == "transaction") return !Holds(pattern, "write");
  return words[at] != "characteristics" && words[at] != "authorization" &&
         !Holds(words[at], "read_only");
}

bool IsHarmlessSessionCommand(std::string_view pattern) {
  static constexpr std::array<std::string_view, 6> kHarmless = {"reset",  "discard",  "deallocate",
                                                                "listen", "unlisten", "close"};
  const std::vector<std::string_view> words = WordsOf(pattern);
  if (words.empty()) return false;
  if (words[0] == "set") return IsHarmlessSetting(pattern);
  // The startup packet's value is what RESET goes back to.
  return std::find(kHarmless.begin(), kHarmless.end(), words[0]) != kHarmless.end();
}

}  // namespace

bool ReadGuard::MayRun(const event::FrontendMessage& message) {
  switch (message.type) {
    case frontend::kQuery: {
      const std::string payload = message.Payload();
      const auto text = wire::ParseQuery(base::AsBytes(payload));
      return text && MayRunText(*text);
    }
    case frontend::kParse: {
      const std::string payload = message.Payload();
      const auto parse = wire::ParseParse(base::AsBytes(payload));
      return parse && MayRunText(parse->text);
    }
    // They run only what a Parse brought, and each Parse was asked for here.
    case frontend::kBind:
    case frontend::kExecute:
    case frontend::kDescribe:
    case frontend::kClose:
    case frontend::kFlush:
    case frontend::kSync:
      return true;
    default:  // A function by its number, data for COPY.
      return false;
  }
}

bool ReadGuard::MayRun(const event::Exchange& exchange) {
  constexpr size_t kNamesMax = 64 * 1024;  // Of further ones, no EXECUTE is let through.
  session_ = static_cast<uint64_t>(exchange.session);
  preparing_.clear();
  const base::SharedText* looked_at = nullptr;  // Whole, at the first of its statements.
  const bool may =
      std::all_of(exchange.messages.begin(), exchange.messages.end(),
                  [&](const event::FrontendMessage& message) { return MayRun(message); }) &&
      std::all_of(exchange.statements.begin(), exchange.statements.end(),
                  [&](const event::Statement& one) {
                    const bool same = looked_at != nullptr && one.text.SharesWith(*looked_at);
                    looked_at = &one.text;
                    return same || MayRunText(one.text);
                  });
  if (may && !preparing_.empty() && names_ < kNamesMax) {
    Names& known = prepared_[session_];
    const size_t before = known.size();
    known.merge(preparing_);
    names_ += known.size() - before;
  }
  return may;
}

bool ReadGuard::MayRunText(const base::SharedText& text) {
  constexpr size_t kVerdictsMax = 8192;
  if (text.empty()) return false;  // Prepared before the capture.
  const auto known = verdicts_.find(text.view());
  if (known != verdicts_.end()) return known->second;
  of_session_ = false;
  bool may_run = true;
  // Looked up each time: a PREPARE asks about another text.
  for (size_t i = 0; may_run && i < facts_.GetAll(text).size(); ++i) {
    may_run = MayRunStatement(text, facts_.GetAll(text)[i]);
  }
  if (of_session_) return may_run;
  if (verdicts_.size() >= kVerdictsMax) verdicts_.clear();
  verdicts_.emplace(text, may_run);
  return may_run;
}

bool ReadGuard::MayRunStatement(std::string_view text, const StatementFacts& facts) {
  if (!facts.parsed) return false;
  const std::string pattern = base::LowerAscii(facts.pattern);
  if (pattern.starts_with("execute ") || pattern.starts_with("prepare ")) {
    of_session_ = true;
    return pattern.starts_with("execute ") ? MayExecute(text, facts, pattern)
                                           : MayPrepare(text, pattern);
  }
  if (facts.writes) return false;
  switch (facts.kind) {
    case StatementKind::kSelect:
      return ReadsOnly(text, facts);
    case StatementKind::kCopyOut:  // Neither into a file nor into a program of the server.
      return !IsOpaque(pattern) && Holds(pattern, " to stdout") && !Holds(pattern, " program ") &&
             !Holds(pattern, " to $") && ReadsOnly(text, facts);
    case StatementKind::kBegin:
      return !IsOpaque(pattern) && !Holds(pattern, "write");
    case StatementKind::kCommit:
    case StatementKind::kRollback:
    case StatementKind::kSavepoint:
      return true;
    case StatementKind::kSession:
      if (pattern.starts_with("declare ")) return ReadsOnly(text, facts);
      return !IsOpaque(pattern) && IsHarmlessSessionCommand(pattern);
    default:
      return false;
  }
}

// PREPARE name [(types)] AS statement: the first AS, where no name is quoted and nothing commented.
bool ReadGuard::MayPrepare(std::string_view text, std::string_view pattern) {
  constexpr std::string_view kAs = " as ";
  const size_t as = pattern.find(kAs);
  if (IsOpaque(pattern) || Holds(pattern, "--") || Holds(pattern, "/*")) return false;
  if (as == std::string_view::npos) return false;
  const std::string_view name = NameIn(pattern);
  std::string statement(pattern.substr(as + kAs.size()));
  // The pattern holds none of the constants, which do not write either.
  std::replace(statement.begin(), statement.end(), '?', '0');
  // Copied: what is known of a text lasts until the next one is asked about.
  const std::vector<StatementFacts> inner = facts_.GetAll(statement);
  const bool reads = inner.size() == 1 && inner.front().parsed && !inner.front().writes &&
                     inner.front().kind == StatementKind::kSelect && ReadsOnly(text, inner.front());
  if (!reads || !IsPlainName(name)) return false;
  preparing_.emplace(name);
  return true;
}

// Its arguments are judged with it.
bool ReadGuard::MayExecute(std::string_view text, const StatementFacts& facts,
                           std::string_view pattern) const {
  const std::string_view name = NameIn(pattern);
  if (IsOpaque(pattern) || !IsPlainName(name) || !ReadsOnly(text, facts)) return false;
  const auto known = prepared_.find(session_);
  return preparing_.contains(name) || (known != prepared_.end() && known->second.contains(name));
}

bool ReadGuard::ReadsOnly(std::string_view text, const StatementFacts& facts) const {
  const auto writes = [](const std::set<std::string>& known) {
    return [&known](const std::string& name) {
      return known.contains(name.substr(name.rfind('.') + 1));  // Whole where there is no dot.
    };
  };
  return std::none_of(facts.functions.begin(), facts.functions.end(), writes(hidden_.functions)) &&
         std::none_of(facts.relations.begin(), facts.relations.end(), writes(hidden_.relations)) &&
         std::none_of(hidden_.operators.begin(), hidden_.operators.end(),
                      [&](const std::string& name) { return Holds(text, name); });
}

}  // namespace scry::replay
