// Names that a server gives to portals of its own: "<unnamed portal 1>", which a function returns
// as a refcursor and a client then fetches from. They are numbered per backend, so a lane may have
// counted otherwise than production did. One per session and lane; pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "event/event.h"

namespace scry::replay {

class PortalNames {
 public:
  // In a RowList: Learn() may find something.
  static bool AreIn(std::string_view rows);
  // What a statement returned in the capture and on this lane: RowLists (event.h).
  void Learn(std::string_view captured_rows, std::string_view lane_rows);
  // The transaction is over, and its portals with it.
  void Clear() { names_.clear(); }
  // Some name differs.
  bool empty() const { return names_.empty(); }
  // The lane's names in the place of the captured ones: of portals, in quotes inside of SQL, and as
  // whole values of parameters.
  void Rewrite(std::vector<event::FrontendMessage>& messages) const;

 private:
  std::string Replace(std::string_view text, bool quoted) const;
  std::string ReplaceValues(std::string_view values) const;

  std::map<std::string, std::string, std::less<>> names_;  // Captured to the lane's.
};

}  // namespace scry::replay
