// Makes of captured messages those that one lane is to get: OIDs of types are that lane's own, and
// so are values that it made itself, where the text of a statement says which column they belong
// to. Copies nothing where nothing changes. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "event/event.h"
#include "event/value_sites.h"
#include "replay/column_catalog.h"
#include "replay/identity_map.h"
#include "replay/options.h"
#include "replay/type_oids.h"
#include "wire/frontend.h"

namespace scry::replay {

// The messages that carry a statement's text and its parameters, in the same exchange.
struct Carriers {
  std::optional<size_t> text;
  std::optional<size_t> bind;
};
// `run`: event::Statement::message.
Carriers CarriersOf(const std::vector<event::FrontendMessage>& messages, size_t run);

// A call by OID of a function that is not the server's own: nobody knows its OID elsewhere.
bool CallsUnknownFunction(const event::FrontendMessage& message);

// Payloads of Parse by the name of the statement, of those that declare a type which may be too
// narrow for what a lane draws: psycopg calls 7 a smallint.
using NarrowStatements = std::unordered_map<std::string, std::string>;
// Notes those of an exchange. Bounded.
void NoteNarrow(const event::Exchange& exchange, NarrowStatements& statements);

class MessageRewriter {
 public:
  // `types`: from the source's OIDs to the lane's. `values`: the lane's. All outlive it.
  MessageRewriter(const TypeOids& types, const ColumnCatalog& columns, IdentityMap& values,
                  event::SitesCache& sites, IdentityStats& stats)
      : types_(types), columns_(columns), values_(values), sites_(sites), stats_(stats) {}

  // `narrow`: of the session's exchanges before. nullopt: the messages as they are. Where a value
  // does not fit into the type that its statement declares, the statement is prepared once more
  // beside it, with a wider one.
  std::optional<std::vector<event::FrontendMessage>> Rewrite(const event::Exchange& exchange,
                                                             const NarrowStatements& narrow);

 private:
  struct TextSite {
    size_t offset;
    size_t length;
    const MappedColumn* column;
    bool array;
    std::optional<std::vector<std::string>>
        key;  // Of an xmin: of which row it is, if that is said.
  };
  struct ParameterSite {
    size_t index;
    const MappedColumn* column;
    bool array;
    std::optional<std::vector<std::string>> key;
  };
  // Data of COPY FROM STDIN: CopyData messages up to `end`.
  struct CopyPlace {
    size_t end = 0;
    event::CopyShape shape;
    std::vector<const MappedColumn*> columns;  // nullptr: not mapped.
  };
  // Where values stand that may have to be changed, by message.
  struct Places {
    std::map<size_t, std::map<size_t, TextSite>> texts;  // ... and by offset.
    std::map<size_t, std::vector<ParameterSite>> parameters;
    std::map<size_t, CopyPlace> copies;
  };

  void FindPlaces(const event::Exchange& exchange);
  void FindCopies(const event::Exchange& exchange);
  // A statement of an exchange, with the sites of its text.
  struct Asking {
    const event::Exchange& exchange;
    const event::Statement& statement;
    const std::vector<event::ValueSite>& sites;
    const Carriers& carriers;
  };
  void AddSite(const event::ValueSite& site, const Asking& asking);
  static std::optional<std::vector<std::string>> KeyBeside(const event::ValueSite& site,
                                                           const std::vector<KeyColumn>& key,
                                                           const Asking& asking);
  std::optional<event::FrontendMessage> RewriteQuery(const event::FrontendMessage& message,
                                                     size_t index);
  std::optional<event::FrontendMessage> RewriteParse(const event::FrontendMessage& message,
                                                     size_t index);
  // One message, or what stands in its place. Empty: as it is.
  std::vector<event::FrontendMessage> RewriteBind(const event::Exchange& exchange, size_t index,
                                                  const NarrowStatements& narrow);
  std::vector<event::FrontendMessage> RewriteCopy(
      const std::vector<event::FrontendMessage>& messages, size_t begin, const CopyPlace& place);
  struct Parameter {
    std::optional<std::string> other;
    bool wide = false;  // `other` is of the wider type.
  };
  std::optional<std::string> RewriteText(std::string_view text, size_t index);
  Parameter ParameterOf(std::string_view value, bool binary, uint32_t declared, size_t index,
                        const std::vector<ParameterSite>& sites);
  Parameter MapParameter(std::string_view value, bool binary, uint32_t declared,
                         const ParameterSite& site);
  event::FrontendMessage WiderParse(const wire::Parse& parse, const std::vector<bool>& wide) const;
  std::optional<std::string> ToLane(const MappedColumn& column, const std::string& captured,
                                    const std::optional<std::vector<std::string>>& key = {});

  const TypeOids& types_;
  const ColumnCatalog& columns_;
  IdentityMap& values_;
  event::SitesCache& sites_;
  IdentityStats& stats_;
  Places places_;
};

}  // namespace scry::replay
