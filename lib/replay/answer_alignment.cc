#include "replay/answer_alignment.h"

#include <cstddef>
#include <utility>

namespace scry::replay {
namespace {

// By index, in the order in which they are to stand.
std::vector<size_t> Places(const std::vector<event::Statement>& captured,
                           const std::vector<event::Statement>& answered) {
  std::vector<size_t> places;
  std::vector<size_t> others;
  for (size_t i = 0; i < answered.size(); ++i) {
    const size_t place = places.size();
    const bool full = place == captured.size();
    // As many as are still to come have to be taken, whatever they are.
    const bool needed = answered.size() - i <= captured.size() - place;
    const bool same = !full && captured[place].text == answered[i].text &&
                      captured[place].ordinal == answered[i].ordinal;
    // Texts are those that were sent, with values of the lane's own: only what it refused moves.
    const bool refused = answered[i].outcome.status == event::OutcomeStatus::kError;
    (!full && (needed || same || !refused) ? places : others).push_back(i);
  }
  places.insert(places.end(), others.begin(), others.end());
  return places;
}

template <typename T>
void Arrange(std::vector<T>& list, const std::vector<size_t>& places) {
  std::vector<T> arranged;
  arranged.reserve(list.size());
  for (const size_t place : places) {
    if (place < list.size()) arranged.push_back(std::move(list[place]));
  }
  list = std::move(arranged);
}

}  // namespace

void AlignAnswers(const std::vector<event::Statement>& captured, exchange::Answers& answers) {
  if (captured.empty() || answers.statements.size() <= captured.size()) return;
  const std::vector<size_t> places = Places(captured, answers.statements);
  if (answers.lanes.size() == answers.statements.size()) Arrange(answers.lanes, places);
  Arrange(answers.statements, places);
}

}  // namespace scry::replay
