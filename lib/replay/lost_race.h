// Exchanges that lost a race when captured: a deadlock, a serialization failure, a lock that was
// not to be had. Whether they lose it again is chance, and each lane would decide for itself. They
// had no effect, so they are not run: their transaction is made to fail where production's did.
// Pure.
#pragma once

#include "event/event.h"

namespace scry::replay {

bool LostRace(const event::Exchange& exchange);
// Keeps what the exchange prepared, and puts what fails or rolls back in the place of the rest.
// Without statements: nothing of it is compared.
void Withdraw(event::Exchange& exchange);

}  // namespace scry::replay
