#include "job/migration_files.h"

#include <filesystem>
#include <fstream>

#include <cstdlib>

#include "support/catch.h"

namespace scry::job {
namespace {

namespace fs = std::filesystem;

// A repository with one migration.
class Repository {
 public:
  Repository() {
    char name[] = "/tmp/scry-files-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    root_ = fs::canonical(name);
    fs::create_directories(root_ / ".git");
    Write("db/V2.sql", "-- two\nDROP INDEX orders_region;\n");
    Write("db/seeds.txt", "DROP INDEX orders_region;\n");
  }
  ~Repository() {
    std::error_code error;
    fs::remove_all(root_, error);
  }
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;

  std::string Path(const std::string& name) const { return (root_ / name).string(); }
  void Write(const std::string& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }

 private:
  fs::path root_;
};

report::MigrationFacts Dropping() {
  report::MigrationFacts facts;
  facts.statements.emplace_back().text = "DROP INDEX orders_region";
  facts.statements.emplace_back().text = "UPDATE orders SET a = $1";
  return facts;
}

TEST_CASE("statements are placed from the root of the repository", "[job]") {
  const Repository repository;
  for (const char* path : {"db", "db/V2.sql"}) {
    report::MigrationFacts facts = Dropping();
    REQUIRE(PlaceStatements({repository.Path(path)}, facts).ok());
    CHECK(facts.statements[0].file == "db/V2.sql");
    CHECK(facts.statements[0].line == 2);
    CHECK(facts.statements[1].file.empty());
  }
}

TEST_CASE("what takes a migration back is passed over in folders, and found where it is named",
          "[job]") {
  for (const char* path : {"db/V9.down.sql", "db/down/V9.sql", "db/9/down.sql"}) {
    const Repository repository;
    repository.Write(path, "DROP INDEX orders_region;\n");
    report::MigrationFacts facts = Dropping();
    REQUIRE(PlaceStatements({repository.Path("db")}, facts).ok());
    CHECK(facts.statements[0].file == "db/V2.sql");
    facts = Dropping();
    REQUIRE(PlaceStatements({repository.Path(path)}, facts).ok());
    CHECK(facts.statements[0].file == path);
  }
}

TEST_CASE("a path that is not there is said, and none is no error", "[job]") {
  const Repository repository;
  report::MigrationFacts facts = Dropping();
  const auto missing = PlaceStatements({repository.Path("nowhere")}, facts);
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == base::ErrorCode::kUsage);
  CHECK(PlaceStatements({}, facts).ok());
  CHECK(facts.statements[0].file.empty());
}

TEST_CASE("SQL files are found among a command's arguments", "[job]") {
  const Repository repository;
  const std::string file = repository.Path("db/V2.sql");
  using Files = std::vector<std::string>;
  CHECK(SqlFilesOf({"psql", "-X", "-f", file}) == Files{file});
  CHECK(SqlFilesOf({"psql", "-f" + file}) == Files{file});
  CHECK(SqlFilesOf({"psql", "--file=" + file}) == Files{file});
  CHECK(SqlFilesOf({"psql", "-f", repository.Path("none.sql"), "-c", "DROP TABLE a"}).empty());
  CHECK(SqlFilesOf({"alembic", "upgrade", "head", "", "-f"}).empty());
}

}  // namespace
}  // namespace scry::job
