// One connection made by libpq (authentication, TLS, service files are its business), for admin
// probes and for replay, which sends raw frames once it is ready. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "pg/conninfo.h"

namespace scry::pg {

enum class ConnectState : uint8_t {
  kReading,  // Wait until socket() is readable, then Poll().
  kWriting,  // Wait until socket() is writable, then Poll().
  kReady,
};

enum class IoState : uint8_t {
  kDone,        // `bytes` were moved, at least one.
  kWouldBlock,  // Nothing moved: wait for the socket.
  kClosed,      // End of file: the server closed.
};
struct IoCount {
  IoState state = IoState::kDone;
  size_t bytes = 0;
};

class Connection {
 public:
  // Blocks, at most `timeout_us` in all. kTimeout when that ran out, with the address tried.
  static base::Result<Connection> Connect(const ConnInfo& info, base::Micros timeout_us = 10000000);
  // Starts without waiting (a host name may still be looked up; lanes have none).
  static base::Result<Connection> StartConnect(const ConnInfo& info);
  // Goes on; call when the socket is as asked, at first without waiting (kWriting). socket() may
  // change until it is ready. Refused by the server: an Error with its
  // SQLSTATE.
  base::Result<ConnectState> Poll();

  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  int socket() const;
  bool ssl_in_use() const;
  uint32_t backend_pid() const;
  int server_version() const;  // 150004 for 15.4.
  // As the server reported it; empty where it did not.
  std::string ParameterStatus(const std::string& name) const;

  // Before raw IO: fails with kUnsupported under GSS encryption, whose bytes only libpq can decode,
  // and under TLS by another library than OpenSSL. REQUIRES: ready. From now on the frames on the
  // socket belong to the caller, from a clean start: libpq has read up to and with the first
  // ReadyForQuery and nothing further.
  base::Status BeginRaw();
  // Gives back what libpq holds, some 36 kB, and keeps the socket, whose number may change: to be
  // taken from the poller before. Afterwards ParameterStatus() is empty. Under TLS, and where there
  // is no descriptor to spare, all stays as it is. REQUIRES: raw.
  void DropLibpq();
  // Never block. Errors are those of the socket (reset, closed by us).
  base::Result<IoCount> ReadSome(std::span<uint8_t> buffer);
  base::Result<IoCount> WriteSome(std::span<const uint8_t> bytes);

  // Asks the server to cancel what runs here, over a connection of its own. Blocks shortly.
  base::Status Cancel() const;

  // One command, text results dropped but for the first column of the first row. For probes; not
  // after BeginRaw. Blocks.
  base::Result<std::optional<std::string>> QueryValue(const std::string& sql);
  // The same with parameters as a client bound them: types as OIDs, values in `formats` (0 text,
  // 1 binary). The result comes as text.
  struct BoundValue {
    uint32_t type_oid = 0;
    std::optional<std::string> value;  // nullopt: NULL.
    int format = 0;
  };
  base::Result<std::optional<std::string>> QueryBound(const std::string& sql,
                                                      const std::vector<BoundValue>& values);
  // A prepared statement of the protocol, and its execution with text parameters and results.
  // `types`: OIDs of its first parameters; 0, or none: the server finds out.
  base::Status Prepare(const std::string& name, const std::string& sql,
                       const std::vector<uint32_t>& types = {});
  base::Result<std::optional<std::string>> QueryPrepared(const std::string& name,
                                                         const std::vector<std::string>& values);
  // 'it''s', in the connection's encoding. Fails for what is no text in it.
  base::Result<std::string> QuoteLiteral(const std::string& text) const;

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  base::Error Refused() const;
  std::unique_ptr<Impl> impl_;
};

enum class PingState : uint8_t {
  kAccepting,
  kRejecting,   // Starting up, recovering or shutting down.
  kNoResponse,  // Nothing listens there.
};
// Needs no valid user or database.
PingState Ping(const ConnInfo& info);

// 15 for 150004.
inline int MajorVersion(int server_version) { return server_version / 10000; }

}  // namespace scry::pg
