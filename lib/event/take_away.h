// Does a statement take something away that what follows it in its transaction may put back? Such
// a transaction must not be split: others would see what is between. Used by the safe forms of
// migrations. Pure.
#pragma once

#include <string>

namespace scry::event {

// A statement that drops, renames, moves, empties, disables or revokes; and one whose doing its
// text does not tell (DO, CALL), or that does not parse. Functions that a query calls are not
// looked into.
bool MayTakeAway(const std::string& sql);

}  // namespace scry::event
