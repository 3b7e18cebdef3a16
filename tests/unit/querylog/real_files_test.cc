#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "os/file.h"
#include "querylog/log_reader.h"
#include "querylog/log_writer.h"
#include "querylog/verify.h"
#include "support/catch.h"
#include "unit/querylog/events.h"

namespace scry::querylog {
namespace {

using test::Dump;
using test::Events;

class DiskFixture {
 public:
  DiskFixture() {
    std::string pattern = (std::filesystem::temp_directory_path() / "scry-test-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
  }
  ~DiskFixture() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  static unsigned Mode(const std::string& path) {
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 0777U;
  }

  std::string root_;
};

TEST_CASE_METHOD(DiskFixture, "a capture on a real disk reads back and is private", "[querylog]") {
  const std::string directory = root_ + "/a/b";
  const Events events = test::RandomEvents(21, 300);
  WriteOptions options;
  options.block_bytes = 5000;
  options.segment_bytes = 30000;
  auto writer = LogWriter::Create(directory + "/", {}, options);
  REQUIRE(writer.ok());
  for (const auto& event : events) (*writer)->Put(event);
  REQUIRE((*writer)->Close().ok());
  CHECK(Mode(directory) == 0700);
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    CHECK(Mode(entry.path().string()) == 0600);
  }
  auto reader = LogReader::Open(directory);
  REQUIRE(reader.ok());
  Events read;
  for (;;) {
    auto next = reader->Next();
    REQUIRE(next.ok());
    if (!next->has_value()) break;
    read.push_back(std::move(**next));
  }
  CHECK(Dump(read) == Dump(events));
  const auto report = VerifyCapture(directory);
  REQUIRE(report.ok());
  CHECK(report->ok());
  CHECK_FALSE(LogWriter::Create(directory, {}, options).ok());
}

TEST_CASE_METHOD(DiskFixture, "a file is cut, grows on from there, and is read at any offset",
                 "[os]") {
  auto& files = os::RealFileSystem();
  const std::string path = root_ + "/file";
  auto file = files.Create(path);
  REQUIRE(file.ok());
  REQUIRE((*file)->Append("0123456789").ok());
  REQUIRE((*file)->Truncate(4).ok());
  REQUIRE((*file)->Append("abc").ok());
  REQUIRE((*file)->Sync().ok());
  CHECK_FALSE(files.Create(path).ok());
  auto reader = files.OpenForRead(path);
  REQUIRE(reader.ok());
  CHECK((*reader)->SizeBytes().value() == 7);
  CHECK((*reader)->ReadAt(2, 100).value() == "23abc");
  CHECK((*reader)->ReadAt(7, 1).value().empty());
  CHECK((*reader)->ReadAt(~uint64_t{0}, 1).value().empty());
  CHECK_FALSE(os::ReadWholeFile(files, path, 6).ok());
  CHECK(os::ReadWholeFile(files, path, 7).value() == "0123abc");
}

TEST_CASE_METHOD(DiskFixture, "a file is replaced whole, also over what a crash left", "[os]") {
  auto& files = os::RealFileSystem();
  const std::string path = root_ + "/state";
  REQUIRE(files.Create(path + ".tmp").ok());
  REQUIRE(os::ReplaceFile(files, path, "one").ok());
  REQUIRE(os::ReplaceFile(files, path, "two").ok());
  CHECK(os::ReadWholeFile(files, path, 100).value() == "two");
  CHECK(files.List(root_).value() == std::vector<std::string>{"state"});
}

TEST_CASE_METHOD(DiskFixture, "what does not exist is not found, by name", "[os]") {
  auto& files = os::RealFileSystem();
  const auto file = files.OpenForRead(root_ + "/none");
  REQUIRE_FALSE(file.ok());
  CHECK(file.error().code == base::ErrorCode::kNotFound);
  CHECK(file.error().message.find(root_ + "/none") != std::string::npos);
  CHECK(files.List(root_ + "/none").error().code == base::ErrorCode::kNotFound);
  CHECK(files.Remove(root_ + "/none").ok());
  CHECK(files.MakeDirectories(root_).ok());
}

}  // namespace
}  // namespace scry::querylog
