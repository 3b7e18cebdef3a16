// Exchanges that lost a race when captured: a deadlock, a serialization failure, a lock that was
// not to be had. Whether they lose it again is chance, and each lane would decide for itself. They
// had no effect, so they are not run: their transaction is made to fail where production's did.
// What the same exchange did before it, up to its last BEGIN, SAVEPOINT or COMMIT, had one and is
// run: drivers send these with the statement that follows.
// Not so where a lock was not to be had (NOWAIT, lock_timeout) that an open transaction of the
// capture held: there the order makes it fail again.
// A write of READ COMMITTED that waited for a row loses it when the row is deleted meanwhile, even
// where the same key is there again: it had its snapshot before, and changes nothing. Replayed
// behind the commit that it waited for it would find the new row. Nothing takes its place.
// Pure.
#pragma once

#include <vector>

#include "event/event.h"
#include "replay/footprint.h"

namespace scry::replay {

// A deadlock, a serialization failure, or a lock that was not to be had.
bool IsLostRace(const event::Outcome& outcome);
// `lock_held`: another session of the capture held what it touches.
bool LostRace(const event::Exchange& exchange, bool lock_held);
// It failed for want of a lock (55P03), or was cancelled or ran out of time (57014): whatever it
// waited for, it did not get.
bool GaveUpWaiting(const event::Exchange& exchange);
// It failed since another row had its key (23505), for whose fate it may have waited.
bool MetRow(const event::Exchange& exchange);
bool WasCancelled(const event::Exchange& exchange);  // 57014.
// ... and not since its time was up: pg_cancel_backend(), if no client asked for it.
bool WasCancelledBySql(const event::Exchange& exchange);
bool WasTerminated(const event::Exchange& exchange);  // 57P01: its backend was ended.
// Its one statement only changes or locks rows of single keys, and there were none: it did nothing
// and holds nothing. `touches`: of its footprint.
bool FoundNoRow(const event::Exchange& exchange, const std::vector<Access>& touches);
// Keeps what the exchange prepared, and what it did before the failure that outlived it. What
// failed is replaced by what fails or rolls back. Without statements: nothing of it is compared.
void Withdraw(event::Exchange& exchange);

}  // namespace scry::replay
