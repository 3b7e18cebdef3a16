// A server that exists already, as the target of a replay: how to reach it, and whether it may be
// written to. Used by the jobs behind `scry replay` and by `scry shadow mark`. Blocks.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "pg/conninfo.h"
#include "replay/hidden_writes.h"

namespace scry::job {

// `conninfo` as the user gave it, complete. If it names a database, all sessions go there, whatever
// they named. kUsage where it asks for TLS or GSS, which replay does not speak; the one that leaves
// it open gets neither.
base::Result<pg::ConnInfo> ResolveTarget(const std::string& conninfo);

// Settles the database that is asked about: `databases` are those of the sessions to come. kUsage
// if the target names one and there are several.
base::Status ChooseDatabase(const std::vector<std::string>& databases, pg::ConnInfo& target);

// May it be replayed against? With `reads_only`, always, as the filter lets nothing else through.
base::Status AdmitTarget(const pg::ConnInfo& target, bool reads_only);

// What reading text may write there, in every database that sessions go to.
base::Result<replay::HiddenWrites> HiddenWritesOf(const pg::ConnInfo& target,
                                                  const std::vector<std::string>& databases);

// "15.7". Fails where nobody answers.
base::Result<std::string> ServerVersion(const pg::ConnInfo& target);

// kUsage if `target` is the server of one of `sources`, and where it cannot be told whether it is:
// that is let pass with `reads_only` alone.
base::Status RefuseSources(const pg::ConnInfo& target,
                           const std::vector<config::NamedSource>& sources, bool reads_only);

// The same host and port. Names are not looked up.
bool SameServer(const pg::ConnInfo& a, const pg::ConnInfo& b);

}  // namespace scry::job
