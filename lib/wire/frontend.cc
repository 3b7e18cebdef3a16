#include "wire/frontend.h"

namespace scry::wire {
namespace {

using base::ByteReader;
using base::ByteWriter;

// Counts are 16 bits: no list can be longer than 65,535, whatever a peer claims.
std::vector<uint16_t> ReadFormats(ByteReader& in) {
  std::vector<uint16_t> formats;
  const uint16_t count = in.BigU16();
  if (in.left() < size_t{count} * 2) {
    in.Take(in.left() + 1);  // Makes the reader not ok.
    return formats;
  }
  formats.reserve(count);
  for (uint16_t i = 0; i < count; ++i) formats.push_back(in.BigU16());
  return formats;
}

void SkipFormats(ByteReader& in) { in.Take(size_t{in.BigU16()} * 2); }

std::optional<std::string_view> ReadValue(ByteReader& in) {
  const int32_t length = in.BigI32();
  if (length == -1) return std::nullopt;
  if (length < 0) {
    in.Take(in.left() + 1);
    return std::nullopt;
  }
  return in.TakeText(static_cast<size_t>(length));
}

std::vector<std::optional<std::string_view>> ReadValues(ByteReader& in) {
  std::vector<std::optional<std::string_view>> values;
  const uint16_t count = in.BigU16();
  for (uint16_t i = 0; i < count && in.ok(); ++i) values.push_back(ReadValue(in));
  return values;
}

void WriteFormats(ByteWriter& out, const std::vector<uint16_t>& formats) {
  out.BigU16(static_cast<uint16_t>(formats.size()));
  for (const uint16_t format : formats) out.BigU16(format);
}

void WriteValues(ByteWriter& out, const std::vector<std::optional<std::string_view>>& values) {
  out.BigU16(static_cast<uint16_t>(values.size()));
  for (const auto& value : values) {
    out.BigU32(value ? static_cast<uint32_t>(value->size()) : 0xffffffffu);
    if (value) out.Text(*value);
  }
}

std::string Message(uint8_t type, std::string_view payload = {}) {
  std::string out;
  AppendMessage(out, type, payload);
  return out;
}

std::string TargetMessage(uint8_t type, Target target, std::string_view name) {
  ByteWriter body;
  body.U8(static_cast<uint8_t>(target));
  body.CString(name);
  return Message(type, body.str());
}

std::optional<std::string_view> OneString(base::Bytes payload) {
  ByteReader in(payload);
  const std::string_view text = in.CString();
  if (!in.AtEnd()) return std::nullopt;
  return text;
}

}  // namespace

bool IsFrontendType(uint8_t type) {
  return type != 0 &&
         std::string_view("BCDEFHPQSXcdfp").find(static_cast<char>(type)) != std::string_view::npos;
}

std::optional<Parse> ParseParse(base::Bytes payload) {
  ByteReader in(payload);
  Parse parse;
  parse.name = in.CString();
  parse.text = in.CString();
  const uint16_t count = in.BigU16();
  if (in.left() != size_t{count} * 4) return std::nullopt;
  parse.parameter_types.reserve(count);
  for (uint16_t i = 0; i < count; ++i) parse.parameter_types.push_back(in.BigU32());
  if (!in.AtEnd()) return std::nullopt;
  return parse;
}

std::optional<Bind> ParseBind(base::Bytes payload) {
  ByteReader in(payload);
  Bind bind;
  bind.portal = in.CString();
  bind.statement = in.CString();
  bind.formats = ReadFormats(in);
  bind.parameters = ReadValues(in);
  bind.result_formats = ReadFormats(in);
  if (!in.AtEnd()) return std::nullopt;
  return bind;
}

std::optional<DescribeOrClose> ParseDescribeOrClose(base::Bytes payload) {
  ByteReader in(payload);
  const uint8_t target = in.U8();
  DescribeOrClose parsed;
  parsed.name = in.CString();
  if (!in.AtEnd() || (target != 'S' && target != 'P')) return std::nullopt;
  parsed.target = static_cast<Target>(target);
  return parsed;
}

std::optional<Execute> ParseExecute(base::Bytes payload) {
  ByteReader in(payload);
  Execute execute;
  execute.portal = in.CString();
  execute.row_limit = in.BigU32();
  if (!in.AtEnd()) return std::nullopt;
  return execute;
}

std::optional<std::string_view> ParseQuery(base::Bytes payload) { return OneString(payload); }

std::optional<FunctionCall> ParseFunctionCall(base::Bytes payload) {
  ByteReader in(payload);
  FunctionCall call;
  call.function_oid = in.BigU32();
  call.formats = ReadFormats(in);
  call.arguments = ReadValues(in);
  call.result_format = in.BigU16();
  if (!in.AtEnd()) return std::nullopt;
  return call;
}

std::optional<std::string_view> ParseCopyFail(base::Bytes payload) { return OneString(payload); }

FrontendParts SplitFrontend(uint8_t type, base::Bytes payload) {
  const std::string_view text = base::AsText(payload);
  if (type == frontend::kCopyData) return {{}, text, {}};
  if (type != frontend::kBind) return {text, {}, {}};
  ByteReader in(payload);
  in.CString();
  in.CString();
  SkipFormats(in);
  const uint16_t count = in.BigU16();
  const size_t head = in.position();
  for (uint16_t i = 0; i < count && in.ok(); ++i) ReadValue(in);
  const size_t tail = in.position();
  SkipFormats(in);
  if (!in.AtEnd()) return {text, {}, {}};
  return {text.substr(0, head), text.substr(head, tail - head), text.substr(tail)};
}

std::string EncodeQuery(std::string_view text) {
  ByteWriter body;
  body.CString(text);
  return Message(frontend::kQuery, body.str());
}

std::string EncodeParse(const Parse& parse) {
  ByteWriter body;
  body.CString(parse.name);
  body.CString(parse.text);
  body.BigU16(static_cast<uint16_t>(parse.parameter_types.size()));
  for (const uint32_t type : parse.parameter_types) body.BigU32(type);
  return Message(frontend::kParse, body.str());
}

std::string EncodeBind(const Bind& bind) {
  ByteWriter body;
  body.CString(bind.portal);
  body.CString(bind.statement);
  WriteFormats(body, bind.formats);
  WriteValues(body, bind.parameters);
  WriteFormats(body, bind.result_formats);
  return Message(frontend::kBind, body.str());
}

std::string EncodeDescribe(Target target, std::string_view name) {
  return TargetMessage(frontend::kDescribe, target, name);
}

std::string EncodeClose(Target target, std::string_view name) {
  return TargetMessage(frontend::kClose, target, name);
}

std::string EncodeExecute(std::string_view portal, uint32_t row_limit) {
  ByteWriter body;
  body.CString(portal);
  body.BigU32(row_limit);
  return Message(frontend::kExecute, body.str());
}

std::string EncodeFunctionCall(const FunctionCall& call) {
  ByteWriter body;
  body.BigU32(call.function_oid);
  WriteFormats(body, call.formats);
  WriteValues(body, call.arguments);
  body.BigU16(call.result_format);
  return Message(frontend::kFunctionCall, body.str());
}

std::string EncodeSync() { return Message(frontend::kSync); }
std::string EncodeFlush() { return Message(frontend::kFlush); }
std::string EncodeTerminate() { return Message(frontend::kTerminate); }
std::string EncodeCopyData(std::string_view data) { return Message(frontend::kCopyData, data); }
std::string EncodeCopyDone() { return Message(frontend::kCopyDone); }

std::string EncodeCopyFail(std::string_view reason) {
  ByteWriter body;
  body.CString(reason);
  return Message(frontend::kCopyFail, body.str());
}

}  // namespace scry::wire
