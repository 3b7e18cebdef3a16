#include "shadow/server_config.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "os/directory.h"

namespace scry::shadow {
namespace {

constexpr uint64_t kBlockBytes = 8192;
constexpr uint64_t kSharedBuffersMin = 16ULL << 20;
constexpr uint64_t kSharedBuffersDefault = 128ULL << 20;
constexpr uint64_t kSmallSharedMemory = 256ULL << 20;

constexpr std::array kCarriedNames = {
    // Planner.
    "constraint_exclusion", "cpu_index_tuple_cost", "cpu_operator_cost", "cpu_tuple_cost",
    "cursor_tuple_fraction", "default_statistics_target", "effective_cache_size",
    "effective_io_concurrency", "force_parallel_mode", "debug_parallel_query",
    "from_collapse_limit", "hash_mem_multiplier", "join_collapse_limit",
    "maintenance_io_concurrency", "min_parallel_index_scan_size", "min_parallel_table_scan_size",
    "parallel_leader_participation", "parallel_setup_cost", "parallel_tuple_cost",
    "plan_cache_mode", "random_page_cost", "recursive_worktable_factor", "seq_page_cost",
    // Resources.
    "commit_delay", "commit_siblings", "gin_fuzzy_search_limit", "gin_pending_list_limit",
    "logical_decoding_work_mem", "maintenance_work_mem", "max_connections", "max_files_per_process",
    "max_locks_per_transaction", "max_parallel_maintenance_workers", "max_parallel_workers",
    "max_parallel_workers_per_gather", "max_pred_locks_per_page", "max_pred_locks_per_relation",
    "max_pred_locks_per_transaction", "max_prepared_transactions", "max_stack_depth",
    "max_wal_size", "max_worker_processes", "min_wal_size", "shared_buffers", "synchronous_commit",
    "temp_buffers", "temp_file_limit", "wal_buffers", "wal_compression", "wal_level",
    "wal_log_hints", "work_mem",
    // What statements mean and what they answer.
    "array_nulls", "backslash_quote", "bytea_output", "check_function_bodies", "client_encoding",
    "client_min_messages", "createrole_self_grant", "DateStyle", "deadlock_timeout",
    "default_table_access_method", "default_text_search_config", "default_toast_compression",
    "default_transaction_deferrable", "default_transaction_isolation",
    "default_transaction_read_only", "escape_string_warning", "exit_on_error", "extra_float_digits",
    "icu_validation_level", "IntervalStyle", "lc_messages", "lc_monetary", "lc_numeric", "lc_time",
    "lo_compat_privileges", "lock_timeout", "operator_precedence_warning", "password_encryption",
    "quote_all_identifiers", "row_security", "search_path", "session_preload_libraries",
    "session_replication_role", "shared_preload_libraries", "standard_conforming_strings",
    "statement_timeout", "TimeZone", "timezone_abbreviations", "transform_null_equals",
    "vacuum_cost_delay", "vacuum_cost_limit", "vacuum_cost_page_dirty", "vacuum_cost_page_hit",
    "vacuum_cost_page_miss", "xmlbinary", "xmloption",
    // Statistics some queries read.
    "compute_query_id", "track_activities", "track_activity_query_size", "track_commit_timestamp",
    "track_counts", "track_functions", "track_io_timing"};

constexpr std::array kCarriedPrefixes = {"enable_",     "geqo",      "jit",
                                         "autovacuum_", "bgwriter_", "checkpoint_"};

// Extensions that do something on their own once loaded: run jobs, connect elsewhere, take backups.
constexpr std::array kActiveLibraries = {"pg_cron",
                                         "pg_partman_bgw",
                                         "pglogical",
                                         "bdr",
                                         "repmgr",
                                         "pg_squeeze",
                                         "pg_net",
                                         "citus",
                                         "pg_failover_slots",
                                         "spock",
                                         "pgautofailover",
                                         "pg_timetable",
                                         "timescaledb_bgw",
                                         "pgagent",
                                         "pgl_ddl_deploy",
                                         "basic_archive"};

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// A custom setting ("app.tenant"): letters, digits and underscores around single dots.
bool IsCustomName(std::string_view name) {
  if (name.find('.') == std::string_view::npos || Lower(name).starts_with("scry.")) return false;
  bool start = true;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (start ? !letter : !(letter || digit || c == '.' || c == '$')) return false;
    start = c == '.';
  }
  return !start;
}

const std::string* Find(const Settings& settings, std::string_view name) {
  const std::string* found = nullptr;
  for (const auto& [key, value] : settings) {
    if (SameSettingName(key, name)) found = &value;
  }
  return found;
}

int64_t NumberOf(const Settings& settings, std::string_view name, int64_t otherwise) {
  const std::string* text = Find(settings, name);
  int64_t value = otherwise;
  if (text != nullptr) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

std::string_view TrimBlanks(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\v\f");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\v\f") - begin + 1);
}

// The value at the front of `text`: 'quoted' (doubled quotes, backslash escapes) or up to white
// space or '#'.
std::string ParseValue(std::string_view text) {
  if (!text.starts_with("'")) return std::string(text.substr(0, text.find_first_of(" \t#")));
  std::string value;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\'') {
      if (i + 1 >= text.size() || text[i + 1] != '\'') break;
      ++i;
    } else if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      if (text[i] == 'n') {
        value.push_back('\n');
        continue;
      }
      if (text[i] == 't') {
        value.push_back('\t');
        continue;
      }
    }
    value.push_back(text[i]);
  }
  return value;
}

uint64_t FirstNumberIn(const std::string& path) {
  const auto text = os::LoadText(path);
  uint64_t value = 0;
  if (text.ok()) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

}  // namespace

bool SameSettingName(std::string_view a, std::string_view b) { return Lower(a) == Lower(b); }

bool IsCarried(std::string_view name) {
  const auto same = [&](const char* known) { return SameSettingName(name, known); };
  if (std::any_of(kCarriedNames.begin(), kCarriedNames.end(), same)) return true;
  const std::string lower = Lower(name);
  const bool prefixed = std::any_of(kCarriedPrefixes.begin(), kCarriedPrefixes.end(),
                                    [&](const char* prefix) { return lower.starts_with(prefix); });
  return prefixed || IsCustomName(name);
}

Settings ParseConfigText(std::string_view text) {
  Settings settings;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = TrimBlanks(text.substr(begin, end - begin));
    begin = end + 1;
    const size_t name_end = line.find_first_of(" \t=#");
    if (line.empty() || name_end == 0 || name_end == std::string_view::npos) continue;
    const std::string name(line.substr(0, name_end));
    std::string_view rest = TrimBlanks(line.substr(name_end));
    if (rest.starts_with("=")) rest = TrimBlanks(rest.substr(1));
    if (rest.empty() || rest.starts_with("#") || name.starts_with("include")) continue;
    std::erase_if(settings,
                  [&](const auto& setting) { return SameSettingName(setting.first, name); });
    settings.emplace_back(name, ParseValue(rest));
  }
  return settings;
}

std::string QuoteSetting(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    switch (c) {
      case '\'':
        out += "''";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        out.push_back(c);
    }
  }
  return out + "'";
}

uint64_t ParseBlocks(std::string_view text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || number < 0 || number > 1e15) return 0;
  const std::string_view unit = TrimBlanks({rest, static_cast<size_t>(end - rest)});
  double scale = 0;
  if (unit.empty()) scale = static_cast<double>(kBlockBytes);
  if (unit == "B") scale = 1;
  if (unit == "kB") scale = 1024.0;
  if (unit == "MB") scale = 1048576.0;
  if (unit == "GB") scale = 1073741824.0;
  if (unit == "TB") scale = 1099511627776.0;
  return static_cast<uint64_t>(std::min(number * scale, 9e18));
}

Settings ComposeSettings(const ServerConfig& config) {
  Settings all;
  for (const auto& setting : config.carried) {
    if (IsCarried(setting.first)) all.push_back(setting);
  }
  uint64_t buffers = kSharedBuffersDefault;
  if (const std::string* given = Find(all, "shared_buffers")) buffers = ParseBlocks(*given);
  if (config.memory_bytes != 0) {
    const auto lanes = static_cast<uint64_t>(std::max(2, config.lanes));
    buffers = std::min(buffers, config.memory_bytes / (4 * lanes));
  }
  buffers = std::max(buffers, kSharedBuffersMin);
  // Replay adds its own connections to those the source allowed.
  const int64_t connections =
      std::max<int64_t>({NumberOf(all, "max_connections", 100), config.connections_min, 100}) + 20;

  const auto set = [&](const char* name, const std::string& value) {
    all.emplace_back(name, value);
  };
  set("shared_buffers", fmt::format("{}kB", buffers / 1024));
  set("max_connections", std::to_string(std::min<int64_t>(connections, 262143)));
  set("listen_addresses", "");
  set("port", "5432");
  set("ssl", "off");
  set("unix_socket_permissions", "0700");
  // A private copy that is thrown away after a crash of the machine: durability would only add
  // noise.
  set("fsync", "off");
  set("full_page_writes", "on");
  // Without it statistics age on a lane as they would not in production.
  set("autovacuum", "on");
  // Otherwise a sequential scan starts where another one is, and rows come in another order.
  set("synchronize_seqscans", "off");
  set("huge_pages", "off");
  if (config.small_shared_memory) set("dynamic_shared_memory_type", "mmap");
  // It must neither wait for nor talk to anything.
  set("synchronous_standby_names", "");
  set("archive_mode", "off");
  set("archive_command", "");
  set("restore_command", "");
  set("primary_conninfo", "");
  set("max_wal_senders", "0");
  set("max_logical_replication_workers", "0");
  set("log_destination", "stderr");
  set("logging_collector", "off");
  set("log_min_messages", "warning");
  set("log_min_error_statement", "panic");
  set("log_line_prefix", "%m [%p] ");
  set("cluster_name", config.cluster_name);
  all.insert(all.end(), config.extra.begin(), config.extra.end());
  if (!config.marker.empty()) set("scry.shadow", config.marker);
  return all;
}

std::string RenderConfig(const Settings& settings) {
  std::string text = "# Written by scry at each start of this private server. Changes are lost.\n";
  for (const auto& [name, value] : settings) text += name + " = " + QuoteSetting(value) + "\n";
  return text;
}

base::Status WriteServerFiles(const std::string& data_dir, const Settings& settings,
                              const os::User& owner, bool loopback) {
  for (const char* name :
       {"standby.signal", "recovery.signal", "recovery.conf", "postmaster.opts",
        "postgresql.auto.conf", "postgresql.conf", "pg_hba.conf", "pg_ident.conf"}) {
    SCRY_TRY(os::RemoveTree(data_dir + "/" + name));
  }
  SCRY_TRY(os::StoreText(data_dir + "/postgresql.conf", RenderConfig(settings), 0600, owner));
  SCRY_TRY(os::StoreText(data_dir + "/postgresql.auto.conf", "", 0600, owner));
  // The socket folder is open to the server's user alone: whoever gets there may be any role.
  std::string hba = "local all all trust\n";
  if (loopback) hba += "host all all 127.0.0.1/32 scram-sha-256\n";
  SCRY_TRY(os::StoreText(data_dir + "/pg_hba.conf", hba, 0600, owner));
  return os::StoreText(data_dir + "/pg_ident.conf", "", 0600, owner);
}

std::string UsablePreloadLibraries(std::string_view wanted, const std::vector<std::string>& folders,
                                   std::vector<std::string>& dropped) {
  std::string usable;
  for (size_t begin = 0; begin <= wanted.size();) {
    const size_t end = std::min(wanted.find(',', begin), wanted.size());
    std::string_view name = TrimBlanks(wanted.substr(begin, end - begin));
    begin = end + 1;
    if (name.size() >= 2 && name.front() == '"' && name.back() == '"')
      name = name.substr(1, name.size() - 2);
    if (name.empty()) continue;
    std::string_view plain = name.starts_with("$libdir/") ? name.substr(8) : name;
    if (plain.ends_with(".so")) plain.remove_suffix(3);
    const bool active = std::any_of(kActiveLibraries.begin(), kActiveLibraries.end(),
                                    [&](const char* known) { return plain == known; });
    const bool here = plain.find('/') == std::string_view::npos &&
                      plain.find('"') == std::string_view::npos &&
                      std::any_of(folders.begin(), folders.end(), [&](const std::string& folder) {
                        return access(fmt::format("{}/{}.so", folder, plain).c_str(), R_OK) == 0;
                      });
    if (active || !here) {
      dropped.emplace_back(name);
      continue;
    }
    if (!usable.empty()) usable += ", ";
    usable += fmt::format("\"{}\"", plain);
  }
  return usable;
}

uint64_t MachineMemoryBytes() {
  const auto pages = sysconf(_SC_PHYS_PAGES);
  const auto page = sysconf(_SC_PAGESIZE);
  uint64_t bytes = pages > 0 && page > 0
                       ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(page)
                       : 1ULL << 30;
  for (const char* limit :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    if (const uint64_t allowed = FirstNumberIn(limit); allowed > 0)
      bytes = std::min(bytes, allowed);
  }
  return bytes;
}

bool SharedMemoryIsSmall() {
  struct statvfs info {};
  if (statvfs("/dev/shm", &info) != 0) return true;
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize < kSmallSharedMemory;
}

}  // namespace scry::shadow
