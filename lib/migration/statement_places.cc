#include "migration/statement_places.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace scry::migration {
namespace {

// How much of a file ran. BEGIN, SET and their like stand in many and say nothing.
double ShareRun(const ScriptFile& file, const std::set<uint64_t>& ran) {
  size_t telling = 0;
  size_t found = 0;
  for (const event::ScriptStatement& statement : file.statements) {
    if (event::IsDull(statement.kind)) continue;
    ++telling;
    found += ran.contains(statement.fingerprint) ? 1U : 0U;
  }
  return telling == 0 ? 0 : static_cast<double>(found) / static_cast<double>(telling);
}

}  // namespace

std::vector<std::optional<StatementPlace>> FindPlaces(const std::vector<uint64_t>& ran,
                                                      const std::vector<ScriptFile>& files) {
  const std::set<uint64_t> fingerprints(ran.begin(), ran.end());
  // The best file first.
  std::vector<std::tuple<double, std::string, const ScriptFile*>> order;
  for (const ScriptFile& file : files) {
    order.emplace_back(ShareRun(file, fingerprints), file.path, &file);
  }
  std::sort(order.rbegin(), order.rend());
  std::map<uint64_t, std::vector<StatementPlace>> known;
  for (const auto& [share, path, file] : order) {
    std::map<uint64_t, std::vector<StatementPlace>> here;
    for (const event::ScriptStatement& statement : file->statements) {
      here[statement.fingerprint].push_back({path, statement.line});
    }
    known.merge(here);  // What a better file has stays.
  }
  std::map<uint64_t, size_t> used;
  std::vector<std::optional<StatementPlace>> places;
  for (const uint64_t fingerprint : ran) {
    const auto found = known.find(fingerprint);
    if (found == known.end()) {
      places.emplace_back();
      continue;
    }
    // A loop runs one line many times: past the last there is only the last.
    const size_t at = std::min(used[fingerprint]++, found->second.size() - 1);
    places.emplace_back(found->second[at]);
  }
  return places;
}

}  // namespace scry::migration
