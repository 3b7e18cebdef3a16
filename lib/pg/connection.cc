#include "pg/connection.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/units.h"

namespace scry::pg {
namespace {

struct FreeResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
struct FreeCancel {
  void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
};

void DropNotice(void*, const PGresult*) {}

struct Keywords {
  std::vector<const char*> names;
  std::vector<const char*> values;
};

// Views into `info`. Keywords this libpq does not know yet are left out, or it would refuse all.
Keywords KeywordsOf(const ConnInfo& info) {
  static const std::vector<std::string> known = KnownKeywords();
  Keywords keywords;
  for (const auto& [name, value] : info.pairs()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) continue;
    keywords.names.push_back(name.c_str());
    keywords.values.push_back(value.c_str());
  }
  keywords.names.push_back(nullptr);
  keywords.values.push_back(nullptr);
  return keywords;
}

bool IsUnixSocket(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return false;
  return address.ss_family == AF_UNIX;
}

// PGHOSTADDR in our own environment beats a socket folder given as host: a lane would quietly
// become the server that variable names.
base::Status CheckNotLedElsewhere(const ConnInfo& info) {
  const char* address = std::getenv("PGHOSTADDR");
  if (address == nullptr || *address == '\0' || info.Has("hostaddr")) return {};
  if (!info.Get("host").starts_with("/")) return {};
  return base::Fail(
      fmt::format("connect to {}: the variable PGHOSTADDR would lead to another server; unset it",
                  info.Display()));
}

base::Result<IoCount> AfterSocketCall(ssize_t moved, const char* what, bool zero_is_end) {
  if (moved > 0) return IoCount{IoState::kDone, static_cast<size_t>(moved)};
  if (moved == 0) return IoCount{zero_is_end ? IoState::kClosed : IoState::kWouldBlock, 0};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
    return IoCount{IoState::kWouldBlock, 0};
  return base::FailErrno(what);
}

// What OpenSSL says of a call that moved nothing.
base::Result<IoCount> AfterTlsCall(SSL* tls, int returned, const char* what) {
  switch (SSL_get_error(tls, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return IoCount{IoState::kWouldBlock, 0};
    case SSL_ERROR_ZERO_RETURN:
      return IoCount{IoState::kClosed, 0};
    case SSL_ERROR_SYSCALL:
      if (errno == 0) return IoCount{IoState::kClosed, 0};
      return base::FailErrno(what);
    default:
      break;
  }
  // A server that ends does not always say goodbye.
  const unsigned long error = ERR_get_error();
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
  if (ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    return IoCount{IoState::kClosed, 0};
  }
#endif
  const char* reason = ERR_reason_error_string(error);
  return base::Fail(fmt::format("{}: {}", what, reason == nullptr ? "TLS failed" : reason));
}

// One record may be less than there is, and what OpenSSL has read the socket does not tell of.
base::Result<IoCount> ReadTls(SSL* tls, std::span<uint8_t> buffer) {
  size_t moved = 0;
  while (moved < buffer.size()) {
    ERR_clear_error();
    errno = 0;
    const int got = SSL_read(tls, buffer.data() + moved, static_cast<int>(buffer.size() - moved));
    if (got <= 0) {
      if (moved > 0) break;  // Whatever it was is told the next time.
      return AfterTlsCall(tls, got, "read from the server");
    }
    moved += static_cast<size_t>(got);
  }
  return IoCount{IoState::kDone, moved};
}

base::Result<IoCount> WriteTls(SSL* tls, std::span<const uint8_t> bytes) {
  constexpr size_t kAtOnceMax = size_t{1} << 30;
  if (bytes.empty()) return IoCount{IoState::kWouldBlock, 0};
  ERR_clear_error();
  errno = 0;
  const int put =
      SSL_write(tls, bytes.data(), static_cast<int>(std::min(bytes.size(), kAtOnceMax)));
  if (put <= 0) return AfterTlsCall(tls, put, "write to the server");
  return IoCount{IoState::kDone, static_cast<size_t>(put)};
}

// On one line.
std::string ServerMessage(const char* raw) { return base::OneLine(raw == nullptr ? "" : raw); }

constexpr size_t kSqlstateSize = 5;

// Where verbose libpq put the place in the server's source: "LOCATION:  name, file.c:757", in the
// language of the client.
bool IsLocation(std::string_view line) {
  const size_t colon = line.rfind(':');
  if (colon == std::string_view::npos || !line.substr(0, colon).ends_with(".c")) return false;
  const std::string_view number = line.substr(colon + 1);
  return !number.empty() && number.find_first_not_of("0123456789") == std::string_view::npos;
}

// "FATAL:  28000: role \"x\" does not exist": where the SQLSTATE stands.
size_t FindSqlstate(std::string_view line) {
  constexpr std::string_view kBefore = ":  ";
  for (size_t at = line.find(kBefore); at != std::string_view::npos;
       at = line.find(kBefore, at + 1)) {
    const size_t begin = at + kBefore.size();
    const std::string_view state = line.substr(begin, kSqlstateSize);
    const bool is_state =
        state.size() == kSqlstateSize &&
        state.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos;
    if (is_state && line.substr(begin + kSqlstateSize).starts_with(": ")) return begin;
  }
  return std::string_view::npos;
}

// "FATAL:  role \"x\" does not exist" on one line, as libpq says it where it is not verbose; the
// address stands in front. Of several servers or attempts, the SQLSTATE of the last.
base::Error ServerError(const char* raw) {
  base::Error error;
  std::string text;
  std::string_view rest = raw == nullptr ? "" : raw;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    std::string line(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (IsLocation(line)) continue;
    const size_t state = FindSqlstate(line);
    if (state != std::string::npos) {
      error.sqlstate = line.substr(state, kSqlstateSize);
      line.erase(state, kSqlstateSize + 2);
    }
    text += line + "\n";
  }
  error.message = ServerMessage(text.c_str());
  return error;
}

}  // namespace

struct Connection::Impl {
  Impl(PGconn* opened, ConnInfo connected_to) : conn(opened), info(std::move(connected_to)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    PQfinish(conn);
    if (fd < 0) return;
    // As PQfinish() would: a server logs a client that leaves a transaction without a word.
    constexpr std::string_view kTerminate("X\0\0\0\4", 5);
    (void)send(fd, kTerminate.data(), kTerminate.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
  }

  PGconn* conn;  // Null: dropped.
  ConnInfo info;
  bool raw = false;
  // Once conn is dropped, what is left of it.
  int fd = -1;
  uint32_t backend_pid = 0;
  int server_version = 0;
  std::unique_ptr<PGcancel, FreeCancel> cancel;
  SSL* tls = nullptr;  // Of conn, once raw; null: plain text.
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::Connection(Connection&& other) noexcept = default;
Connection& Connection::operator=(Connection&& other) noexcept = default;
Connection::~Connection() = default;

base::Error Connection::Refused() const {
  base::Error error = ServerError(PQerrorMessage(impl_->conn));
  error.message = fmt::format("connect to {}: {}", impl_->info.Display(), error.message);
  return error;
}

base::Result<Connection> Connection::StartConnect(const ConnInfo& info) {
  SCRY_TRY(CheckNotLedElsewhere(info));
  const Keywords keywords = KeywordsOf(info);
  PGconn* conn = PQconnectStartParams(keywords.names.data(), keywords.values.data(), 0);
  if (conn == nullptr) return base::Fail("connect to " + info.Display() + ": out of memory");
  Connection connection(std::make_unique<Impl>(conn, info));
  // libpq keeps no result of a failed start: only its text tells the SQLSTATE.
  PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
  if (PQstatus(conn) == CONNECTION_BAD) return connection.Refused();
  PQsetNoticeReceiver(conn, DropNotice, nullptr);
  return connection;
}

base::Result<ConnectState> Connection::Poll() {
  switch (PQconnectPoll(impl_->conn)) {
    case PGRES_POLLING_READING:
      return ConnectState::kReading;
    case PGRES_POLLING_WRITING:
    case PGRES_POLLING_ACTIVE:
      return ConnectState::kWriting;
    case PGRES_POLLING_OK:
      PQsetErrorVerbosity(impl_->conn, PQERRORS_DEFAULT);
      break;
    case PGRES_POLLING_FAILED:
      return Refused();
  }
  if (impl_->info.Get("host").starts_with("/") && !IsUnixSocket(PQsocket(impl_->conn))) {
    return base::Fail("connect to " + impl_->info.Display() +
                      ": libpq went elsewhere; unset PG* variables");
  }
  return ConnectState::kReady;
}

base::Result<Connection> Connection::Connect(const ConnInfo& info, base::Micros timeout_us) {
  const base::Clock& clock = base::SystemClock();
  const base::Micros until = clock.MonotonicUs() + timeout_us;
  SCRY_TRY_ASSIGN(Connection connection, StartConnect(info));
  ConnectState state = ConnectState::kWriting;
  for (;;) {
    const base::Micros left = until - clock.MonotonicUs();
    if (left <= 0) {
      return base::Fail(base::ErrorCode::kTimeout,
                        fmt::format("connect to {}: no answer within {}", info.Display(),
                                    base::FormatDuration(timeout_us)));
    }
    pollfd fd{connection.socket(),
              static_cast<short>(state == ConnectState::kReading ? POLLIN : POLLOUT), 0};
    const int ready =
        poll(&fd, 1, static_cast<int>(std::min<base::Micros>(left / 1000 + 1, 60000)));
    if (ready <= 0) continue;
    SCRY_TRY_ASSIGN(state, connection.Poll());
    if (state == ConnectState::kReady) return connection;
  }
}

int Connection::socket() const {
  return impl_->conn == nullptr ? impl_->fd : PQsocket(impl_->conn);
}
bool Connection::ssl_in_use() const { return PQsslInUse(impl_->conn) != 0; }
uint32_t Connection::backend_pid() const {
  if (impl_->conn == nullptr) return impl_->backend_pid;
  return static_cast<uint32_t>(PQbackendPID(impl_->conn));
}
int Connection::server_version() const {
  return impl_->conn == nullptr ? impl_->server_version : PQserverVersion(impl_->conn);
}

std::string Connection::ParameterStatus(const std::string& name) const {
  const char* value = PQparameterStatus(impl_->conn, name.c_str());
  return value == nullptr ? "" : value;
}

base::Status Connection::BeginRaw() {
  if (PQgssEncInUse(impl_->conn) != 0) {
    return base::Fail(base::ErrorCode::kUnsupported,
                      fmt::format("{}: raw frames over a connection encrypted by GSS are not "
                                  "supported; add gssencmode=disable",
                                  impl_->info.Display()));
  }
  if (ssl_in_use()) {
    impl_->tls = static_cast<SSL*>(PQsslStruct(impl_->conn, "OpenSSL"));
    if (impl_->tls == nullptr) {
      return base::Fail(base::ErrorCode::kUnsupported,
                        fmt::format("{}: this libpq has another TLS than OpenSSL; reach the server "
                                    "through a tunnel with sslmode=disable",
                                    impl_->info.Display()));
    }
    // What could not be written is offered again from a buffer that has grown meanwhile.
    SSL_set_mode(impl_->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  // Startup ends at ReadyForQuery, and a server says nothing more on its own but asynchronous
  // messages (a notice, a changed setting), which this lets libpq consume should one have come in
  // the same read.
  if (PQisBusy(impl_->conn) != 0) {
    return base::Fail(impl_->info.Display() + ": the connection is not idle");
  }
  impl_->raw = true;
  return {};
}

// libpq gives no socket away, and PQfinish() says goodbye to the server: it gets another file under
// the socket's number to say that to.
void Connection::DropLibpq() {
  Impl& impl = *impl_;
  if (impl.conn == nullptr || impl.tls != nullptr) return;
  std::unique_ptr<PGcancel, FreeCancel> cancel(PQgetCancel(impl.conn));
  const int kept = fcntl(PQsocket(impl.conn), F_DUPFD_CLOEXEC, 0);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (cancel && kept >= 0 && nowhere >= 0 &&
      dup3(nowhere, PQsocket(impl.conn), O_CLOEXEC) == PQsocket(impl.conn)) {
    impl.cancel = std::move(cancel);
    impl.backend_pid = backend_pid();
    impl.server_version = server_version();
    impl.fd = kept;
    PQfinish(std::exchange(impl.conn, nullptr));
  } else if (kept >= 0) {
    close(kept);
  }
  if (nowhere >= 0) close(nowhere);
}

base::Result<IoCount> Connection::ReadSome(std::span<uint8_t> buffer) {
  if (!impl_->raw) return base::Fail("read frames: the connection is still libpq's");
  if (impl_->tls != nullptr) return ReadTls(impl_->tls, buffer);
  return AfterSocketCall(recv(socket(), buffer.data(), buffer.size(), MSG_DONTWAIT),
                         "read from the server", !buffer.empty());
}

base::Result<IoCount> Connection::WriteSome(std::span<const uint8_t> bytes) {
  if (!impl_->raw) return base::Fail("write frames: the connection is still libpq's");
  if (impl_->tls != nullptr) return WriteTls(impl_->tls, bytes);
  return AfterSocketCall(send(socket(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL),
                         "write to the server", false);
}

base::Status Connection::Cancel() const {
  std::unique_ptr<PGcancel, FreeCancel> made;
  if (impl_->conn != nullptr) made.reset(PQgetCancel(impl_->conn));
  PGcancel* const cancel = impl_->conn == nullptr ? impl_->cancel.get() : made.get();
  std::array<char, 256> message{};
  if (cancel != nullptr && PQcancel(cancel, message.data(), static_cast<int>(message.size())) != 0)
    return {};
  return base::Fail(
      fmt::format("cancel on {}: {}", impl_->info.Display(), ServerMessage(message.data())));
}

namespace {

// Takes the result.
base::Result<std::optional<std::string>> FirstValue(PGconn* conn, PGresult* taken) {
  const std::unique_ptr<PGresult, FreeResult> result(taken);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
    base::Error error = base::Fail(ServerMessage(PQerrorMessage(conn)));
    const char* sqlstate = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
    if (sqlstate != nullptr) error.sqlstate = sqlstate;
    return error;
  }
  if (PQntuples(result.get()) == 0 || PQgetisnull(result.get(), 0, 0) != 0) {
    return std::optional<std::string>();
  }
  return std::optional<std::string>(PQgetvalue(result.get(), 0, 0));
}

}  // namespace

base::Result<std::optional<std::string>> Connection::QueryValue(const std::string& sql) {
  if (impl_->raw) return base::Fail("query: the connection is no longer libpq's");
  return FirstValue(impl_->conn, PQexec(impl_->conn, sql.c_str()));
}

base::Result<std::optional<std::string>> Connection::QueryBound(
    const std::string& sql, const std::vector<BoundValue>& values) {
  if (impl_->raw) return base::Fail("query: the connection is no longer libpq's");
  std::vector<Oid> types;
  std::vector<const char*> texts;
  std::vector<int> lengths;
  std::vector<int> formats;
  for (const BoundValue& value : values) {
    types.push_back(value.type_oid);
    texts.push_back(value.value ? value.value->c_str() : nullptr);
    lengths.push_back(value.value ? static_cast<int>(value.value->size()) : 0);
    formats.push_back(value.format);
  }
  return FirstValue(impl_->conn,
                    PQexecParams(impl_->conn, sql.c_str(), static_cast<int>(values.size()),
                                 types.data(), texts.data(), lengths.data(), formats.data(), 0));
}

base::Status Connection::Prepare(const std::string& name, const std::string& sql,
                                 const std::vector<uint32_t>& types) {
  if (impl_->raw) return base::Fail("prepare: the connection is no longer libpq's");
  const std::vector<Oid> oids(types.begin(), types.end());
  const auto done = FirstValue(impl_->conn, PQprepare(impl_->conn, name.c_str(), sql.c_str(),
                                                      static_cast<int>(oids.size()), oids.data()));
  if (!done.ok()) return done.error();
  return {};
}

base::Result<std::optional<std::string>> Connection::QueryPrepared(
    const std::string& name, const std::vector<std::string>& values) {
  if (impl_->raw) return base::Fail("query: the connection is no longer libpq's");
  std::vector<const char*> texts;
  for (const std::string& value : values) texts.push_back(value.c_str());
  return FirstValue(impl_->conn,
                    PQexecPrepared(impl_->conn, name.c_str(), static_cast<int>(texts.size()),
                                   texts.data(), nullptr, nullptr, 0));
}

base::Result<std::string> Connection::QuoteLiteral(const std::string& text) const {
  char* quoted = PQescapeLiteral(impl_->conn, text.data(), text.size());
  if (quoted == nullptr) return base::Fail(ServerMessage(PQerrorMessage(impl_->conn)));
  std::string literal = quoted;
  PQfreemem(quoted);
  return literal;
}

PingState Ping(const ConnInfo& info) {
  const Keywords keywords = KeywordsOf(info);
  switch (PQpingParams(keywords.names.data(), keywords.values.data(), 0)) {
    case PQPING_OK:
      return PingState::kAccepting;
    case PQPING_REJECT:
      return PingState::kRejecting;
    case PQPING_NO_RESPONSE:
    case PQPING_NO_ATTEMPT:
      break;
  }
  return PingState::kNoResponse;
}

}  // namespace scry::pg
