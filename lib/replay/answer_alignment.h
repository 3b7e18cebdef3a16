// Which answer of a lane belongs to which captured statement, where a lane answered more than was
// captured: a Parse that it alone refuses is answered on its own, in front of what came after it.
// Pure.
#pragma once

#include <vector>

#include "event/event.h"
#include "exchange/answer_reader.h"

namespace scry::replay {

// Puts the lane's answers to captured statements at their places; what is left comes behind them.
void AlignAnswers(const std::vector<event::Statement>& captured, exchange::Answers& answers);

}  // namespace scry::replay
