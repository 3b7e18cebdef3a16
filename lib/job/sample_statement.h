// A captured execution as SQL that EXPLAIN takes, planned as in the session that ran it: a prepared
// statement that had been run often enough is accustomed first, so that the server chooses between
// its generic plan and a new one as it did there. Used by the probes of work and plans. Blocks. One
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "job/lane_runner.h"
#include "pg/connection.h"
#include "replay/sample.h"

namespace scry::job {

class SampleStatement {
 public:
  static constexpr const char* kName = "scry_sample";  // Of the prepared statement.

  // Both outlive it.
  SampleStatement(pg::Connection& connection, const replay::Sample& sample)
      : connection_(connection), sample_(sample) {}

  // In a transaction with the sample's settings, where kName is free. It is taken by this for as
  // long as nobody deallocates it. `pattern`: other samples, whose parameters accustom it.
  base::Status Prepare(const std::vector<replay::Sample>& pattern);

  // After Prepare().
  const std::string& sql() const { return sql_; }
  bool prepared() const { return !sample_.messages.empty(); }

 private:
  base::Status Accustom(const std::vector<replay::Sample>& pattern);
  base::Result<std::string> ExecuteOf(const BoundParameters& parameters);
  base::Result<std::vector<uint32_t>> PreparedTypes();

  pg::Connection& connection_;
  const replay::Sample& sample_;
  std::string sql_;
};

}  // namespace scry::job
