#include "job/source_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "pg/connection.h"

namespace scry::job {
namespace {

using base::Fail;
using base::Result;
using base::Status;
using nlohmann::json;

// Each read takes a lock on its sequence until the transaction ends, and the server's lock table is
// shared by all: some at a time.
constexpr size_t kSequencesAtOnce = 100;

// What changes what statements return, how they fail, or how they are planned. In the units of
// pg_settings, which SET takes, too.
constexpr const char* kSettings =
    "select coalesce(json_agg(json_build_array(name, value) order by name), '[]') from ("
    "select name, reset_val as value from pg_settings where reset_val is not null and name in ("
    "'DateStyle', 'IntervalStyle', 'TimeZone', 'array_nulls', 'backslash_quote', 'bytea_output', "
    "'check_function_bodies', 'cursor_tuple_fraction', 'default_statistics_target', "
    "'default_table_access_method', 'default_tablespace', 'default_text_search_config', "
    "'default_transaction_deferrable', 'default_transaction_isolation', "
    "'default_transaction_read_only', 'effective_cache_size', 'escape_string_warning', "
    "'extra_float_digits', 'from_collapse_limit', 'idle_in_transaction_session_timeout', "
    "'integer_datetimes', 'jit', 'join_collapse_limit', 'lc_messages', 'lc_monetary', "
    "'lc_numeric', 'lc_time', 'lo_compat_privileges', 'lock_timeout', "
    "'max_parallel_workers_per_gather', 'max_prepared_transactions', 'plan_cache_mode', "
    "'random_page_cost', 'row_security', 'search_path', 'seq_page_cost', 'server_encoding', "
    "'session_replication_role', 'standard_conforming_strings', 'statement_timeout', "
    "'synchronize_seqscans', 'timezone_abbreviations', 'transform_null_equals', 'work_mem', "
    "'xmlbinary', 'xmloption') "
    // From 16 on these two are no settings any more.
    "union all select 'lc_collate', datcollate::text from pg_database "
    "where datname = current_database() "
    "union all select 'lc_ctype', datctype::text from pg_database "
    "where datname = current_database()) s where value is not null";

constexpr const char* kExtensions =
    "select coalesce(json_agg(json_build_array(extname, extversion) order by extname), '[]') "
    "from pg_extension";

constexpr const char* kLsn =
    "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() "
    "else pg_current_wal_lsn() end::text";

constexpr const char* kSequences =
    "select coalesce(json_agg(json_build_array(nspname, relname, seqincrement, seqcache, "
    "case when has_sequence_privilege(seqrelid, 'SELECT') "
    "and has_schema_privilege(namespace, 'USAGE') then format('%I.%I', nspname, relname) end)), "
    "'[]') from (select n.oid as namespace, n.nspname, c.relname, s.* from pg_sequence s "
    "join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace "
    "where c.relpersistence <> 't' order by n.nspname, c.relname limit ";

constexpr const char* kTypes =
    "select coalesce(json_agg(json_build_array(oid::bigint, nspname, typname, typtype::text, "
    "typelem::bigint, typarray::bigint)), '[]') from ("
    "select t.oid, n.nspname, t.typname, t.typtype, t.typelem, t.typarray from pg_type t "
    "join pg_namespace n on n.oid = t.typnamespace "
    "where n.nspname !~ '^pg_(toast$|temp_|toast_temp_)' and (t.oid >= 16384 "
    "or exists (select from pg_depend d where d.classid = 'pg_type'::regclass "
    "and d.objid = t.oid and d.deptype = 'e')) order by t.oid limit ";

// The first relation past the limit of columns comes without them. {0}: columns, {1}: relations.
constexpr const char* kRelations =
    "select coalesce(json_agg(json_build_array(oid::bigint, nspname, relname, relkind::text, "
    "case when upto <= {0} then (select coalesce(json_agg("
    "case when a.attisdropped then '' else a.attname::text end order by a.attnum), '[]') "
    "from pg_attribute a where a.attrelid = r.oid and a.attnum > 0) end, "
    "case when relkind in ('r', 'm') and relpages > 0 then current_setting('block_size')::bigint * "
    "(relpages::bigint + coalesce((select sum(i.relpages) from pg_index x "
    "join pg_class i on i.oid = x.indexrelid where x.indrelid = r.oid), 0) "
    "+ coalesce((select t.relpages from pg_class t where t.oid = r.reltoastrelid), 0)) end) "
    "order by oid), '[]') "
    "from (select c.oid, n.nspname, c.relname, c.relkind, c.relnatts, c.relpages, c.reltoastrelid, "
    "sum(c.relnatts) over (order by c.oid) as upto from pg_class c "
    "join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f') "
    "and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') "
    "and n.nspname !~ '^pg_(temp_|toast_temp_)' order by c.oid limit {1}) r "
    "where upto - relnatts <= {0}";

pg::ConnInfo ProbeInfo(const pg::ConnInfo& source) {
  pg::ConnInfo info = source;
  info.Set("client_encoding", "UTF8");
  info.Set("application_name", "scry capture");
  // A network that swallows packets must end a statement, as the server's timeout cannot.
  if (!info.Has("tcp_user_timeout")) info.Set("tcp_user_timeout", "10000");
  return info;
}

// Runs statements in transactions that can only read, one each.
class SourceReader {
 public:
  SourceReader(pg::Connection connection, const SourceProbeLimits& limits)
      : connection_(std::move(connection)),
        limits_(limits),
        begin_(fmt::format("begin read only; set local statement_timeout = {}; "
                           "set local lock_timeout = {}",
                           limits.statement_us / 1000, limits.statement_us / 1000)),
        started_us_(base::SystemClock().MonotonicUs()) {}

  static Result<SourceReader> Connect(const pg::ConnInfo& source, const SourceProbeLimits& limits) {
    SCRY_TRY_ASSIGN(pg::Connection connection,
                    pg::Connection::Connect(ProbeInfo(source), limits.connect_us));
    return SourceReader(std::move(connection), limits);
  }

  Result<std::string> Value(const std::string& sql) {
    if (base::SystemClock().MonotonicUs() - started_us_ > limits_.total_us) {
      return Fail("it took too long");
    }
    SCRY_TRY(connection_.QueryValue(begin_));
    auto value = connection_.QueryValue(sql);
    const auto ended = connection_.QueryValue(value.ok() ? "commit" : "rollback");
    if (!value.ok()) return value.error();
    if (!ended.ok()) return ended.error();
    return value->value_or(std::string());
  }
  // An array of arrays of at least `width` members.
  Result<json> Table(const std::string& sql, size_t width) {
    SCRY_TRY_ASSIGN(const std::string text, Value(sql));
    json table = json::parse(text, nullptr, /*allow_exceptions=*/false);
    const bool fits = table.is_array() && std::all_of(table.begin(), table.end(), [&](auto& row) {
                        return row.is_array() && row.size() >= width;
                      });
    if (!fits) return Fail("the answer cannot be read (names that are no UTF-8?)");
    return table;
  }
  const pg::Connection& connection() const { return connection_; }

 private:
  pg::Connection connection_;
  const SourceProbeLimits& limits_;
  const std::string begin_;
  const base::Micros started_us_;
};

std::string Text(const json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}
char Letter(const json& value) {
  const std::string text = Text(value);
  return text.empty() ? '?' : text[0];
}
int64_t Number(const json& value) {
  return value.is_number_integer() ? value.get<int64_t>() : int64_t{0};
}
uint32_t Oid(const json& value) { return static_cast<uint32_t>(Number(value)); }

class SnapshotMaker {
 public:
  SnapshotMaker(SourceReader& reader, const SourceProbeLimits& limits,
                event::SourceSnapshot& snapshot)
      : reader_(reader), limits_(limits), snapshot_(snapshot) {}

  void Make() {
    Step("settings", [this] { return Pairs(kSettings, snapshot_.settings); });
    Step("extensions", [this] { return Pairs(kExtensions, snapshot_.extensions); });
    Step("sequences", [this] { return Sequences(); });
    Step("types", [this] { return Types(); });
    Step("relations", [this] { return Relations(); });
    // Last: nearest to the first client.
    Step("position in the WAL", [this]() -> Status {
      SCRY_TRY_ASSIGN(snapshot_.wal_lsn, reader_.Value(kLsn));
      return {};
    });
  }

 private:
  void Step(const char* what, const std::function<Status()>& read) {
    const Status done = read();
    if (!done.ok()) Note(fmt::format("{}: {}", what, done.error().message));
  }
  void Note(std::string text) { snapshot_.notes.push_back(std::move(text)); }
  void Cut(const char* what, uint64_t limit) {
    snapshot_.complete = false;
    Note(fmt::format("{}: only the first {}", what, limit));
  }

  Status Pairs(const std::string& sql, event::Settings& out) {
    SCRY_TRY_ASSIGN(const json table, reader_.Table(sql, 2));
    for (const json& row : table) out.emplace_back(Text(row[0]), Text(row[1]));
    return {};
  }

  Status Sequences() {
    const uint64_t limit = limits_.sequences_max;
    SCRY_TRY_ASSIGN(const json table,
                    reader_.Table(fmt::format("{}{}) s", kSequences, limit + 1), 5));
    std::vector<std::pair<size_t, std::string>> readable;  // Index and name for SQL.
    for (const json& row : table) {
      if (snapshot_.sequences.size() == limit) {
        Cut("sequences", limit);
        break;
      }
      event::SequenceState& sequence = snapshot_.sequences.emplace_back();
      sequence.schema = Text(row[0]);
      sequence.name = Text(row[1]);
      sequence.increment = Number(row[2]);
      sequence.cache = Number(row[3]);
      if (row[4].is_string()) readable.emplace_back(snapshot_.sequences.size() - 1, Text(row[4]));
    }
    for (size_t from = 0; from < readable.size(); from += kSequencesAtOnce) {
      const size_t to = std::min(readable.size(), from + kSequencesAtOnce);
      if (ReadStates(readable, from, to).ok()) continue;
      // One of them was dropped meanwhile, or is locked: the others need not suffer.
      for (size_t i = from; i < to; ++i) static_cast<void>(ReadStates(readable, i, i + 1));
    }
    const auto unread =
        std::count_if(snapshot_.sequences.begin(), snapshot_.sequences.end(),
                      [](const auto& sequence) { return !sequence.last_value.has_value(); });
    if (unread > 0) Note(fmt::format("sequences: {} could not be read", unread));
    return {};
  }

  Status ReadStates(const std::vector<std::pair<size_t, std::string>>& readable, size_t from,
                    size_t to) {
    std::string sql = "select json_agg(json_build_array(i, last_value, is_called)) from (";
    for (size_t i = from; i < to; ++i) {
      sql += fmt::format("{}select {} as i, last_value, is_called from {}",
                         i == from ? "" : " union all ", readable[i].first, readable[i].second);
    }
    SCRY_TRY_ASSIGN(const json table, reader_.Table(sql + ") s", 3));
    for (const json& row : table) {
      const auto index = static_cast<uint64_t>(Number(row[0]));
      if (index >= snapshot_.sequences.size() || !row[1].is_number_integer()) continue;
      snapshot_.sequences[index].last_value = Number(row[1]);
      snapshot_.sequences[index].is_called = row[2].is_boolean() && row[2].get<bool>();
    }
    return {};
  }

  Status Types() {
    const uint64_t limit = limits_.types_max;
    SCRY_TRY_ASSIGN(const json table, reader_.Table(fmt::format("{}{}) t", kTypes, limit + 1), 6));
    for (const json& row : table) {
      if (snapshot_.types.size() == limit) {
        Cut("types", limit);
        break;
      }
      snapshot_.types.push_back(
          {Oid(row[0]), Text(row[1]), Text(row[2]), Letter(row[3]), Oid(row[4]), Oid(row[5])});
    }
    return {};
  }

  Status Relations() {
    const uint64_t limit = limits_.relations_max;
    SCRY_TRY_ASSIGN(const json table,
                    reader_.Table(fmt::format(kRelations, limits_.columns_max, limit + 1), 6));
    for (const json& row : table) {
      if (snapshot_.relations.size() == limit) {
        Cut("relations", limit);
        break;
      }
      if (!row[4].is_array()) {
        Cut("relations: columns", limits_.columns_max);
        break;
      }
      event::SourceRelation& relation = snapshot_.relations.emplace_back();
      relation.oid = Oid(row[0]);
      relation.schema = Text(row[1]);
      relation.name = Text(row[2]);
      relation.kind = Letter(row[3]);
      for (const json& column : row[4]) relation.columns.push_back(Text(column));
      if (row[5].is_number_unsigned()) relation.bytes = row[5].get<uint64_t>();
    }
    return {};
  }

  SourceReader& reader_;
  const SourceProbeLimits& limits_;
  event::SourceSnapshot& snapshot_;
};

}  // namespace

Result<SourceFacts> ProbeSource(const pg::ConnInfo& source, const SourceProbeLimits& limits) {
  SCRY_TRY_ASSIGN(SourceReader reader, SourceReader::Connect(source, limits));
  SourceFacts facts;
  facts.server_version = reader.connection().ParameterStatus("server_version");
  facts.snapshot.server_version = reader.connection().server_version();
  facts.snapshot.database = source.Get("dbname");
  SnapshotMaker(reader, limits, facts.snapshot).Make();
  return facts;
}

Result<TransactionCounts> CountTransactions(const pg::ConnInfo& source,
                                            const SourceProbeLimits& limits) {
  SCRY_TRY_ASSIGN(SourceReader reader, SourceReader::Connect(source, limits));
  SCRY_TRY_ASSIGN(const json table,
                  reader.Table("select json_build_array(json_build_array(xact_commit, "
                               "xact_rollback)) from pg_stat_database "
                               "where datname = current_database()",
                               2));
  if (table.size() != 1 || !table[0][0].is_number_unsigned() || !table[0][1].is_number_unsigned()) {
    return Fail("the server has no counts of transactions");
  }
  return TransactionCounts{table[0][0].get<uint64_t>(), table[0][1].get<uint64_t>()};
}

}  // namespace scry::job
