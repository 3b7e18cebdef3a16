#include "event/statement_facts.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/letter_case.h"
#include "event/drawn_outputs.h"
#include "event/parse_tree.h"
#include "event/row_choice.h"
#include "event/sort_keys.h"

#ifdef SCRY_HAVE_PG_QUERY
#include <pg_query.h>
#endif

namespace scry::event {
namespace {

using nlohmann::json;
using tree::kDepthMax;
using tree::LastString;
using tree::Text;

constexpr size_t kPatternMax = 16 * 1024;
bool IsWordByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// A lexer of just enough SQL to fold white space, drop comments and (if asked) replace constants.
// It serves text that the parser refuses, so it must take any bytes.
class TextFolder {
 public:
  TextFolder(std::string_view text, bool replace_constants)
      : text_(text), replace_constants_(replace_constants) {}

  std::string Fold() {
    while (position_ < text_.size()) Step();
    while (!out_.empty() && (out_.back() == ' ' || out_.back() == ';')) out_.pop_back();
    return std::move(out_);
  }

 private:
  char At(size_t offset) const {
    return position_ + offset < text_.size() ? text_[position_ + offset] : '\0';
  }

  void Step() {
    const char c = text_[position_];
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++position_;
      Blank();
    } else if (c == '-' && At(1) == '-') {
      const size_t end = text_.find('\n', position_);
      position_ = end == std::string_view::npos ? text_.size() : end;
    } else if (c == '/' && At(1) == '*') {
      SkipComment();
    } else if (c == '\'') {
      Constant(QuotedEnd(position_, '\'', EscapesBefore()));
    } else if (c == '"') {
      Copy(QuotedEnd(position_, '"', false));
    } else if (c == '$' && !InWord() && DollarEnd() != 0) {
      Constant(DollarEnd());
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0 && !InWord()) {
      Constant(NumberEnd());
    } else {
      Copy(position_ + 1);
    }
  }

  bool InWord() const { return !out_.empty() && IsWordByte(out_.back()); }
  bool EscapesBefore() const {
    return !out_.empty() && (out_.back() == 'e' || out_.back() == 'E') &&
           (out_.size() < 2 || !IsWordByte(out_[out_.size() - 2]));
  }
  void Blank() {
    if (!out_.empty() && out_.back() != ' ') out_.push_back(' ');
  }
  void Copy(size_t end) {
    out_.append(text_.substr(position_, end - position_));
    position_ = end;
  }
  void Constant(size_t end) {
    if (!replace_constants_) {
      Copy(end);
      return;
    }
    out_.push_back('?');
    position_ = end;
  }
  void SkipComment() {
    int depth = 0;
    do {
      if (At(0) == '/' && At(1) == '*') {
        ++depth;
        position_ += 2;
      } else if (At(0) == '*' && At(1) == '/') {
        --depth;
        position_ += 2;
      } else {
        ++position_;
      }
    } while (depth > 0 && position_ < text_.size());
    position_ = std::min(position_, text_.size());
    Blank();
  }
  size_t QuotedEnd(size_t from, char quote, bool escapes) const {
    for (size_t i = from + 1; i < text_.size(); ++i) {
      if (escapes && text_[i] == '\\') {
        ++i;
      } else if (text_[i] == quote) {
        if (i + 1 < text_.size() && text_[i + 1] == quote) {
          ++i;
        } else {
          return i + 1;
        }
      }
    }
    return text_.size();
  }
  // Past the closing tag of a dollar-quoted string that starts here, or 0.
  size_t DollarEnd() const {
    size_t tag_end = position_ + 1;
    while (tag_end < text_.size() && text_[tag_end] != '$' && IsWordByte(text_[tag_end])) ++tag_end;
    if (tag_end >= text_.size() || text_[tag_end] != '$') return 0;
    if (std::isdigit(static_cast<unsigned char>(text_[position_ + 1])) != 0) return 0;
    const std::string_view tag = text_.substr(position_, tag_end + 1 - position_);
    const size_t close = text_.find(tag, tag_end + 1);
    return close == std::string_view::npos ? text_.size() : close + tag.size();
  }
  size_t NumberEnd() const {
    size_t end = position_;
    while (end < text_.size()) {
      const char c = text_[end];
      const bool sign = (c == '+' || c == '-') && end > position_ &&
                        (text_[end - 1] == 'e' || text_[end - 1] == 'E');
      if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '_' && !sign) break;
      ++end;
    }
    return end;
  }

  std::string_view text_;
  bool replace_constants_;
  size_t position_ = 0;
  std::string out_;
};

std::string CutPattern(std::string pattern) {
  if (pattern.size() > kPatternMax) {
    size_t end = kPatternMax;
    while (end > 0 && (static_cast<uint8_t>(pattern[end]) & 0xc0) == 0x80) --end;
    pattern.resize(end);
    pattern += "…";
  }
  return pattern;
}

std::string FirstWord(std::string_view folded) {
  std::string word;
  for (const char c : folded) {
    if (!IsWordByte(c)) break;
    word.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return word;
}

StatementKind KindOfWord(const std::string& word) {
  static const std::unordered_map<std::string, StatementKind> kinds = {
      {"SELECT", StatementKind::kSelect},      {"INSERT", StatementKind::kInsert},
      {"UPDATE", StatementKind::kUpdate},      {"DELETE", StatementKind::kDelete},
      {"MERGE", StatementKind::kMerge},        {"BEGIN", StatementKind::kBegin},
      {"START", StatementKind::kBegin},        {"COMMIT", StatementKind::kCommit},
      {"END", StatementKind::kCommit},         {"ROLLBACK", StatementKind::kRollback},
      {"ABORT", StatementKind::kRollback},     {"CREATE", StatementKind::kDdl},
      {"ALTER", StatementKind::kDdl},          {"DROP", StatementKind::kDdl},
      {"SET", StatementKind::kSession},        {"RESET", StatementKind::kSession},
      {"SAVEPOINT", StatementKind::kSavepoint}};
  const auto found = kinds.find(word);
  return found == kinds.end() ? StatementKind::kOther : found->second;
}

// Transaction control and session settings write no rows, whoever recognised them.
bool NeverWrites(StatementKind kind) {
  return kind == StatementKind::kBegin || kind == StatementKind::kRollback ||
         kind == StatementKind::kSavepoint || kind == StatementKind::kSession;
}

StatementFacts FactsOfText(std::string_view text) {
  StatementFacts facts;
  const std::string folded = TextFolder(text, true).Fold();
  facts.fingerprint = XXH3_64bits(folded.data(), folded.size());
  facts.kind = KindOfWord(FirstWord(folded));
  facts.writes = !NeverWrites(facts.kind) && facts.kind != StatementKind::kCommit;
  facts.pattern = CutPattern(folded);
  return facts;
}

#ifdef SCRY_HAVE_PG_QUERY

// Gathers what stands anywhere in a statement's tree.
class TreeWalk {
 public:
  explicit TreeWalk(StatementFacts& facts) : facts_(facts) {}

  // False: too deep to be walked whole.
  bool Walk(const json& node, int depth = 0) {
    if (depth > kDepthMax) return false;
    if (node.is_object()) {
      for (const auto& [key, value] : node.items()) {
        Visit(key, value);
        if (!Walk(value, depth + 1)) return false;
      }
    } else if (node.is_array()) {
      for (const auto& value : node) {
        if (!Walk(value, depth + 1)) return false;
      }
    }
    return true;
  }

  bool writes() const { return writes_; }

 private:
  void Visit(const std::string& key, const json& value) {
    if (key == "FuncCall") {
      AddName(facts_.functions, LastString(value.value("funcname", json::array())));
    } else if (key == "SQLValueFunction") {
      AddValueFunction(Text(value, "op"));
    } else if (key == "RangeVar" || key == "relation" || key == "rel" || key == "view" ||
               key == "table") {
      AddRelation(value);
    } else if (key == "CreateStmt") {
      AddMade(value, "relation");
    } else if (key == "into") {
      AddMade(value, "rel");
    } else if (key == "ViewStmt") {
      AddMade(value, "view");
    } else if (key == "waitPolicy") {
      facts_.skips_locked |= value == "LockWaitSkip";
      facts_.nowait |= value == "LockWaitError";
    } else if (key == "nowait") {
      facts_.nowait |= value.is_boolean() && value.get<bool>();
    } else if (key == "intoClause") {
      AddMade(value, "rel");
      writes_ = true;
    } else if (key == "LockingClause" || key == "InsertStmt" || key == "UpdateStmt" ||
               key == "DeleteStmt" || key == "MergeStmt") {
      writes_ = true;
    }
  }
  static void AddName(std::vector<std::string>& names, std::string_view name) {
    if (!name.empty()) names.push_back(base::LowerAscii(name));
  }
  // "SVFOP_CURRENT_TIMESTAMP_N" is current_timestamp(n).
  void AddValueFunction(std::string op) {
    if (op.starts_with("SVFOP_")) op.erase(0, 6);
    if (op.ends_with("_N")) op.resize(op.size() - 2);
    AddName(facts_.functions, op);
  }
  static std::string NameOf(const json& range_var) {
    const std::string name = Text(range_var, "relname");
    const std::string schema = Text(range_var, "schemaname");
    return name.empty() || schema.empty() ? name : schema + "." + name;
  }
  void AddRelation(const json& node) {
    std::string name = NameOf(node);
    if (!name.empty()) facts_.relations.push_back(std::move(name));
  }
  void AddMade(const json& node, const char* key) {
    const json* made = tree::Find(node, key);
    if (made == nullptr || !facts_.makes.empty()) return;
    facts_.makes = NameOf(*made);
    facts_.makes_temporary =
        Text(*made, "relpersistence") == "t" || Text(*made, "schemaname") == "pg_temp";
  }

  StatementFacts& facts_;
  bool writes_ = false;
};

void SortUnique(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

void AddRowChoice(const RowChoice& choice, StatementFacts& facts) {
  facts.picks = choice.picks;
  facts.ranks = choice.ranks;
  facts.gathers = choice.gathers;
  facts.chosen = choice.outputs;
}

void ReadSelect(const json& select, StatementFacts& facts) {
  facts.ordered = !tree::List(select, "sortClause").empty();
  const RowLimit limit = ReadRowLimit(select);
  facts.limited = limit.limited;
  facts.skips = limit.skips;
  facts.limit = limit.rows;
  facts.one_row = GivesOneRow(select);
  facts.one_table = ReadsOneTable(select);
  AddRowChoice(ReadRowChoice(select, /*select=*/true), facts);
  facts.sort_keys = ReadSortKeys(select);
  facts.one_key = AsksForOneKey(select);
}

void ReadDeclare(const json& node, StatementFacts& facts) {
  constexpr int64_t kOptionHold = 0x20;  // CURSOR_OPT_HOLD of the server's parsenodes.h.
  facts.cursor.act = CursorAct::kDeclare;
  facts.cursor.name = Text(node, "portalname");
  facts.cursor.holds = (node.value("options", int64_t{0}) & kOptionHold) != 0;
  const json* query = tree::Find(node, "query");
  const json* select = query == nullptr ? nullptr : tree::Find(*query, "SelectStmt");
  if (select != nullptr) ReadSelect(*select, facts);
}

void ReadFetch(const json& node, StatementFacts& facts) {
  CursorUse& cursor = facts.cursor;
  const bool moves = node.value("ismove", false);
  cursor.act = moves ? CursorAct::kMove : CursorAct::kFetch;
  cursor.name = Text(node, "portalname");
  // FORWARD is what is left out where nothing else is said; a negative count goes back, and 0 gives
  // the row once more that the cursor stands on.
  const std::string direction = Text(node, "direction");
  const json* how_many = tree::Find(node, "howMany");
  int64_t rows = 0;
  if (how_many != nullptr && how_many->is_number_integer()) rows = how_many->get<int64_t>();
  if (how_many != nullptr && how_many->is_string()) {
    const std::string& digits = how_many->get_ref<const std::string&>();
    if (std::from_chars(digits.data(), digits.data() + digits.size(), rows).ec != std::errc()) {
      rows = 0;
    }
  }
  cursor.onwards = (direction.empty() || direction == "FETCH_FORWARD") && rows > 0;
  if (!cursor.onwards) return;
  // FETCH ALL asks for the largest number there is; servers of 32 bits have a smaller one.
  const bool all = rows >= std::numeric_limits<int32_t>::max();
  cursor.rows = all ? CursorUse::kAllRows : static_cast<uint64_t>(rows);
}

void ReadCursorUse(const std::string& type, const json& node, StatementFacts& facts) {
  if (type == "DeclareCursorStmt") ReadDeclare(node, facts);
  if (type == "FetchStmt") ReadFetch(node, facts);
  if (type == "ClosePortalStmt") {
    facts.cursor.act = CursorAct::kClose;
    facts.cursor.name = Text(node, "portalname");
  }
}

StatementKind KindOfTransaction(const std::string& kind, bool& writes) {
  if (kind == "TRANS_STMT_BEGIN" || kind == "TRANS_STMT_START") return StatementKind::kBegin;
  if (kind == "TRANS_STMT_ROLLBACK") return StatementKind::kRollback;
  if (kind == "TRANS_STMT_COMMIT") return StatementKind::kCommit;
  if (kind == "TRANS_STMT_PREPARE" || kind == "TRANS_STMT_COMMIT_PREPARED") {
    writes = true;
    return StatementKind::kCommit;
  }
  if (kind == "TRANS_STMT_ROLLBACK_PREPARED") {
    writes = true;
    return StatementKind::kRollback;
  }
  return StatementKind::kSavepoint;
}

bool StartsWithAny(const std::string& text, std::initializer_list<const char*> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const char* prefix) { return text.starts_with(prefix); });
}

// `writes` comes in as found in the tree and goes out as the statement's own.
StatementKind KindOfNode(const std::string& type, const json& node, bool& writes) {
  static const std::unordered_map<std::string, StatementKind> kReads = {
      {"SelectStmt", StatementKind::kSelect},
      {"VariableShowStmt", StatementKind::kSelect},
      {"FetchStmt", StatementKind::kSelect},
      {"VariableSetStmt", StatementKind::kSession},
      {"DiscardStmt", StatementKind::kSession},
      {"DeallocateStmt", StatementKind::kSession},
      {"ClosePortalStmt", StatementKind::kSession},
      {"ListenStmt", StatementKind::kSession},
      {"UnlistenStmt", StatementKind::kSession},
      {"ConstraintsSetStmt", StatementKind::kSession}};
  const auto read = kReads.find(type);
  if (read != kReads.end()) return read->second;
  // What they hold runs later (EXECUTE) or reads only (a cursor).
  if (type == "PrepareStmt") {
    writes = false;
    return StatementKind::kSession;
  }
  if (type == "DeclareCursorStmt") return StatementKind::kSession;
  if (type == "TransactionStmt") return KindOfTransaction(Text(node, "kind"), writes);
  if (type == "ExplainStmt") {
    bool analyze = false;
    for (const json& option : node.value("options", json::array())) {
      analyze |= Text(option.value("DefElem", json::object()), "defname") == "analyze";
    }
    writes = writes && analyze;
    return StatementKind::kSelect;
  }
  if (type == "CopyStmt") {
    writes = writes || node.value("is_from", false);
    return node.value("is_from", false) ? StatementKind::kCopyIn : StatementKind::kCopyOut;
  }
  writes = true;
  if (type == "InsertStmt") return StatementKind::kInsert;
  if (type == "UpdateStmt") return StatementKind::kUpdate;
  if (type == "DeleteStmt") return StatementKind::kDelete;
  if (type == "MergeStmt") return StatementKind::kMerge;
  if (StartsWithAny(type, {"Create", "Alter", "Drop", "Rename", "Index", "View", "Grant",
                           "Truncate", "Comment", "Refresh", "Reindex", "Cluster", "Define", "Rule",
                           "CompositeType", "SecLabel", "Reassign"})) {
    return StatementKind::kDdl;
  }
  return StatementKind::kOther;
}

// The parser's normalisation leaves utility statements alone (EXECUTE p('x'), NOTIFY, SET, FETCH
// 10), and patterns must not show values: there constants are replaced by the textual way.
bool IsNormalisable(const std::string& type) {
  return type == "SelectStmt" || type == "InsertStmt" || type == "UpdateStmt" ||
         type == "DeleteStmt" || type == "MergeStmt";
}

std::string NormalisedText(const std::string& text, const std::string& type) {
  if (!IsNormalisable(type)) return CutPattern(TextFolder(text, true).Fold());
  PgQueryNormalizeResult result = pg_query_normalize(text.c_str());
  std::string normalised;
  if (result.error == nullptr) {
    normalised = TextFolder(result.normalized_query, false).Fold();
  } else {
    normalised = TextFolder(text, true).Fold();
  }
  pg_query_free_normalize_result(result);
  return CutPattern(std::move(normalised));
}

std::optional<StatementFacts> FactsOfTree(const std::string& text, const json& statement) {
  if (!statement.is_object() || statement.size() != 1) return std::nullopt;
  PgQueryFingerprintResult print = pg_query_fingerprint(text.c_str());
  const bool printed = print.error == nullptr;
  StatementFacts facts;
  facts.fingerprint = print.fingerprint;
  pg_query_free_fingerprint_result(print);
  if (!printed) return std::nullopt;

  facts.parsed = true;
  TreeWalk walk(facts);
  const bool whole = walk.Walk(statement);
  SortUnique(facts.functions);
  const size_t named = facts.relations.size();
  SortUnique(facts.relations);
  facts.repeats = facts.relations.size() < named;
  facts.writes = walk.writes() || !whole;
  const std::string& type = statement.begin().key();
  const json& node = statement.begin().value();
  facts.pattern = NormalisedText(text, type);
  facts.kind = KindOfNode(type, node, facts.writes);
  if (NeverWrites(facts.kind) && type != "TransactionStmt" && type != "DeclareCursorStmt") {
    facts.writes = false;
  }
  if (type == "SelectStmt") {
    ReadSelect(node, facts);
  } else {
    AddRowChoice(ReadRowChoice(node, /*select=*/false), facts);
    facts.drawn = DrawnOutputs(type, node);
  }
  ReadCursorUse(type, node, facts);
  return facts;
}

std::vector<StatementFacts> AnalyzeParsed(const std::string& text) {
  std::vector<StatementFacts> all;
  const std::optional<json> tree = tree::Parse(text);
  if (!tree) return all;
  for (const json& raw : tree->value("stmts", json::array())) {
    const size_t from = std::min(raw.value("stmt_location", size_t{0}), text.size());
    const size_t length = raw.value("stmt_len", size_t{0});
    const std::string piece = text.substr(from, length == 0 ? std::string::npos : length);
    std::optional<StatementFacts> facts = FactsOfTree(piece, raw.value("stmt", json::object()));
    all.push_back(facts ? std::move(*facts) : FactsOfText(piece));
  }
  return all;
}

#endif  // SCRY_HAVE_PG_QUERY

}  // namespace

std::string OneLineSql(std::string_view text) { return TextFolder(text, false).Fold(); }

bool IsDull(StatementKind kind) {
  return kind == StatementKind::kBegin || kind == StatementKind::kCommit ||
         kind == StatementKind::kRollback || kind == StatementKind::kSavepoint ||
         kind == StatementKind::kSession;
}

bool DependsOnLocks(const StatementFacts& facts) {
  return facts.skips_locked || facts.nowait ||
         std::any_of(facts.functions.begin(), facts.functions.end(), [](const std::string& name) {
           return name.starts_with("pg_try_advisory") || name == "pg_terminate_backend" ||
                  name == "pg_cancel_backend";
         });
}

bool LeavesOut(const StatementFacts& facts, uint64_t rows) {
  if (!facts.limited || facts.one_row) return false;
  return facts.skips || !facts.limit || rows >= *facts.limit;
}

bool DrawsFromSequences(const StatementFacts& facts) {
  return std::any_of(facts.functions.begin(), facts.functions.end(), IsSequenceFunction);
}

std::string FingerprintText(uint64_t fingerprint) { return fmt::format("{:016x}", fingerprint); }

size_t WeighFacts(std::string_view text, const std::vector<StatementFacts>& facts) {
  size_t bytes = text.size();
  const auto add = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) bytes += sizeof(name) + name.size();
  };
  for (const StatementFacts& one : facts) {
    bytes += sizeof(one) + one.pattern.size() + one.makes.size();
    add(one.sort_keys);
    add(one.functions);
    add(one.relations);
    if (one.chosen) add(*one.chosen);
    if (one.drawn) add(*one.drawn);
  }
  return bytes;
}

std::vector<StatementFacts> AnalyzeQuery(std::string_view text) {
#ifdef SCRY_HAVE_PG_QUERY
  std::vector<StatementFacts> parsed = AnalyzeParsed(std::string(text));
  if (!parsed.empty()) return parsed;
#endif
  std::vector<StatementFacts> all;
  all.push_back(FactsOfText(text));
  return all;
}

}  // namespace scry::event
