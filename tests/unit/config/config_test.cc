#include "config/config.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "config/yaml_node.h"
#include "support/catch.h"

namespace scry::config {
namespace {

using base::ErrorCode;

constexpr const char* kContract = R"(version: 1
databases:
  prod-db:
    source: ${PROD_DATABASE_URL}
    captures: [captures/prod-db]
    shadows:
      ci-main:
        provider: physical
      copy:
        provider: directory
        directory: /var/lib/copy
        dbname: shop
      dumped:
        provider: dump
        source: ${DUMP_URL}
  other:
    source: ${OTHER_URL}
    shadows:
      ci:
        provider: dump
policy:
  latency: { min_ratio: 1.25, min_delta: 0.5ms, confidence: 0.95, min_share: 2%, min_pairs: 20, min_tail_ratio: 2, min_tail_pairs: 500 }
  new: { min_ratio: 4, min_delta: 2ms, min_samples: 7 }
  work: { min_ratio: 2, min_blocks: 50, min_wal: 1MB, min_share: 5% }
  gate: [error, latency, budget]
  lock: { max_wait: 2s, max_blocked: 3 }
  fidelity_floor: 0.99
  budgets:
    - { pattern: "select * from orders%", p99: 50ms }
    - { table: public.carts, p99: 1s }
  ignore:
    - { pattern: "select * from audit%", finding: latency, reason: "nightly only", until: 2028-02-29 }
    - pattern: truncate%
      reason: test data
    - { finding: more-work-00f3a9c0d1e2f3a4, reason: "accepted" }
)";

Config MustParse(std::string_view text, Environment environment = {}) {
  auto parsed = Parse(text, "scry.yaml", std::move(environment));
  INFO((parsed.ok() ? "" : parsed.error().message));
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}

std::string Refused(std::string_view text) {
  const auto parsed = Parse(text, "scry.yaml", {});
  if (parsed.ok()) return "(taken)";
  CHECK(parsed.error().code == ErrorCode::kUsage);
  CHECK(parsed.error().message.find('\n') == std::string::npos);
  return parsed.error().message;
}

// With what a correct file needs in front, so that each case shows its own fault only. Line 2
// follows.
std::string RefusedAfterVersion(const std::string& text) { return Refused("version: 1\n" + text); }

class Folder {
 public:
  Folder() {
    char path[] = "/tmp/scry-config-test-XXXXXX";
    REQUIRE(mkdtemp(path) != nullptr);
    path_ = path;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  void Make(const std::string& name) const { std::filesystem::create_directories(Path(name)); }
  void Write(const std::string& name, std::string_view text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
  }

 private:
  std::string path_;
};

TEST_CASE("the file of the contract becomes the options of the modules", "[config]") {
  const Config config = MustParse(
      kContract, {{"PROD_DATABASE_URL", "postgresql://prod/shop"}, {"DUMP_URL", "host=replica"}});
  CHECK(config.DatabaseNames() == std::vector<std::string>{"other", "prod-db"});
  CHECK(config.ShadowNames() ==
        std::vector<std::string>{"other/ci", "prod-db/ci-main", "prod-db/copy", "prod-db/dumped"});

  const auto database = config.FindDatabase("prod-db");
  REQUIRE(database.ok());
  CHECK(database->name == "prod-db");
  CHECK(database->source == "postgresql://prod/shop");
  CHECK(database->captures == std::vector<std::string>{"captures/prod-db"});

  const auto physical = config.FindShadow("prod-db/ci-main");
  REQUIRE(physical.ok());
  CHECK(physical->name.Text() == "prod-db/ci-main");
  CHECK(physical->provider == shadow::ProviderKind::kPhysical);
  CHECK(physical->source == "postgresql://prod/shop");
  CHECK(physical->directory.empty());

  const auto copy = config.FindShadow("prod-db/copy");
  REQUIRE(copy.ok());
  CHECK(copy->provider == shadow::ProviderKind::kDirectory);
  CHECK(copy->directory == "/var/lib/copy");
  CHECK(copy->dbname == "shop");
  CHECK(copy->source.empty());

  const auto dumped = config.FindShadow("prod-db/dumped");
  REQUIRE(dumped.ok());
  CHECK(dumped->provider == shadow::ProviderKind::kDump);
  CHECK(dumped->source == "host=replica");

  const compare::Policy& policy = config.policy();
  CHECK(policy.latency.min_ratio == 1.25);
  CHECK(policy.latency.min_delta_us == 500);
  CHECK(policy.latency.confidence == 0.95);
  CHECK(policy.latency.min_share == 0.02);
  CHECK(policy.latency.min_pairs == 20);
  CHECK(policy.latency.min_tail_ratio == 2);
  CHECK(policy.latency.min_tail_pairs == 500);
  CHECK(policy.new_pattern.min_ratio == 4);
  CHECK(policy.new_pattern.min_delta_us == 2000);
  CHECK(policy.new_pattern.min_samples == 7);
  CHECK(policy.work.min_ratio == 2);
  CHECK(policy.work.min_blocks == 50);
  CHECK(policy.work.min_wal_bytes == 1'000'000);
  CHECK(policy.work.min_share == 0.05);
  CHECK(policy.gate.error);
  CHECK_FALSE(policy.gate.work);
  CHECK_FALSE(policy.gate.result);
  CHECK(policy.gate.latency);
  CHECK(policy.fidelity_floor == 0.99);

  CHECK(policy.gate.budget);
  CHECK(policy.lock.max_wait_us == 2'000'000);
  CHECK(policy.lock.max_blocked == 3);
  REQUIRE(policy.budgets.size() == 2);
  CHECK(policy.budgets[0].pattern == "select * from orders%");
  CHECK(policy.budgets[0].p99_us == 50'000);
  CHECK(policy.budgets[1].table == "public.carts");
  CHECK(policy.budgets[1].place == "scry.yaml:30");

  REQUIRE(policy.ignore.size() == 3);
  CHECK(policy.ignore[0].pattern == "select * from audit%");
  CHECK(policy.ignore[0].finding == "latency");
  CHECK(policy.ignore[0].reason == "nightly only");
  using namespace std::chrono;
  CHECK((policy.ignore[0].until == year{2028} / month{2} / day{29}));
  CHECK(policy.ignore[0].place == "scry.yaml:32");
  CHECK(policy.ignore[1].finding.empty());
  CHECK_FALSE(policy.ignore[1].until.has_value());
  CHECK(policy.ignore[2].finding == "more-work-00f3a9c0d1e2f3a4");
  CHECK(policy.ignore[2].pattern.empty());
}

TEST_CASE("the sample configuration is one that scry takes", "[config]") {
  const std::string file = std::string(SCRY_EXAMPLES_DIR) + "/missing-index/scry.yaml";
  const auto config = Load(file, {{"SHOP_DATABASE_URL", "a"}, {"SHOP_REPLICA_URL", "b"}});
  INFO((config.ok() ? "" : config.error().message));
  REQUIRE(config.ok());
  CHECK(config->ShadowNames() == std::vector<std::string>{"shop/ci", "shop/local"});
  CHECK(config->FindShadow("shop/local")->source == "b");
  // Copied as it stands, it disarms nothing that gates by default.
  const compare::GatePolicy gate = config->policy().gate;
  CHECK((gate.error && gate.result && gate.latency && gate.work && gate.budget && gate.lock));
}

TEST_CASE("a file that says nothing of the policy leaves the defaults", "[config]") {
  const Config config = MustParse("version: 1\n");
  CHECK(config.policy().latency.min_delta_us == compare::LatencyPolicy().min_delta_us);
  CHECK(config.policy().gate.result);
  CHECK(config.policy().gate.work);
  CHECK(config.DatabaseNames().empty());
}

TEST_CASE("what is a migration can be told", "[config]") {
  const Config config =
      MustParse("version: 1\nmigrations: { paths: [db/*.sql, x], ignore: ['*/old/*'] }\n", {});
  CHECK(config.migrations().paths == std::vector<std::string>{"db/*.sql", "x"});
  CHECK(config.migrations().ignore == std::vector<std::string>{"*/old/*"});
  CHECK(MustParse("version: 1\n", {}).migrations().paths.empty());
}

TEST_CASE("a missing variable is an error only for the entry that needs it", "[config]") {
  const Config config = MustParse(kContract, {{"PROD_DATABASE_URL", "x"}, {"OTHER_URL", ""}});
  CHECK(config.FindDatabase("prod-db").ok());
  CHECK(config.FindShadow("prod-db/copy").ok());
  const auto unset = config.FindShadow("prod-db/dumped");
  REQUIRE_FALSE(unset.ok());
  CHECK(unset.error().code == ErrorCode::kUsage);
  CHECK(unset.error().message ==
        "scry.yaml:15:17: environment variable DUMP_URL is not set; set it");
  const auto empty = config.FindDatabase("other");
  REQUIRE_FALSE(empty.ok());
  CHECK(empty.error().message ==
        "scry.yaml:17:13: environment variable OTHER_URL is empty; set it");
  const auto told = config.FindDatabase("other", Unset::kTold);
  REQUIRE(told.ok());
  CHECK(told->source.empty());
  CHECK(told->source_unset == empty.error().message);
}

TEST_CASE("variables are replaced wherever they stand, once, and dollars are kept", "[config]") {
  const auto expand = [](const std::string& text) {
    const Environment environment = {{"A", "${B}"}, {"B", "bee"}, {"_x9", "n"}};
    auto out = Expand({text, {}}, environment, "scry.yaml");
    return out.ok() ? *out : out.error().message;
  };
  CHECK(expand("host=${B} user=${_x9}") == "host=bee user=n");
  CHECK(expand("${B}${B}") == "beebee");
  CHECK(expand("${A}") == "${B}");  // What comes from the environment is not looked at again.
  CHECK(expand("pa$$word$1$") == "pa$$word$1$");
  CHECK(expand("$${B}") == "${B}");
  CHECK(expand("") == "");
  const std::string wrong = "scry.yaml:1:1: a variable is written ${NAME}, and the text ${ is $${";
  for (const char* text :
       {"${", "a${B", "${}", "${1A}", "${A B}", "${A-b}", "${A:-x}", "${${A}}"}) {
    CHECK(expand(text) == wrong);
  }
}

TEST_CASE("a malformed variable is found when the file is read", "[config]") {
  CHECK(RefusedAfterVersion("databases:\n  a:\n    source: ${PROD\n") ==
        "scry.yaml:4:13: a variable is written ${NAME}, and the text ${ is $${");
}

TEST_CASE("an unknown name lists the known ones", "[config]") {
  const Config config = MustParse(kContract);
  const auto message = [&](const char* name) {
    const auto found = config.FindShadow(name);
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code == ErrorCode::kNotFound);
    return found.error().message;
  };
  const std::string known = "other/ci, prod-db/ci-main, prod-db/copy, prod-db/dumped";
  CHECK(message("prod-db/ci-mian") ==
        "scry.yaml has no shadow 'prod-db/ci-mian'; did you mean 'prod-db/ci-main'? Known: " +
            known);
  CHECK(message("zzz/yyyyy") == "scry.yaml has no shadow 'zzz/yyyyy'; known: " + known);
  const auto database = config.FindDatabase("prod");
  REQUIRE_FALSE(database.ok());
  CHECK(database.error().code == ErrorCode::kNotFound);
  CHECK(database.error().message == "scry.yaml has no database 'prod'; known: other, prod-db");
  const auto none = MustParse("version: 1\n").FindShadow("a/b");
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().message ==
        "scry.yaml has no shadow 'a/b', and no other; add one under databases:");
}

TEST_CASE("what is no DATABASE/SHADOW is wrong usage", "[config]") {
  for (const char* text : {"", "/", "prod-db", "prod-db/", "/ci", "a/b/c", "../x", "a/..", "a b/c",
                           "-a/b", "a/\x1b[2J"}) {
    const auto parsed = ParseShadowName(text);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == ErrorCode::kUsage);
  }
  CHECK(ParseShadowName("prod-db").error().message ==
        "'prod-db' names no shadow; write DATABASE/SHADOW, as in prod-db/ci-main");
  CHECK(ParseShadowName("a/\x1b[2J").error().message ==
        "'a/\\x1b[2J' names no shadow; write DATABASE/SHADOW, as in prod-db/ci-main");
}

TEST_CASE("unknown keys are errors with their place and the nearest known key", "[config]") {
  CHECK(RefusedAfterVersion("databses: {}\n") ==
        "scry.yaml:2:1: unknown key 'databses'; did you mean 'databases'?");
  CHECK(RefusedAfterVersion("databases:\n  a:\n    sorce: x\n") ==
        "scry.yaml:4:5: unknown key 'sorce'; did you mean 'source'?");
  CHECK(RefusedAfterVersion("databases:\n  a:\n    hostname: x\n") ==
        "scry.yaml:4:5: unknown key 'hostname'; known here: source, captures, production_size, "
        "shadows");
  CHECK(RefusedAfterVersion("policy: { latency: { min_raito: 2 } }\n") ==
        "scry.yaml:2:22: unknown key 'min_raito'; did you mean 'min_ratio'?");
  CHECK(RefusedAfterVersion("policy: { new: { min_pairs: 2 } }\n") ==
        "scry.yaml:2:18: unknown key 'min_pairs'; known here: min_ratio, min_delta, min_samples");
  CHECK(RefusedAfterVersion("<<: {}\n") ==
        "scry.yaml:2:1: unknown key '<<'; known here: version, databases, policy, migrations");
  CHECK(RefusedAfterVersion("\"a\\e[2Jb\": 1\n") ==
        "scry.yaml:2:1: unknown key 'a\\x1b[2Jb'; known here: version, databases, policy, "
        "migrations");
}

TEST_CASE("values of the wrong type are errors with their place", "[config]") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"databases: [a]\n", "2:12: 'databases' wants a map of names, not a list"},
      {"databases:\n", "2:1: 'databases' wants a map of names, not nothing"},
      {"databases: { a: }\n",
       "2:14: 'a' wants a map of source, captures, production_size, shadows, not nothing"},
      {"databases: { a: { source: } }\n", "2:19: 'source' wants text, not nothing"},
      {"databases: { a: { source: '' } }\n", "2:27: 'source' is empty"},
      {"databases: { a: { source: [x] } }\n", "2:27: 'source' wants text, not a list"},
      {"databases: { a: { captures: x } }\n", "2:29: 'captures' wants a list, not text"},
      {"databases: { a: { captures: [{b: c}] } }\n", "2:30: 'captures' wants text, not a map"},
      {"databases: { 'a/b': {} }\n",
       "2:14: 'a/b' cannot be a name; use up to 63 letters, digits, '.', '_', '-'"},
      {"databases: { a: { shadows: { ..: {} } } }\n",
       "2:30: '..' cannot be a name; use up to 63 letters, digits, '.', '_', '-'"},
      {"policy: 5\n",
       "2:9: 'policy' wants a map of latency, new, work, lock, gate, fidelity_floor, budgets, "
       "ignore, not text"},
      {"policy: { latency: { min_ratio: fast } }\n",
       "2:33: 'min_ratio' wants a number from 1 to 1000, not 'fast'"},
      {"policy: { latency: { min_ratio: 0.9 } }\n",
       "2:33: 'min_ratio' wants a number from 1 to 1000, not '0.9'"},
      {"policy: { latency: { min_ratio: .nan } }\n",
       "2:33: 'min_ratio' wants a number from 1 to 1000, not '.nan'"},
      {"policy: { latency: { min_ratio: nan } }\n",
       "2:33: 'min_ratio' wants a number from 1 to 1000, not 'nan'"},
      {"policy: { latency: { confidence: 1 } }\n",
       "2:34: 'confidence' wants a number from 0.5 to 0.999999, not '1'"},
      {"policy: { latency: { min_delta: 5 } }\n",
       "2:33: 'min_delta': '5' is no duration; write 500ms, 5s, 10m, 2h or 7d"},
      {"policy: { latency: { min_share: 120% } }\n",
       "2:33: 'min_share': '120%' is no share; write 1% or 0.01"},
      {"policy: { latency: { min_pairs: 0 } }\n",
       "2:33: 'min_pairs' wants a whole number from 1 to 1000000, not '0'"},
      {"policy: { latency: { min_pairs: 1.5 } }\n",
       "2:33: 'min_pairs' wants a whole number from 1 to 1000000, not '1.5'"},
      {"policy: { latency: { min_pairs: -3 } }\n",
       "2:33: 'min_pairs' wants a whole number from 1 to 1000000, not '-3'"},
      {"policy: { work: { min_blocks: few } }\n",
       "2:31: 'min_blocks' wants a whole number from 1 to 1000000, not 'few'"},
      {"policy: { work: { min_wall: 1MB } }\n",
       "2:19: unknown key 'min_wall'; did you mean 'min_wal'?"},
      {"policy: { gate: error }\n", "2:17: 'gate' wants a list, not text"},
      {"policy: { gate: [latancy] }\n", "2:18: unknown gate 'latancy'; did you mean 'latency'?"},
      {"policy: { ignore: [{ reason: x }] }\n",
       "2:20: this ignore rule has no pattern and no id of a finding; add one"},
      {"policy: { ignore: [{ pattern: x }] }\n", "2:20: this ignore rule has no reason; add one"},
      {"policy: { ignore: [{ pattern: x, reason: y, finding: slow }] }\n",
       "2:54: unknown finding 'slow'; known here: error, result, latency, work, budget, transient, "
       "lock, new"},
      {"policy: { ignore: [{ finding: latency, reason: y }] }\n",
       "2:20: this ignore rule has no pattern and no id of a finding; add one"},
      {"policy: { ignore: [{ finding: slower-12, reason: y }] }\n",
       "2:31: unknown finding 'slower-12'; known here: error, result, latency, work, budget, "
       "transient, lock, "
       "new"},
      {"policy: { lock: { max_wiat: 1s } }\n",
       "2:19: unknown key 'max_wiat'; did you mean 'max_wait'?"},
      {"policy: { budgets: [{ p99: 1s }] }\n",
       "2:21: this budget is for nothing; add a pattern or a table"},
      {"policy: { budgets: [{ table: t, pattern: p, p99: 1s }] }\n",
       "2:21: a budget is for a pattern or a table; take one of them away"},
      {"policy: { budgets: [{ table: t }] }\n",
       "2:21: this budget has no p99; add one, as in p99: 50ms"},
      {"policy: { budgets: [{ table: t, p95: 5ms }] }\n",
       "2:33: unknown key 'p95'; did you mean 'p99'?"},
      {"policy: { budgets: [{ table: t, p99: 0ms }] }\n", "2:38: 'p99' wants more than nothing"},
      {"policy: { ignore: [{ pattern: x, reason: y, until: 2027-02-29 }] }\n",
       "2:52: '2027-02-29' is no date; write 2027-01-31"},
      {"policy: { ignore: [{ pattern: x, reason: y, until: soon }] }\n",
       "2:52: 'soon' is no date; write 2027-01-31"},
      {"policy: { ignore: [{ pattern: x, reason: y, until: 2027-1-031 }] }\n",
       "2:52: '2027-1-031' is no date; write 2027-01-31"},
  };
  for (const auto& [text, message] : cases) {
    CHECK(RefusedAfterVersion(text) == "scry.yaml:" + message);
  }
}

TEST_CASE("a shadow that could not be made is refused when the file is read", "[config]") {
  const auto refused = [](const std::string& shadow, const std::string& source = "source: x, ") {
    return RefusedAfterVersion("databases: { db: { " + source + "shadows: { s: " + shadow +
                               " } } }\n");
  };
  CHECK(refused("{}") ==
        "scry.yaml:2:42: shadow 's' has no provider; add provider: physical, dump or directory");
  CHECK(refused("{ provider: phisical }") ==
        "scry.yaml:2:57: unknown provider 'phisical'; did you mean 'physical'?");
  CHECK(refused("{ provider: standby }") ==
        "scry.yaml:2:57: provider 'standby' is not built yet; use physical, dump or directory");
  CHECK(refused("{ provider: directory }") ==
        "scry.yaml:2:42: shadow 's' is made from a directory and names none; add directory: PGDATA "
        "of a stopped server");
  CHECK(refused("{ provider: dump, directory: /x }") ==
        "scry.yaml:2:42: shadow 's' has a directory, which is for provider: directory only; take "
        "one of them away");
  CHECK(
      refused("{ provider: directory, directory: /x, source: y }") ==
      "scry.yaml:2:42: shadow 's' is made from a directory, so its source is never read; take one "
      "of them away");
  CHECK(refused("{ provider: physical }", "") ==
        "scry.yaml:2:31: shadow 's' has no source to copy; add source: to it or to 'db'");
  CHECK(refused("{ provider: physical, source: y }", "") == "(taken)");
}

TEST_CASE("the version is asked for first", "[config]") {
  CHECK(Refused("databases: {}\n") == "scry.yaml:1:1: no version; add version: 1");
  CHECK(Refused("version: 2\n") ==
        "scry.yaml:1:10: version 2 is newer than this scry reads (1); get a newer scry");
  CHECK(Refused("version: one\n") ==
        "scry.yaml:1:10: 'version' wants a whole number from 1 to 1000000, not 'one'");
}

TEST_CASE("files that are no configuration are refused in one line", "[config]") {
  for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "~\n"}) {
    INFO(text);
    const std::string message = Refused(text);
    CHECK(message.find(": empty; it starts with version: 1") != std::string::npos);
  }
  CHECK(Refused("- a\n- b\n") ==
        "scry.yaml:1:1: wants version:, databases:, policy: and migrations:, not a list");
  CHECK(Refused("hello\n") ==
        "scry.yaml:1:1: wants version:, databases:, policy: and migrations:, not text");
  CHECK(Refused("version: 1\nversion: 1\n") == "scry.yaml:2:1: key 'version' is here twice");
  CHECK(RefusedAfterVersion("databases: { a: {}, a: {} }\n") ==
        "scry.yaml:2:21: key 'a' is here twice");
  CHECK(RefusedAfterVersion("databases:\n\ta: {}\n") ==
        "scry.yaml:3:1: a tab indents this line; YAML indents with blanks");
  CHECK(RefusedAfterVersion("databases:\n  \ta: {}\n") ==
        "scry.yaml:3:3: a tab indents this line; YAML indents with blanks");
  CHECK(RefusedAfterVersion("? [a]\n: b\n") == "scry.yaml:2:3: a key must be text");
  CHECK(RefusedAfterVersion("databases: !!map {}\n") ==
        "scry.yaml:2:12: tags (!) are not read here; leave it out");
  CHECK(Refused("version: 1\n---\nversion: 1\n") ==
        "scry.yaml:3:1: a second document (---); one is read here");
  CHECK(Refused(std::string("version\0: 1\n", 12)) ==
        "scry.yaml:1:8: control character 0x00; save as UTF-8");
  CHECK(Refused(std::string(size_t{2} << 20, '#')) ==
        "scry.yaml: larger than 1.05 MB; this is no configuration of scry");
  for (const char* text : {"version: [1\n", "a: b: c\n", "{", "}", "\"abc", "%YAML 9.9\n---\na",
                           "version: 1\n  databases: {}\n", "@", "- a\nb: c\n", "key: 'x\n"}) {
    INFO(text);
    CHECK(Refused(text).starts_with("scry.yaml:"));
  }
}

TEST_CASE("aliases that multiply and nesting without end cost nothing", "[config]") {
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'z'; ++c) {
    const std::string before(1, static_cast<char>(c - 1));
    bomb += std::string(1, c) + ": &" + c + " [*" + before + ",*" + before + ",*" + before + "]\n";
  }
  CHECK(Refused(bomb) ==
        "scry.yaml:1:4: anchors and aliases (&, *) are not read here; write it out");
  CHECK(Refused("a: *b\n").starts_with("scry.yaml:1:4: "));
  const size_t depth = 100000;
  CHECK(Refused(std::string(depth, '[')).starts_with("scry.yaml:1:"));
  CHECK(Refused(std::string(depth, '{')).starts_with("scry.yaml:1:"));
  std::string dashes;
  for (size_t i = 0; i < depth; ++i) dashes += "- ";
  CHECK(Refused(dashes).starts_with("scry.yaml:1:"));
  std::string nested;
  for (size_t i = 0; i < 1000; ++i) nested += std::string(i, ' ') + "a:\n";
  CHECK(Refused(nested) == "scry.yaml:17:17: nested deeper than 16 levels");
}

TEST_CASE("no bytes make the parser throw, hang or answer in several lines", "[config]") {
  base::Random random(20261120);
  const std::string seed_text = kContract;
  constexpr char kSpice[] = "{}[]:,-#&*!|>'\"%@`?~ \n\t\\$/x1\xff\xc3";
  for (int round = 0; round < 4000; ++round) {
    std::string text = seed_text;
    for (uint64_t edits = 1 + random.Below(6); edits > 0; --edits) {
      const size_t at = random.Below(text.size());
      const char spice = kSpice[random.Below(sizeof(kSpice) - 1)];
      switch (random.Below(4)) {
        case 0:
          text[at] = spice;
          break;
        case 1:
          text.insert(at, 1, spice);
          break;
        case 2:
          text.erase(at, 1 + random.Below(20));
          break;
        default:
          text.insert(at, text.substr(random.Below(text.size()), random.Below(40)));
      }
      if (text.empty()) break;
    }
    const auto parsed = Parse(text, "scry.yaml", {});
    if (parsed.ok()) continue;
    INFO(text);
    CHECK(parsed.error().code == ErrorCode::kUsage);
    CHECK(parsed.error().message.starts_with("scry.yaml:"));
    CHECK(parsed.error().message.find('\n') == std::string::npos);
    CHECK(parsed.error().message.size() < 500);
  }
}

TEST_CASE("the nearest file up to the root of the repository is found", "[config]") {
  const Folder folder;
  folder.Make("repository/.git");
  folder.Make("repository/a/b");
  folder.Write("scry.yaml", "version: 1\n");
  CHECK(FindFile(folder.Path("repository/a/b")) == std::nullopt);
  CHECK(FindFile(folder.Path("repository")) == std::nullopt);
  const auto none = LoadNearest(folder.Path("repository/a"), {});
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().code == ErrorCode::kUsage);
  CHECK(none.error().message == "no scry.yaml in " + folder.Path("repository/a") +
                                    " or above it; write one or give --config FILE");
  folder.Write("repository/scry.yaml",
               "version: 1\ndatabases: { db: { captures: [x, /y], production_size: 500GB } }\n");
  CHECK(FindFile(folder.Path("repository/a/b")) == folder.Path("repository/scry.yaml"));
  folder.Make("plain/a");
  CHECK(FindFile(folder.Path("plain/a/")) == folder.Path("scry.yaml"));

  // Folders in the file are relative to the file, wherever the command runs.
  const auto config = LoadNearest(folder.Path("repository/a/b"), {});
  REQUIRE(config.ok());
  const auto database = config->FindDatabase("db");
  REQUIRE(database.ok());
  CHECK(database->captures == std::vector<std::string>{folder.Path("repository/x"), "/y"});
  CHECK(database->production_bytes == 500'000'000'000);
}

TEST_CASE("what is no readable file is refused without waiting", "[config]") {
  const Folder folder;
  const auto refused = [&](const std::string& name) {
    const auto loaded = Load(folder.Path(name), {});
    REQUIRE_FALSE(loaded.ok());
    CHECK(loaded.error().code == ErrorCode::kUsage);
    return loaded.error().message;
  };
  CHECK(refused("absent.yaml") == folder.Path("absent.yaml") + ": No such file or directory");
  folder.Make("folder.yaml");
  CHECK(refused("folder.yaml") == folder.Path("folder.yaml") + ": not a regular file");
  REQUIRE(mkfifo(folder.Path("pipe.yaml").c_str(), 0600) == 0);
  CHECK(refused("pipe.yaml") == folder.Path("pipe.yaml") + ": not a regular file");
  folder.Write("huge.yaml", std::string(size_t{3} << 20, ' '));
  CHECK(refused("huge.yaml") ==
        folder.Path("huge.yaml") + ": larger than 1.05 MB; this is no configuration of scry");
  folder.Write("line\nbreak.yaml", "[]");
  CHECK(refused("line\nbreak.yaml").find('\n') == std::string::npos);
}

TEST_CASE("values of variables never stand in an error", "[config]") {
  const Config config = MustParse(
      "version: 1\ndatabases: { db: { source: '${SECRET} ${NONE}' } }\n", {{"SECRET", "hunter2"}});
  const auto found = config.FindDatabase("db");
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().message == "scry.yaml:2:28: environment variable NONE is not set; set it");
}

}  // namespace
}  // namespace scry::config
