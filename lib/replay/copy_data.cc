#include "replay/copy_data.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/bytes.h"
#include "replay/row_rewriter.h"

namespace scry::replay {
namespace {

using Format = event::CopyShape::Format;

// The text and the CSV format: cells between delimiters and ends of lines.
class TextData {
 public:
  TextData(const event::CopyShape& shape, std::string_view data, const MapCopied& map)
      : shape_(shape), csv_(shape.format == Format::kCsv), data_(data), map_(map) {}

  std::optional<std::string> Rewrite() {
    bool header = shape_.header;
    size_t column = 0;
    while (at_ < data_.size()) {
      const size_t begin = at_;
      SkipCell();
      if (!header) MapCell(column, begin, at_);
      const bool row_ends = at_ == data_.size() || data_[at_] != shape_.delimiter;
      column = row_ends ? 0 : column + 1;
      header &= !row_ends;
      ++at_;
    }
    if (copied_ == 0) return std::nullopt;
    out_ += data_.substr(copied_);
    return std::move(out_);
  }

 private:
  static bool EndsLine(char c) { return c == '\n' || c == '\r'; }

  // To the delimiter or the end of the line behind it.
  void SkipCell() {
    bool quoted = false;
    for (; at_ < data_.size(); ++at_) {
      const char c = data_[at_];
      if (!csv_) {
        // What is escaped neither ends a cell nor a line.
        if (c == '\\') {
          ++at_;
        } else if (c == shape_.delimiter || EndsLine(c)) {
          break;
        }
      } else if (quoted && c == shape_.escape && at_ + 1 < data_.size() &&
                 (data_[at_ + 1] == shape_.escape || data_[at_ + 1] == shape_.quote)) {
        ++at_;
      } else if (c == shape_.quote) {
        quoted = !quoted;
      } else if (!quoted && (c == shape_.delimiter || EndsLine(c))) {
        break;
      }
    }
    at_ = std::min(at_, data_.size());
  }

  bool IsPlain(std::string_view value) const {
    for (const char c : value) {
      if (c == shape_.delimiter || EndsLine(c) || (csv_ ? IsQuoting(c) : c == '\\')) return false;
    }
    return true;
  }
  bool IsQuoting(char c) const { return c == shape_.quote || c == shape_.escape; }

  void MapCell(size_t column, size_t begin, size_t end) {
    // "5" in quotes stays in quotes.
    if (csv_ && end - begin >= 2 && data_[begin] == shape_.quote &&
        data_[end - 1] == shape_.quote) {
      ++begin;
      --end;
    }
    const std::string_view value = data_.substr(begin, end - begin);
    if (value.empty() || !IsPlain(value)) return;
    const std::optional<std::string> other = map_(column, value);
    if (!other || !IsPlain(*other)) return;
    out_ += data_.substr(copied_, begin - copied_);
    out_ += *other;
    copied_ = end;
  }

  const event::CopyShape& shape_;
  const bool csv_;
  const std::string_view data_;
  const MapCopied& map_;
  size_t at_ = 0;
  std::string out_;
  size_t copied_ = 0;  // Of `data_`, in `out_`; 0: nothing changed so far.
};

std::optional<std::string> RewriteBinary(std::string_view data, const MapCopied& map) {
  constexpr size_t kSignatureAndFlags = 11 + 4;
  base::ByteReader in(data);
  in.Take(kSignatureAndFlags);
  in.Take(in.BigU32());  // An extension of the header.
  base::ByteWriter out;
  out.Text(data.substr(0, in.position()));
  bool changed = false;
  while (in.left() > 0) {
    const int16_t columns = in.BigI16();
    out.BigU16(static_cast<uint16_t>(columns));
    if (columns < 0) break;  // The trailer.
    for (int16_t column = 0; column < columns && in.ok(); ++column) {
      const uint32_t size = in.BigU32();
      if (size == UINT32_MAX) {
        out.BigU32(size);
        continue;
      }
      const std::string_view value = base::AsText(in.Take(size));
      const auto other = in.ok() ? map(static_cast<size_t>(column), value) : std::nullopt;
      changed |= other.has_value();
      AppendSized(out, other ? std::string_view(*other) : value);
    }
  }
  if (!changed || !in.ok()) return std::nullopt;
  out.Text(data.substr(in.position()));
  return out.Release();
}

}  // namespace

std::optional<std::string> RewriteCopyData(const event::CopyShape& shape, std::string_view data,
                                           const MapCopied& map) {
  if (shape.format == Format::kBinary) return RewriteBinary(data, map);
  return TextData(shape, data, map).Rewrite();
}

}  // namespace scry::replay
