// Events to log: random hostile ones, and a stream like that of a benchmark. Equality and a text
// form of all fields, since event:: compares only the parts that others compare.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "event/event.h"
#include "event/source_snapshot.h"

namespace scry::querylog::test {

using Events = std::vector<event::Event>;

event::Event RandomEvent(base::Random& random);
Events RandomEvents(uint64_t seed, size_t count);

// One small exchange of a session: `select <index>`.
event::Event SmallExchange(uint64_t session, uint64_t index, base::Micros at_us);

// As pgbench -S -M prepared over `clients` connections. `distinct_results`: every row differs.
Events PreparedStream(size_t count, uint64_t clients, bool distinct_results);

// One of everything.
event::SourceSnapshot SmallSnapshot();

// All fields of an event in one line, printable: equal texts are equal events.
std::string Dump(const event::Event& event);
std::string Dump(const Events& events);

}  // namespace scry::querylog::test
