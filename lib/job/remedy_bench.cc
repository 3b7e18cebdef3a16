#include "job/remedy_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace scry::job {
namespace {

using base::Micros;
using base::Result;
using base::Status;

constexpr std::chrono::milliseconds kPoll(50);
constexpr const char* kCanceled = "57014";  // By the timeout or by us.

}  // namespace

Result<RemedyBench> RemedyBench::Open(const pg::ConnInfo& candidate, const RunWatch& watch) {
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::ConnectToWrite(candidate));
  SCRY_TRY_ASSIGN(const pg::Rows path, session.Exec("SET search_path = public"));
  SCRY_TRY_ASSIGN(const pg::Rows pid, session.Exec("SELECT pg_catalog.pg_backend_pid()"));
  return RemedyBench(std::move(session), candidate, pid.Single().value_or("0"), watch);
}

Result<pg::Rows> RemedyBench::Run(const std::string& sql, Micros timeout_us) {
  SCRY_TRY(watch_->Check());
  SCRY_TRY_ASSIGN(const pg::Rows set,
                  session_.Exec(fmt::format("SET statement_timeout = {}",
                                            std::max<Micros>(timeout_us / 1000, 1))));
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Result<pg::Rows>> done;
  {
    const std::jthread runner([&] {
      Result<pg::Rows> answer = session_.Exec(sql);
      const std::lock_guard lock(mutex);
      done.emplace(std::move(answer));
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    bool canceled = false;
    while (!changed.wait_for(lock, kPoll, [&] { return done.has_value(); })) {
      if (canceled || watch_->Check().ok()) continue;
      canceled = true;
      lock.unlock();
      auto other = pg::AdminSession::Connect(candidate_);
      if (other.ok()) (void)other->Exec("SELECT pg_catalog.pg_cancel_backend(" + pid_ + ")").ok();
      lock.lock();
    }
  }
  SCRY_TRY_ASSIGN(const pg::Rows reset, session_.Exec("SET statement_timeout = 0"));
  return std::move(*done);
}

Result<RemedyBench::Outcome> RemedyBench::Make(const cause::Remedy& remedy, Micros timeout_us) {
  Standing standing{remedy.made, {}, 0};
  const Micros began_us = base::SystemClock().MonotonicUs();
  for (const cause::RemedyStep& step : remedy.steps) {
    const Micros left_us = timeout_us - (base::SystemClock().MonotonicUs() - began_us);
    const auto done = Run(step.apply, left_us);
    if (done.ok()) {
      if (!step.undo.empty()) standing.undo.insert(standing.undo.begin(), step.undo);
      continue;
    }
    const Status undone = TakeAway(standing);
    SCRY_TRY(watch_->Check());
    SCRY_TRY(undone);
    return done.error().sqlstate == kCanceled ? Outcome::kTooLong : Outcome::kRefused;
  }
  standing.build_us = base::SystemClock().MonotonicUs() - began_us;
  standing_.push_back(std::move(standing));
  return Outcome::kMade;
}

Status RemedyBench::TakeAway(const Standing& standing) {
  for (const std::string& sql : standing.undo) {
    const auto done = session_.Exec(sql);
    if (!done.ok()) return done.error();
  }
  return {};
}

Status RemedyBench::Undo(const cause::Remedy& remedy) {
  const auto found = std::find_if(standing_.begin(), standing_.end(),
                                  [&](const Standing& one) { return one.made == remedy.made; });
  if (found == standing_.end()) return {};
  const Standing standing = std::move(*found);
  standing_.erase(found);
  return TakeAway(standing);
}

Status RemedyBench::UndoAll() {
  Status first;
  for (; !standing_.empty(); standing_.pop_back()) {
    Status done = TakeAway(standing_.back());
    if (first.ok()) first = std::move(done);
  }
  return first;
}

RemedyBench::Made RemedyBench::LookAt(const cause::Remedy& remedy) {
  Made made;
  for (const Standing& standing : standing_) {
    if (standing.made == remedy.made) made.build_us = standing.build_us;
  }
  const auto rows = session_.Exec(fmt::format(
      "SELECT c.relname, CASE c.relkind WHEN 'i' THEN pg_catalog.pg_relation_size(c.oid) "
      "ELSE 0 END FROM pg_catalog.pg_class c WHERE c.relkind IN ('i', 'I') AND (c.oid = "
      "pg_catalog.to_regclass({0}) OR c.oid IN (SELECT relid FROM "
      "pg_catalog.pg_partition_tree(pg_catalog.to_regclass({0}))))",
      session_.Quote(remedy.made)));
  if (!rows.ok()) return made;
  for (const auto& row : rows->rows) {
    made.indexes.insert(row[0].value_or(""));
    made.size_bytes += std::strtoull(row[1].value_or("0").c_str(), nullptr, 10);
  }
  return made;
}

}  // namespace scry::job
