#include "event/sql_script.h"

#include <algorithm>
#include <string>

#include "event/sql_literal.h"

#ifdef SCRY_HAVE_PG_QUERY
#include <pg_query.h>
#endif

namespace scry::event {

#ifdef SCRY_HAVE_PG_QUERY
namespace {

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

// Letters in lower case, runs of blanks as one.
std::string Folded(std::string_view text) {
  std::string folded;
  for (const char c : text) {
    if (!IsBlank(c)) {
      folded += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    } else if (!folded.empty() && folded.back() != ' ') {
      folded += ' ';
    }
  }
  return folded;
}

// Ends in "COPY t FROM stdin;", whose data follows.
bool OpensData(std::string_view text) {
  text = Trimmed(text);
  if (!text.ends_with(';')) return false;
  text.remove_suffix(1);
  const std::string last = Folded(text.substr(text.rfind(';') + 1));
  return last.starts_with("copy ") && last.find(" from stdin") != std::string::npos;
}

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// What psql keeps for itself becomes blanks, so that offsets and lines stay.
std::string WithoutClientLines(std::string_view text) {
  std::string sql(text);
  if (text.starts_with(kByteOrderMark)) sql.replace(0, kByteOrderMark.size(), "   ");
  bool data = false;
  std::string statement;  // Since the last semicolon, without lines of comment.
  for (size_t at = 0; at < sql.size();) {
    const size_t end = std::min(sql.find('\n', at), sql.size());
    const std::string_view line = Trimmed(std::string_view(sql).substr(at, end - at));
    if (data || line.starts_with('\\')) {
      data = data && line != "\\.";
      std::fill(sql.begin() + static_cast<std::ptrdiff_t>(at),
                sql.begin() + static_cast<std::ptrdiff_t>(end), ' ');
    } else if (!line.starts_with("--")) {
      statement.append(line).append(" ");
      const size_t last = line.rfind(';');
      data = OpensData(statement);
      if (last != std::string_view::npos) statement = line.substr(last + 1);
    }
    at = end + 1;
  }
  return sql;
}

// Past blanks, comments and empty statements.
size_t FirstWord(std::string_view text, size_t at, size_t end) {
  while (at < end) {
    if (IsBlank(text[at]) || text[at] == ';') {
      ++at;
      continue;
    }
    const size_t after = CommentEnd(text, at);
    if (after == at) break;
    at = after;
  }
  return std::min(at, end);
}

}  // namespace

std::vector<ScriptPiece> SplitScript(std::string_view text) {
  std::vector<ScriptPiece> pieces;
  // The scanner reads C strings.
  if (text.find('\0') != std::string_view::npos) return pieces;
  const std::string sql = WithoutClientLines(text);
  const PgQuerySplitResult split = pg_query_split_with_scanner(sql.c_str());
  uint32_t line = 1;
  size_t counted = 0;
  for (int i = 0; split.error == nullptr && i < split.n_stmts; ++i) {
    const auto begin = static_cast<size_t>(std::max(split.stmts[i]->stmt_location, 0));
    const size_t end =
        std::min(begin + static_cast<size_t>(std::max(split.stmts[i]->stmt_len, 0)), sql.size());
    const size_t from = FirstWord(sql, std::min(begin, end), end);
    if (from == end) continue;
    line +=
        static_cast<uint32_t>(std::count(sql.begin() + static_cast<std::ptrdiff_t>(counted),
                                         sql.begin() + static_cast<std::ptrdiff_t>(from), '\n'));
    counted = from;
    pieces.push_back({sql.substr(from, end - from), line});
  }
  pg_query_free_split_result(split);
  return pieces;
}

#else

std::vector<ScriptPiece> SplitScript(std::string_view /*text*/) { return {}; }

#endif  // SCRY_HAVE_PG_QUERY

std::vector<ScriptStatement> ReadScript(std::string_view text) {
  std::vector<ScriptStatement> statements;
  for (const ScriptPiece& piece : SplitScript(text)) {
    const StatementFacts facts = AnalyzeQuery(piece.sql)[0];
    statements.push_back({facts.fingerprint, facts.kind, piece.line});
  }
  return statements;
}

}  // namespace scry::event
