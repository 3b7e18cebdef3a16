// The relay between real sockets, with a client and a server played by the test on one thread, so
// that every run of a seed makes the same calls.
#include "capture/relay.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.h"
#include "os/socket.h"
#include "support/catch.h"
#include "wire/startup.h"

namespace scry::capture {
namespace {

class Events final : public event::EventSink {
 public:
  void Put(event::Event event) override {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  template <class T>
  std::vector<T> Of() const {
    const std::lock_guard lock(mutex_);
    std::vector<T> found;
    for (const auto& event : events_) {
      if (const auto* one = std::get_if<T>(&event)) found.push_back(*one);
    }
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<event::Event> events_;
};

// One end of a connection. Never blocks: what does not go now is tried again by Until().
class End {
 public:
  explicit End(os::UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  void Queue(std::string_view bytes) { to_send_.append(bytes); }
  bool sent() const { return sent_ == to_send_.size(); }
  const std::string& got() const { return got_; }
  bool ended() const { return ended_; }
  void Shut() { shutdown(fd_.get(), SHUT_WR); }
  void Close() { fd_.Reset(); }

  // At most `most` bytes. False: the other side takes no more for now.
  bool Write(size_t most) {
    if (sent()) return false;
    const size_t size = std::min(most, to_send_.size() - sent_);
    const auto result = os::WriteSome(fd_.get(), to_send_.data() + sent_, size);
    sent_ += result.bytes;
    return result.state == os::IoState::kDone;
  }
  bool Read(size_t most) {
    if (ended_) return false;
    std::string buffer(most, '\0');
    const auto result = os::ReadSome(fd_.get(), buffer.data(), buffer.size());
    got_.append(buffer, 0, result.bytes);
    if (result.state == os::IoState::kClosed) ended_ = true;
    return result.state == os::IoState::kDone;
  }

 private:
  os::UniqueFd fd_;
  std::string to_send_;
  size_t sent_ = 0;
  std::string got_;
  bool ended_ = false;
};

// Ends a test that hangs; nothing depends on how long things take.
constexpr int kPatienceMs = 60000;

class RelayFixture {
 public:
  RelayFixture() {
    auto listener = os::Listen({"127.0.0.1", 0});
    REQUIRE(listener.ok());
    upstream_ = std::move(listener).value();
    RelayOptions options;
    options.upstream_host = upstream_.address.host;
    options.upstream_port = upstream_.address.port;
    auto relay = Relay::Open(options, events_, base::SystemClock());
    REQUIRE(relay.ok());
    relay_ = std::move(relay).value();
    thread_ = std::thread([this] { ran_ok_ = relay_->Run([this] { return stop_.load(); }).ok(); });
  }
  ~RelayFixture() { Stop(); }
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  End Client() {
    auto fd = os::StartConnect(relay_->address());
    REQUIRE(fd.ok());
    return End(std::move(fd).value());
  }
  End Accept() {
    pollfd one{upstream_.fd.get(), POLLIN, 0};
    REQUIRE(poll(&one, 1, kPatienceMs) == 1);
    auto accepted = os::Accept(upstream_.fd.get());
    REQUIRE(accepted.ok());
    REQUIRE(accepted->fd);
    return End(std::move(accepted->fd));
  }
  // Reads and writes as `step` says until it answers true; `step` answers nothing to wait for.
  void Until(std::vector<End*> ends, const std::function<bool()>& done,
             const std::function<bool()>& step) {
    for (int idle_ms = 0; !done();) {
      if (step()) {
        idle_ms = 0;
        continue;
      }
      std::vector<pollfd> polled;
      for (End* end : ends) {
        if (end->ended() && end->sent()) continue;
        polled.push_back(
            {end->fd(),
             static_cast<short>((end->ended() ? 0 : POLLIN) | (end->sent() ? 0 : POLLOUT)), 0});
      }
      // An end that `step` does not read stays ready: that is no time gone by.
      if (poll(polled.data(), polled.size(), 10) == 0) {
        idle_ms += 10;
      } else {
        poll(nullptr, 0, 1);
        idle_ms += 1;
      }
      REQUIRE(idle_ms < kPatienceMs);
    }
  }
  bool Eventually(const std::function<bool()>& condition) {
    for (int waited_ms = 0; waited_ms < kPatienceMs; waited_ms += 5) {
      if (condition()) return true;
      poll(nullptr, 0, 5);
    }
    return false;
  }

  const std::string kStartup =
      wire::EncodeStartupMessage(wire::kProtocol30, {{"user", "u"}, {"database", "d"}});
  Events events_;
  os::Listener upstream_;
  std::unique_ptr<Relay> relay_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> ran_ok_ = false;
  std::thread thread_;
};

std::string Frame(char type, std::string_view payload) {
  const auto length = static_cast<uint32_t>(payload.size() + 4);
  std::string frame(1, type);
  for (const int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(length >> shift));
  return frame.append(payload);
}

std::string RandomBytes(base::Random& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Below(256));
  return bytes;
}

// Well-formed traffic, or (when asked) bytes that break off being PostgreSQL somewhere.
std::string Traffic(base::Random& random, size_t size, std::string_view types, bool sane) {
  std::string bytes;
  while (bytes.size() < size) {
    if (!sane && random.Below(200) == 0) bytes += RandomBytes(random, random.Below(5000));
    const uint64_t payload = random.Below(50) == 0 ? random.Below(200000) : random.Below(300);
    bytes += Frame(types[random.Below(types.size())], RandomBytes(random, payload));
  }
  return bytes;
}

const std::string kAccepted = Frame('R', std::string(4, '\0')) + Frame('Z', "I");

}  // namespace

TEST_CASE_METHOD(RelayFixture, "bytes out are bytes in, both ways, for any chunking", "[capture]") {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    INFO("seed " << seed);
    base::Random random(seed);
    const bool sane = seed % 3 != 0;
    const size_t size = seed % 4 == 0 ? 6'000'000 : 400'000;
    const std::string up = Traffic(random, size, "QPBESDdcfHX", sane);
    const std::string down = kAccepted + Traffic(random, size, "RSZTDCE12nsIGHWdcNtA", sane);
    End client = Client();
    client.Queue(kStartup);
    Until(
        {&client}, [&] { return client.sent(); }, [&] { return client.Write(3); });
    End server = Accept();
    client.Queue(up);
    server.Queue(down);
    // Each step is one read or write of a random size on a random end: chunks of one byte and of
    // everything, sides that pause, and full socket buffers in between.
    size_t limit = 1;
    Until(
        {&client, &server},
        [&] {
          return server.got().size() >= kStartup.size() + up.size() &&
                 client.got().size() >= down.size();
        },
        [&] {
          if (random.Below(50) == 0) limit = size_t{1} << random.Below(19);
          bool moved = false;
          for (int i = 0; i < 4 && !moved; ++i) {
            const size_t most = 1 + random.Below(limit);
            switch (random.Below(4)) {
              case 0:
                moved = client.Write(most);
                break;
              case 1:
                moved = client.Read(most);
                break;
              case 2:
                moved = server.Write(most);
                break;
              default:
                moved = server.Read(most);
                break;
            }
          }
          return moved || client.Write(limit) || client.Read(limit) || server.Write(limit) ||
                 server.Read(limit);
        });
    CHECK(server.got() == kStartup + up);
    CHECK(client.got() == down);
  }
  Stop();
  CHECK(ran_ok_);
}

TEST_CASE_METHOD(RelayFixture, "a side that does not read stops the other, and loses nothing",
                 "[capture]") {
  End client = Client();
  client.Queue(kStartup);
  Until(
      {&client}, [&] { return client.sent(); }, [&] { return client.Write(1000); });
  End server = Accept();
  base::Random random(5);
  const std::string down = kAccepted + Traffic(random, 40'000'000, "DT", true);
  server.Queue(down);
  // The client reads nothing: in the end the server cannot write, so the relay holds no more than
  // what sockets hold.
  for (pollfd one{server.fd(), POLLOUT, 0}; poll(&one, 1, 500) == 1 && !server.sent();) {
    server.Write(1 << 20);
  }
  CHECK_FALSE(server.sent());
  // Others are served meanwhile.
  {
    End other = Client();
    other.Queue(kStartup);
    Until(
        {&other}, [&] { return other.sent(); }, [&] { return other.Write(1000); });
    End other_server = Accept();
    other_server.Queue(kAccepted);
    Until(
        {&other, &other_server}, [&] { return other.got() == kAccepted; },
        [&] { return other_server.Write(1000) || other.Read(1000); });
  }
  Until(
      {&client, &server}, [&] { return client.got().size() >= down.size(); },
      [&] { return server.Write(1 << 20) || client.Read(1 << 20); });
  CHECK(client.got() == down);
}

TEST_CASE_METHOD(RelayFixture, "a client's half-close reaches the server, whose answer comes back",
                 "[capture]") {
  End client = Client();
  client.Queue(kStartup + Frame('Q', std::string("select 1\0", 9)));
  Until(
      {&client}, [&] { return client.sent(); }, [&] { return client.Write(1000); });
  client.Shut();
  End server = Accept();
  Until(
      {&server}, [&] { return server.ended(); }, [&] { return server.Read(1000); });
  CHECK(server.got().size() == kStartup.size() + 14);
  base::Random random(6);
  const std::string down = kAccepted + Traffic(random, 3'000'000, "D", true);
  server.Queue(down);
  Until(
      {&client, &server}, [&] { return server.sent(); },
      [&] { return server.Write(1 << 20) || client.Read(1 << 20); });
  server.Close();
  Until(
      {&client}, [&] { return client.ended(); }, [&] { return client.Read(1 << 20); });
  CHECK(client.got() == down);
  CHECK(Eventually([&] { return relay_->counters().sessions_open == 0; }));
}

TEST_CASE_METHOD(RelayFixture, "a server's last words reach the client before its end",
                 "[capture]") {
  End client = Client();
  client.Queue(kStartup);
  Until(
      {&client}, [&] { return client.sent(); }, [&] { return client.Write(1000); });
  End server = Accept();
  const std::string down = kAccepted + Frame('E', std::string("SFATAL\0C57P01\0Mbye\0\0", 20));
  server.Queue(down);
  Until(
      {&server}, [&] { return server.sent(); }, [&] { return server.Write(1000); });
  server.Close();
  Until(
      {&client}, [&] { return client.ended(); }, [&] { return client.Read(1000); });
  CHECK(client.got() == down);
}

TEST_CASE_METHOD(RelayFixture, "a client that vanishes ends its server connection", "[capture]") {
  for (const bool flooded : {false, true}) {
    INFO("flooded " << flooded);
    End client = Client();
    client.Queue(kStartup);
    Until(
        {&client}, [&] { return client.sent(); }, [&] { return client.Write(1000); });
    End server = Accept();
    base::Random random(8);
    server.Queue(kAccepted + (flooded ? Traffic(random, 20'000'000, "D", true) : ""));
    while (server.Write(1 << 20)) {
    }
    const linger reset{1, 0};
    setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    client.Close();
    Until(
        {&server}, [&] { return server.ended(); },
        [&] { return server.Read(1000) || server.Write(1 << 16); });
    CHECK(Eventually([&] { return relay_->counters().sessions_open == 0; }));
  }
}

TEST_CASE_METHOD(RelayFixture, "what is open when the relay stops ends in the capture",
                 "[capture]") {
  End client = Client();
  client.Queue(kStartup);
  Until(
      {&client}, [&] { return client.sent(); }, [&] { return client.Write(1000); });
  End server = Accept();
  server.Queue(kAccepted);
  Until(
      {&client, &server}, [&] { return client.got() == kAccepted; },
      [&] { return server.Write(1000) || client.Read(1000); });
  CHECK(Eventually([&] { return relay_->counters().sessions == 1; }));
  Stop();
  Until(
      {&client}, [&] { return client.ended(); }, [&] { return client.Read(1000); });
  const auto ends = events_.Of<event::SessionEnd>();
  REQUIRE(ends.size() == 1);
  CHECK(ends[0].reason == event::EndReason::kCaptureEnded);
  CHECK(relay_->counters().sessions_open == 0);
}

TEST_CASE_METHOD(RelayFixture, "copy data over the limit costs its own exchange and not the next",
                 "[capture]") {
  End client = Client();
  client.Queue(kStartup);
  Until(
      {&client}, [&] { return client.sent(); }, [&] { return client.Write(1000); });
  End server = Accept();
  std::string down = kAccepted;
  const auto turn = [&](const std::string& asked, const std::string& answer) {
    const size_t before = server.got().size();
    client.Queue(asked);
    Until(
        {&client, &server}, [&] { return server.got().size() == before + asked.size(); },
        [&] { return client.Write(1 << 20) || server.Read(1 << 20); });
    down += answer;
    server.Queue(answer);
    Until(
        {&client, &server}, [&] { return client.got() == down; },
        [&] { return server.Write(1 << 20) || client.Read(1 << 20); });
  };
  server.Queue(kAccepted);
  Until(
      {&client, &server}, [&] { return client.got() == down && server.got() == kStartup; },
      [&] { return server.Write(1000) || client.Read(1000) || server.Read(1000); });
  turn(Frame('Q', std::string("copy t from stdin\0", 18)), Frame('G', std::string(3, '\0')));
  std::string data;
  for (int i = 0; i < 20; ++i) data += Frame('d', std::string(1 << 20, 'x'));
  turn(data + Frame('c', ""), Frame('C', std::string("COPY 20\0", 8)) + Frame('Z', "I"));
  for (int i = 0; i < 3; ++i) {
    turn(Frame('Q', std::string("select 1\0", 9)),
         Frame('C', std::string("SELECT 0\0", 9)) + Frame('Z', "I"));
  }
  Stop();
  const auto gaps = events_.Of<event::Gap>();
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].exchanges == 1);
  CHECK(gaps[0].reason == event::GapReason::kTooLarge);
  CHECK(events_.Of<event::Exchange>().size() == 3);
}

}  // namespace scry::capture
