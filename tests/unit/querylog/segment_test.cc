#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "querylog/segment_reader.h"
#include "querylog/segment_writer.h"
#include "support/catch.h"
#include "support/fake_files.h"
#include "unit/querylog/events.h"

namespace scry::querylog {
namespace {

using event::GapReason;
using test::Dump;
using test::Events;

constexpr CaptureId kId = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

class SegmentFixture {
 public:
  // One block per list.
  void Write(const std::vector<Events>& blocks, bool seal) {
    auto file = disk_.Create("segment");
    REQUIRE(file.ok());
    SegmentWriter writer(std::move(file).value(), kId, 1);
    BlockPacker packer(1 << 20, 3);
    ends_ = {kSegmentHeaderBytes};
    for (const auto& block : blocks) {
      for (const auto& event : block) packer.Add(event);
      REQUIRE(writer.Write(packer.Pack()).ok());
      ends_.push_back(writer.size_bytes());
    }
    if (seal) REQUIRE(writer.Seal().ok());
    bytes_ = disk_.Get("segment");
  }

  void Flip(size_t at) { bytes_[at] = static_cast<char>(bytes_[at] ^ 0x40); }
  void Cut(size_t size) { bytes_.resize(size); }

  base::Result<std::unique_ptr<SegmentReader>> Open(SegmentReadOptions options = {}) {
    disk_.Set("segment", bytes_);
    auto file = disk_.OpenForRead("segment");
    REQUIRE(file.ok());
    return SegmentReader::Open(std::move(file).value(), std::move(options));
  }

  // All events; gaps made by the reader go to gaps_.
  Events Read(SegmentReadOptions options = {}) {
    gaps_.clear();
    auto reader = Open(std::move(options));
    REQUIRE(reader.ok());
    Events events;
    for (;;) {
      auto next = (*reader)->Next();
      REQUIRE(next.ok());
      if (!next->has_value()) break;
      const auto* gap = std::get_if<event::Gap>(&**next);
      if (gap != nullptr &&
          (gap->reason == GapReason::kCorrupt || gap->reason == GapReason::kTorn)) {
        gaps_.push_back(*gap);
      } else {
        events.push_back(std::move(**next));
      }
    }
    stats_ = (*reader)->stats();
    return events;
  }

  static std::vector<Events> Blocks(size_t count) {
    std::vector<Events> blocks(count);
    for (size_t b = 0; b < count; ++b) {
      for (uint64_t i = 0; i < 3; ++i) {
        const auto at = static_cast<base::Micros>(1000 * (b + 1) + i);
        blocks[b].push_back(test::SmallExchange(b + 1, 3 * b + i, at));
      }
    }
    return blocks;
  }
  static Events Flat(const std::vector<Events>& blocks, size_t count) {
    Events events;
    for (size_t b = 0; b < count; ++b) {
      events.insert(events.end(), blocks[b].begin(), blocks[b].end());
    }
    return events;
  }
  // How many whole blocks stand in the first `size` bytes.
  size_t WholeBlocks(size_t size) const {
    size_t count = 0;
    while (count + 1 < ends_.size() && ends_[count + 1] <= size) ++count;
    return count;
  }

  scry::test::FakeFiles disk_;
  std::string bytes_;
  std::vector<uint64_t> ends_;
  std::vector<event::Gap> gaps_;
  ReadStats stats_;
};

TEST_CASE_METHOD(SegmentFixture, "a sealed segment reads back whole, without gaps", "[querylog]") {
  const auto blocks = Blocks(5);
  Write(blocks, true);
  CHECK(Dump(Read()) == Dump(Flat(blocks, 5)));
  CHECK(gaps_.empty());
  CHECK(stats_.blocks == 5);
  CHECK(stats_.events == 15);
}

TEST_CASE_METHOD(SegmentFixture,
                 "an unsealed segment reads back whole and says that its tail is missing",
                 "[querylog]") {
  const auto blocks = Blocks(5);
  Write(blocks, false);
  CHECK(Dump(Read()) == Dump(Flat(blocks, 5)));
  REQUIRE(gaps_.size() == 1);
  CHECK(gaps_[0].reason == GapReason::kTorn);
  CHECK(gaps_[0].bytes == 0);
  CHECK(gaps_[0].from_us == 5002);
}

TEST_CASE_METHOD(SegmentFixture, "a sealed segment without blocks is empty, not damaged",
                 "[querylog]") {
  Write({}, true);
  CHECK(Read().empty());
  CHECK(gaps_.empty());
}

TEST_CASE_METHOD(SegmentFixture,
                 "a segment cut at any byte yields exactly its whole blocks and one gap",
                 "[querylog]") {
  const auto blocks = Blocks(6);
  Write(blocks, true);
  const std::string whole = bytes_;
  for (size_t size = 0; size < whole.size(); ++size) {
    bytes_ = whole.substr(0, size);
    const size_t count = WholeBlocks(size);
    INFO("cut at " << size);
    REQUIRE(Dump(Read()) == Dump(Flat(blocks, count)));
    REQUIRE(gaps_.size() == 1);
    REQUIRE(gaps_[0].reason == GapReason::kTorn);
    const uint64_t used = size < kSegmentHeaderBytes ? 0 : ends_[count];
    REQUIRE(gaps_[0].bytes == size - used);
  }
}

TEST_CASE_METHOD(SegmentFixture, "a byte changed anywhere costs one block at most, and is noticed",
                 "[querylog]") {
  const auto blocks = Blocks(4);
  for (const bool seal : {true, false}) {
    disk_.Remove("segment").ok();
    Write(blocks, seal);
    const std::string whole = bytes_;
    for (size_t at = 0; at < whole.size(); ++at) {
      bytes_ = whole;
      Flip(at);
      SegmentReadOptions options;
      options.capture_id = kId;
      options.number = 1;
      Events expected;
      for (size_t b = 0; b < blocks.size(); ++b) {
        if (at >= ends_[b] && at < ends_[b + 1]) continue;
        expected.insert(expected.end(), blocks[b].begin(), blocks[b].end());
      }
      INFO((seal ? "sealed" : "open") << ", byte " << at << " of " << whole.size());
      REQUIRE(Dump(Read(options)) == Dump(expected));
      REQUIRE(!gaps_.empty());
      REQUIRE(gaps_.size() <= 2);
    }
  }
}

TEST_CASE_METHOD(SegmentFixture, "a corrupt block is one gap with its time and size",
                 "[querylog]") {
  const auto blocks = Blocks(3);
  Write(blocks, true);
  Flip(ends_[1] + kBlockHeaderBytes + 5);
  CHECK(Read().size() == 6);
  REQUIRE(gaps_.size() == 1);
  CHECK(gaps_[0].reason == GapReason::kCorrupt);
  CHECK(gaps_[0].session == event::SessionId::kNone);
  CHECK(gaps_[0].from_us == 2000);
  CHECK(gaps_[0].to_us == 2002);
  CHECK(gaps_[0].bytes == ends_[2] - ends_[1]);
  CHECK(stats_.corrupt_blocks == 1);
}

TEST_CASE_METHOD(SegmentFixture, "a lost block header is found again by search without an index",
                 "[querylog]") {
  const auto blocks = Blocks(4);
  Write(blocks, false);
  for (size_t at = ends_[1]; at < ends_[1] + kBlockHeaderBytes; ++at) Flip(at);
  CHECK(Read().size() == 9);
  REQUIRE(gaps_.size() == 2);
  CHECK(gaps_[0].reason == GapReason::kCorrupt);
  CHECK(gaps_[0].bytes == ends_[2] - ends_[1]);
  CHECK(gaps_[1].reason == GapReason::kTorn);
}

TEST_CASE_METHOD(SegmentFixture, "a segment stored inside a segment is never taken for blocks",
                 "[querylog]") {
  Write(Blocks(2), true);
  const std::string inner = bytes_;
  disk_.Remove("segment").ok();
  // Random bytes around keep zstd from packing the inner segment: it stands there as it is.
  base::Random random(3);
  std::string noise;
  while (noise.size() < 5000) noise.push_back(static_cast<char>(random.Next()));
  event::Exchange exchange;
  exchange.messages.push_back({'d', "", noise + inner + noise, ""});
  auto blocks = Blocks(2);
  blocks.insert(blocks.begin(), Events{exchange});
  Write(blocks, false);
  REQUIRE(bytes_.find(inner.substr(0, 40)) != std::string::npos);
  Flip(ends_[0]);
  const Events events = Read();
  CHECK(Dump(events) == Dump(Flat(Blocks(2), 2)));
}

TEST_CASE_METHOD(SegmentFixture, "sessions and times choose blocks through the index",
                 "[querylog]") {
  const auto blocks = Blocks(6);
  Write(blocks, true);
  SegmentReadOptions options;
  options.filter.sessions = std::set<event::SessionId>{event::SessionId{3}};
  CHECK(Dump(Read(options)) == Dump(blocks[2]));
  CHECK(stats_.blocks == 1);
  CHECK(stats_.skipped_blocks == 5);
  options = {};
  options.filter.from_us = 2001;
  options.filter.to_us = 3000;
  CHECK(Dump(Read(options)) == Dump(Events{blocks[1][1], blocks[1][2], blocks[2][0]}));
  CHECK(stats_.blocks == 2);
}

TEST_CASE_METHOD(SegmentFixture, "a filter gives the same events with and without an index",
                 "[querylog]") {
  base::Random random(9);
  for (int round = 0; round < 30; ++round) {
    std::vector<Events> blocks;
    for (int b = 0; b < 5; ++b) blocks.push_back(test::RandomEvents(random.Next(), 5));
    SegmentReadOptions options;
    options.filter.sessions = std::set<event::SessionId>{event::SessionId{random.Below(5)},
                                                         event::SessionId{random.Below(5)}};
    if (random.Below(2) == 0) options.filter.from_us = 0;
    Events expected;
    for (const auto& event : Flat(blocks, 5)) {
      if (options.filter.Wants(event)) expected.push_back(event);
    }
    // Recorded gaps with the reader's reasons would look like its own.
    const auto recorded = [](const event::Event& event) {
      const auto* gap = std::get_if<event::Gap>(&event);
      return gap != nullptr &&
             (gap->reason == GapReason::kCorrupt || gap->reason == GapReason::kTorn);
    };
    expected.erase(std::remove_if(expected.begin(), expected.end(), recorded), expected.end());
    for (const bool seal : {true, false}) {
      disk_.Remove("segment").ok();
      Write(blocks, seal);
      REQUIRE(Dump(Read(options)) == Dump(expected));
    }
  }
}

TEST_CASE_METHOD(SegmentFixture, "a newer format version is refused with both versions named",
                 "[querylog]") {
  Write(Blocks(1), true);
  const std::string header = EncodeSegmentHeader({kFormatVersion + 1, 1, kId});
  bytes_.replace(0, header.size(), header);
  const auto reader = Open();
  REQUIRE_FALSE(reader.ok());
  CHECK(reader.error().code == base::ErrorCode::kUnsupported);
  CHECK(reader.error().message ==
        "the segment has format version 3, this scry reads up to version 2; read it with the scry "
        "that wrote it or a newer one");
}

TEST_CASE_METHOD(SegmentFixture, "sizes that lie are refused before memory is taken",
                 "[querylog]") {
  const uint64_t seed = SegmentSeed(kId, 1);
  BlockHeader header;
  header.events = 1;
  header.raw_bytes = kRawBytesMax + 1;
  CHECK_FALSE(ParseBlockHeader(EncodeBlockHeader(header, seed, 40), seed, 40));
  header.raw_bytes = 100;
  header.stored_bytes = kStoredBytesMax + 1;
  CHECK_FALSE(ParseBlockHeader(EncodeBlockHeader(header, seed, 40), seed, 40));
  header.stored_bytes = 100;
  CHECK(ParseBlockHeader(EncodeBlockHeader(header, seed, 40), seed, 40));
  CHECK_FALSE(ParseBlockHeader(EncodeBlockHeader(header, seed, 40), seed, 41));
  const std::string stored = Compressor(1).Compress(std::string(5000, 'x'));
  CHECK(Decompress(stored, 5000));
  CHECK_FALSE(Decompress(stored, 4999));
  CHECK_FALSE(Decompress(stored, 5001));
  CHECK_FALSE(Decompress("not zstd", 100));
}

TEST_CASE_METHOD(SegmentFixture, "a full disk leaves the last good block, and writing can go on",
                 "[querylog]") {
  const auto blocks = Blocks(3);
  auto file = disk_.Create("segment");
  REQUIRE(file.ok());
  SegmentWriter writer(std::move(file).value(), kId, 1);
  BlockPacker packer(1 << 20, 3);
  for (const auto& event : blocks[0]) packer.Add(event);
  REQUIRE(writer.Write(packer.Pack()).ok());
  for (const auto& event : blocks[1]) packer.Add(event);
  const PackedBlock block = packer.Pack();
  disk_.SetSpace(30);
  CHECK_FALSE(writer.Write(block).ok());
  CHECK_FALSE(writer.broken());
  CHECK(disk_.Get("segment").size() == writer.size_bytes());
  CHECK_FALSE(writer.Seal().ok());
  disk_.SetSpace(scry::test::FakeFiles::kUnlimited);
  REQUIRE(writer.Write(block).ok());
  REQUIRE(writer.Seal().ok());
  bytes_ = disk_.Get("segment");
  CHECK(Dump(Read()) == Dump(Flat(blocks, 2)));
  CHECK(gaps_.empty());
}

}  // namespace
}  // namespace scry::querylog
