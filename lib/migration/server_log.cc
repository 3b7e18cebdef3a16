#include "migration/server_log.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace scry::migration {
namespace {

// Of holders, queues and locks named on one line.
constexpr size_t kListMax = 10 * 1000;
// An open wait is looked for among so many of the last.
constexpr size_t kLookBack = 10 * 1000;
// How far into its line a temporary file is named: behind the words of any language, and in a
// tablespace.
constexpr size_t kSpillPathMax = 200;
// In any language: LOG is СООБЩЕНИЕ in Russian, of 18 bytes.
constexpr size_t kSeverityBytesMax = 64;

template <typename T>
std::optional<T> TakeNumber(std::string_view& text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

bool TakeWord(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

std::string_view TakeUntil(std::string_view& text, char end) {
  const size_t at = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

// "1.5" milliseconds or seconds, three digits or less behind the point, in thousandths.
std::optional<Micros> TakeThousandths(std::string_view& text) {
  const auto whole = TakeNumber<int64_t>(text);
  if (!whole || *whole < 0 || *whole > INT64_MAX / 2000000) return std::nullopt;
  Micros value = *whole * 1000;
  if (!TakeWord(text, ".")) return value;
  Micros unit = 100;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    value += (text.front() - '0') * unit;
    unit /= 10;
    text.remove_prefix(1);
  }
  return value;
}

std::vector<uint32_t> TakePids(std::string_view& text) {
  std::vector<uint32_t> pids;
  while (pids.size() < kListMax) {
    const auto pid = TakeNumber<uint32_t>(text);
    if (!pid) break;
    pids.push_back(*pid);
    if (!TakeWord(text, ", ")) break;
  }
  return pids;
}

// "relation 16384 of database 5", also behind "tuple (0,1) of " and "extension of ".
uint32_t RelationOf(std::string_view target) {
  constexpr std::string_view kRelation = "relation ";
  const size_t at = target.find(kRelation);
  if (at == std::string_view::npos) return 0;
  target.remove_prefix(at + kRelation.size());
  return TakeNumber<uint32_t>(target).value_or(0);
}

std::vector<OidLock> ParseLocks(std::string_view text) {
  std::vector<OidLock> locks;
  while (!text.empty() && locks.size() < kListMax) {
    std::string_view one = TakeUntil(text, ',');
    const auto oid = TakeNumber<uint32_t>(one);
    if (!oid || !TakeWord(one, ":")) continue;
    const LockMode mode = ParseLockMode(one);
    if (mode != LockMode::kNone) locks.push_back({*oid, mode});
  }
  return locks;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> LogSettings() {
  return {{"log_line_prefix", kLogLinePrefix}, {"log_error_verbosity", "default"},
          {"log_min_messages", "warning"},     {"log_lock_waits", "on"},
          {"deadlock_timeout", "10ms"},        {"lc_messages", "C"}};
}

// "1795676272.004 [12837,] 00000 LOG:  text"; of a parallel worker "[12838,12837]".
bool ServerLogReader::ParseHead(std::string_view line, Head& head) {
  const auto seconds = TakeThousandths(line);
  if (!seconds || !TakeWord(line, " [")) return false;
  head.wall_us = *seconds * 1000;
  const auto pid = TakeNumber<uint32_t>(line);
  if (!pid) return false;
  head.pid = *pid;
  if (TakeWord(line, ",")) head.leader = TakeNumber<uint32_t>(line).value_or(0);
  if (!TakeWord(line, "] ")) return false;
  if (line.size() < 6 || line[5] != ' ') return false;
  head.sqlstate = line.substr(0, 5);
  line.remove_prefix(6);
  const size_t colon = line.find(":  ");
  if (colon == std::string_view::npos || colon > kSeverityBytesMax) return false;
  head.severity = line.substr(0, colon);
  head.text = line.substr(colon + 3);
  return true;
}

void ServerLogReader::Feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() > kLineBytesMax) {
      if (!too_long_) ++log_.dropped;
      too_long_ = true;
      line_.clear();
    } else if (!too_long_) {
      line_ += part;
    }
    if (end == std::string_view::npos) return;
    if (!too_long_) Line(line_);
    line_.clear();
    too_long_ = false;
    bytes.remove_prefix(end + 1);
  }
}

ServerLog ServerLogReader::Finish() {
  if (!line_.empty() && !too_long_) Line(line_);
  line_.clear();
  return std::move(log_);
}

void ServerLogReader::Line(std::string_view line) {
  // Further lines of a message begin with a tab: nobody can forge a head from within one.
  if (line.starts_with("\t")) {
    OnContinuation(line.substr(1));
    return;
  }
  in_detail_ = false;
  query_ = nullptr;
  Head head;
  if (!ParseHead(line, head)) return;
  std::string_view text = head.text;
  // Whatever LOG is called in the server's language.
  if (!mark_.empty() && TakeWord(text, mark_)) {
    last_ = Last::kNone;
    OnWatch(head, text);
    return;
  }
  if (head.severity == "DETAIL") {
    OnDetail(head);
    return;
  }
  if (head.severity == "CONTEXT") OnContext(head);
  if (head.severity == "CONTEXT" || head.severity == "HINT" || head.severity == "STATEMENT") return;
  last_ = Last::kNone;
  if (OnSpill(head)) return;
  if (head.severity == "LOG" && text.starts_with("process ")) OnWait(head);
  if (head.severity == "ERROR" || head.severity == "FATAL") OnError(head);
}

// " ddl_command_end 1795676272004123|ALTER TABLE|16384:AccessExclusiveLock,...". Behind a drop, one
// object follows another: "type|original|identity;".
void ServerLogReader::OnWatch(const Head& head, std::string_view text) {
  if (!TakeWord(text, " ")) return;
  if (log_.ddl.size() >= kEventsMax) {
    ++log_.dropped;
    return;
  }
  DdlEvent event;
  event.pid = head.pid;
  const std::string_view kind = TakeUntil(text, ' ');
  const auto clock = TakeNumber<int64_t>(text);
  event.wall_us = clock.value_or(head.wall_us);
  if (!TakeWord(text, "|")) return;
  event.tag = std::string(TakeUntil(text, '|'));
  if (kind == "ddl_command_end") {
    event.locks = ParseLocks(text);
  } else if (kind == "table_rewrite") {
    event.kind = DdlEvent::Kind::kRewrite;
    event.rewritten = TakeNumber<uint32_t>(text).value_or(0);
  } else if (kind == "sql_drop") {
    event.kind = DdlEvent::Kind::kDrop;
    while (!text.empty() && event.dropped.size() < kListMax) {
      std::string_view one = TakeUntil(text, ';');
      DroppedObject object;
      object.type = std::string(TakeUntil(one, '|'));
      object.original = TakeUntil(one, '|') == "t";
      object.identity = std::string(one);
      event.dropped.push_back(std::move(object));
    }
  } else {
    return;
  }
  log_.ddl.push_back(std::move(event));
}

LockWaitEvent* ServerLogReader::OpenWaitOf(uint32_t pid) {
  const size_t count = std::min(log_.waits.size(), kLookBack);
  for (size_t i = 0; i < count; ++i) {
    LockWaitEvent& wait = log_.waits[log_.waits.size() - 1 - i];
    if (wait.pid == pid) return wait.end == LockWaitEvent::End::kOpen ? &wait : nullptr;
  }
  return nullptr;
}

// "process 12 still waiting for ShareLock on transaction 742 after 10.123 ms"
// "process 12 acquired AccessShareLock on relation 16384 of database 5 after 3012.4 ms"
// "process 12 detected deadlock while waiting for ShareLock on transaction 742 after 10.0 ms"
// "process 12 avoided deadlock for ShareLock on ... by rearranging queue order after 10.0 ms"
void ServerLogReader::OnWait(const Head& head) {
  std::string_view text = head.text;
  if (!TakeWord(text, "process ")) return;
  const auto pid = TakeNumber<uint32_t>(text);
  if (!pid || *pid != head.pid) return;
  const bool acquired = TakeWord(text, " acquired ");
  if (!acquired && !TakeWord(text, " still waiting for ") &&
      !TakeWord(text, " detected deadlock while waiting for ") &&
      !TakeWord(text, " avoided deadlock for ") && !TakeWord(text, " failed to acquire ")) {
    return;
  }
  const LockMode mode = ParseLockMode(TakeUntil(text, ' '));
  if (!TakeWord(text, "on ")) return;
  const size_t after = text.rfind(" after ");
  if (after == std::string_view::npos) return;
  std::string_view target = text.substr(0, after);
  const size_t rearranged = target.find(" by rearranging");
  target = target.substr(0, rearranged);
  text.remove_prefix(after + 7);
  const auto waited_us = TakeThousandths(text);
  if (!waited_us) return;
  LockWaitEvent* open = OpenWaitOf(head.pid);
  if (open != nullptr && open->target != target) {  // It gave up without a word.
    open->end = LockWaitEvent::End::kFailed;
    open = nullptr;
  }
  if (open == nullptr) {
    if (log_.waits.size() >= kEventsMax) {
      ++log_.dropped;
      return;
    }
    open = &log_.waits.emplace_back();
    open->pid = head.pid;
    open->mode = mode;
    open->target = std::string(target);
    open->relation = RelationOf(target);
    open->begin_wall_us = head.wall_us - *waited_us;
  }
  open->end_wall_us = head.wall_us;
  if (acquired) open->end = LockWaitEvent::End::kGranted;
  last_ = acquired ? Last::kNone : Last::kWait;
  last_pid_ = head.pid;
}

void ServerLogReader::OnError(const Head& head) {
  LockWaitEvent* open = OpenWaitOf(head.pid);
  if (open != nullptr) {
    open->end = LockWaitEvent::End::kFailed;
    open->end_wall_us = head.wall_us;
    open->sqlstate = std::string(head.sqlstate);
  }
  if (head.sqlstate != "40P01") return;
  if (log_.deadlocks.size() >= kEventsMax) {
    ++log_.dropped;
    return;
  }
  log_.deadlocks.push_back({head.pid, head.wall_us, {}, {}});
  last_ = Last::kDeadlock;
  last_pid_ = head.pid;
}

// "temporary file: path "base/pgsql_tmp/pgsql_tmp12.0", size 1048576", in the server's language.
bool ServerLogReader::OnSpill(const Head& head) {
  if (head.sqlstate != "00000") return false;
  const std::string_view text = head.text;
  const size_t path = text.find("pgsql_tmp/pgsql_tmp");
  if (path == std::string_view::npos || path > kSpillPathMax) return false;
  std::string_view size = text.substr(text.find_last_not_of("0123456789") + 1);
  const auto bytes = TakeNumber<uint64_t>(size);
  if (!bytes) return false;
  if (log_.spills.size() >= kEventsMax) {
    ++log_.dropped;
  } else {
    log_.spills.push_back({head.leader != 0 ? head.leader : head.pid, head.wall_us, *bytes});
  }
  return true;
}

// "Process holding the lock: 11. Wait queue: 12, 13." or, with several, "Processes holding ...".
// "Process 12 waits for ShareLock on transaction 742; blocked by process 11."
void ServerLogReader::OnDetail(const Head& head) {
  if (last_ == Last::kNone || head.pid != last_pid_) return;
  if (last_ == Last::kDeadlock) {
    in_detail_ = true;
    OnContinuation(head.text);
    return;
  }
  LockWaitEvent* open = OpenWaitOf(head.pid);
  std::string_view text = head.text;
  const size_t colon = text.find(" holding the lock: ");
  if (open == nullptr || colon == std::string_view::npos || !open->queue.empty()) return;
  text.remove_prefix(colon + 19);
  open->holders = TakePids(text);
  if (TakeWord(text, ". Wait queue: ")) open->queue = TakePids(text);
}

// "while updating tuple (0,1) in relation "orders"", of a wait for a row's writer to end.
void ServerLogReader::OnContext(const Head& head) {
  if (last_ != Last::kWait || head.pid != last_pid_) return;
  LockWaitEvent* open = OpenWaitOf(head.pid);
  constexpr std::string_view kRelation = " in relation \"";
  const size_t at = head.text.find(kRelation);
  const size_t end = head.text.rfind('"');
  if (open == nullptr || at == std::string_view::npos || end < at + kRelation.size()) return;
  open->row_of = std::string(head.text.substr(at + kRelation.size(), end - at - kRelation.size()));
}

void ServerLogReader::OnContinuation(std::string_view line) {
  if (!in_detail_ || last_ != Last::kDeadlock || log_.deadlocks.empty()) return;
  DeadlockEvent& deadlock = log_.deadlocks.back();
  if (OnDeadlockQuery(deadlock, line)) return;
  if (!TakeWord(line, "Process ") || line.find(" waits for ") == std::string_view::npos) return;
  const auto pid = TakeNumber<uint32_t>(line);
  if (pid && deadlock.pids.size() < kListMax) deadlock.pids.push_back(*pid);
}

// "Process 12: UPDATE orders", behind the waits of all; a query's further lines follow.
bool ServerLogReader::OnDeadlockQuery(DeadlockEvent& deadlock, std::string_view line) {
  std::string_view rest = line;
  if (TakeWord(rest, "Process ")) {
    const auto pid = TakeNumber<uint32_t>(rest);
    const auto known = std::find(deadlock.pids.begin(), deadlock.pids.end(), pid.value_or(0));
    if (known != deadlock.pids.end() && TakeWord(rest, ": ")) {
      deadlock.queries.resize(deadlock.pids.size());
      std::string& query = deadlock.queries[static_cast<size_t>(known - deadlock.pids.begin())];
      if (query.empty()) {
        query_ = &query;
        AddToQuery(rest);
        return true;
      }
    }
  }
  if (query_ == nullptr) return false;
  if (!query_->empty()) AddToQuery("\n");
  AddToQuery(line);
  return true;
}

void ServerLogReader::AddToQuery(std::string_view text) {
  if (query_bytes_ + text.size() > kQueryBytesMax) return;
  query_bytes_ += text.size();
  query_->append(text);
}

}  // namespace scry::migration
