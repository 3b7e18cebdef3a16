#include "wire/frame.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "support/catch.h"
#include "wire/frontend.h"

namespace scry::wire {
namespace {

struct Seen {
  uint8_t type = 0;
  std::string payload;
  friend bool operator==(const Seen&, const Seen&) = default;
};

// Joins pieces again, and checks that they come in order and are never empty.
class Recorder : public FrameSink {
 public:
  void OnFrame(uint8_t type, base::Bytes payload) override {
    REQUIRE(partial_.empty());
    frames.push_back({type, std::string(base::AsText(payload))});
    whole_bytes_max = std::max(whole_bytes_max, payload.size());
    last_view = payload.data();
  }
  void OnPiece(uint8_t type, uint32_t payload_length, uint32_t offset, base::Bytes piece) override {
    REQUIRE(offset == partial_.size());
    REQUIRE(!piece.empty());
    partial_.append(base::AsText(piece));
    REQUIRE(partial_.size() <= payload_length);
    if (partial_.size() < payload_length) return;
    frames.push_back({type, partial_});
    partial_.clear();
  }

  std::vector<Seen> frames;
  size_t whole_bytes_max = 0;
  const uint8_t* last_view = nullptr;

 private:
  std::string partial_;
};

std::string RandomText(base::Random& random, size_t length_max) {
  std::string text(random.Below(length_max + 1), '\0');
  for (char& c : text) c = static_cast<char>(random.Below(256));
  return text;
}

std::vector<Seen> RandomFrames(base::Random& random, size_t count) {
  std::vector<Seen> frames;
  for (size_t i = 0; i < count; ++i) {
    const size_t length_max = random.Below(8) == 0 ? 300 : 12;
    frames.push_back({static_cast<uint8_t>(random.Below(256)), RandomText(random, length_max)});
  }
  return frames;
}

std::string Encode(const std::vector<Seen>& frames) {
  std::string out;
  for (const auto& frame : frames) AppendMessage(out, frame.type, frame.payload);
  return out;
}

std::string HeaderOf(uint8_t type, uint32_t length) {
  base::ByteWriter out;
  out.U8(type);
  out.BigU32(length);
  return out.Release();
}

}  // namespace

TEST_CASE("frames are the same for every chunking and every gather limit", "[wire]") {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    base::Random random(seed);
    const auto frames = RandomFrames(random, 1 + random.Below(20));
    const std::string bytes = Encode(frames);
    const auto gather_max = static_cast<uint32_t>(random.Below(100));
    const uint64_t chunk_max = 1 + random.Below(random.Below(2) == 0 ? 3 : 400);
    FrameScanner scanner(gather_max);
    Recorder seen;
    for (size_t at = 0; at < bytes.size();) {
      const size_t count = std::min<size_t>(1 + random.Below(chunk_max), bytes.size() - at);
      scanner.Feed(base::AsBytes(std::string_view(bytes).substr(at, count)), seen);
      at += count;
    }
    INFO("seed " << seed);
    REQUIRE(seen.frames == frames);
    REQUIRE(seen.whole_bytes_max <= gather_max);
    REQUIRE(scanner.at_boundary());
    REQUIRE(!scanner.broken());
  }
}

TEST_CASE("frames split at each byte are the same", "[wire]") {
  const std::vector<Seen> frames = {{'Q', "select 1"}, {'S', ""}, {'d', std::string(70, 'x')}};
  const std::string bytes = Encode(frames);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    FrameScanner scanner(16);
    Recorder seen;
    scanner.Feed(base::AsBytes(std::string_view(bytes).substr(0, cut)), seen);
    scanner.Feed(base::AsBytes(std::string_view(bytes).substr(cut)), seen);
    REQUIRE(seen.frames == frames);
  }
}

TEST_CASE("a whole frame inside a chunk is not copied", "[wire]") {
  std::string bytes = EncodeQuery("select 1");
  FrameScanner scanner;
  Recorder seen;
  scanner.Feed(base::AsBytes(bytes), seen);
  CHECK(seen.last_view == base::AsBytes(bytes).data() + 5);
  // Nor is one whose header came before.
  scanner.Feed(base::AsBytes(std::string_view(bytes).substr(0, 5)), seen);
  const std::string rest = bytes.substr(5);
  scanner.Feed(base::AsBytes(rest), seen);
  CHECK(seen.last_view == base::AsBytes(rest).data());
}

TEST_CASE("a nonsense length breaks the scanner for good", "[wire]") {
  for (const uint32_t length : {0u, 1u, 3u, (1u << 30) + 1, 0xffffffffu}) {
    FrameScanner scanner;
    Recorder seen;
    scanner.Feed(base::AsBytes(EncodeSync() + HeaderOf('Q', length) + EncodeSync()), seen);
    CHECK(scanner.broken());
    CHECK(scanner.reason().find(std::to_string(length)) != std::string::npos);
    scanner.Feed(base::AsBytes(EncodeSync()), seen);
    CHECK(seen.frames.size() == 1);
  }
}

TEST_CASE("the largest length is no error and is streamed", "[wire]") {
  FrameScanner scanner;
  Recorder seen;
  scanner.Feed(base::AsBytes(HeaderOf('D', 1u << 30) + "abc"), seen);
  CHECK(!scanner.broken());
  CHECK(seen.frames.empty());
  CHECK(!scanner.at_boundary());
}

}  // namespace scry::wire
