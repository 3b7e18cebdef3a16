// Makes of captured messages those that one lane is to get: OIDs of types are that lane's own.
// Copies nothing where nothing changes. Pure.
#pragma once

#include <optional>
#include <vector>

#include "event/event.h"
#include "replay/options.h"
#include "replay/type_oids.h"

namespace scry::replay {

class MessageRewriter {
 public:
  // `types`: from the source's OIDs to the lane's. All outlive it.
  MessageRewriter(const TypeOids& types, IdentityStats& stats) : types_(types), stats_(stats) {}

  // nullopt: as they are.
  std::optional<std::vector<event::FrontendMessage>> Rewrite(
      const std::vector<event::FrontendMessage>& messages);

 private:
  std::optional<event::FrontendMessage> RewriteOne(const event::FrontendMessage& message);
  std::optional<event::FrontendMessage> RewriteParse(const event::FrontendMessage& message) const;
  std::optional<event::FrontendMessage> RewriteBind(const event::FrontendMessage& message) const;

  const TypeOids& types_;
  IdentityStats& stats_;
};

}  // namespace scry::replay
