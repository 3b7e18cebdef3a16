#include "wire/backend.h"

namespace scry::wire {

using base::ByteReader;

std::optional<std::vector<FieldDescription>> ParseRowDescription(base::Bytes payload) {
  ByteReader in(payload);
  const uint16_t count = in.BigU16();
  std::vector<FieldDescription> fields;
  for (uint16_t i = 0; i < count && in.ok(); ++i) {
    FieldDescription field;
    field.name = in.CString();
    field.table_oid = in.BigU32();
    field.column_number = in.BigU16();
    field.type_oid = in.BigU32();
    field.type_size = in.BigI16();
    field.type_modifier = in.BigI32();
    field.format = in.BigU16();
    fields.push_back(field);
  }
  if (!in.AtEnd()) return std::nullopt;
  return fields;
}

std::optional<std::string_view> ParseCommandComplete(base::Bytes payload) {
  ByteReader in(payload);
  const std::string_view tag = in.CString();
  if (!in.AtEnd()) return std::nullopt;
  return tag;
}

std::optional<uint8_t> ParseReadyForQuery(base::Bytes payload) {
  if (payload.size() != 1) return std::nullopt;
  const uint8_t status = payload[0];
  if (status != 'I' && status != 'T' && status != 'E') return std::nullopt;
  return status;
}

std::optional<ParameterStatus> ParseParameterStatus(base::Bytes payload) {
  ByteReader in(payload);
  ParameterStatus parsed;
  parsed.name = in.CString();
  parsed.value = in.CString();
  if (!in.AtEnd()) return std::nullopt;
  return parsed;
}

std::optional<BackendKeyData> ParseBackendKeyData(base::Bytes payload) {
  ByteReader in(payload);
  BackendKeyData parsed;
  parsed.pid = in.BigU32();
  parsed.key = in.TakeRest();
  if (!in.AtEnd()) return std::nullopt;
  return parsed;
}

std::optional<AuthenticationKind> ParseAuthentication(base::Bytes payload) {
  ByteReader in(payload);
  const uint32_t kind = in.BigU32();
  if (!in.ok()) return std::nullopt;
  return static_cast<AuthenticationKind>(kind);
}

std::optional<Notification> ParseNotification(base::Bytes payload) {
  ByteReader in(payload);
  Notification parsed;
  parsed.pid = in.BigU32();
  parsed.channel = in.CString();
  parsed.payload = in.CString();
  if (!in.AtEnd()) return std::nullopt;
  return parsed;
}

std::optional<CopyResponse> ParseCopyResponse(base::Bytes payload) {
  ByteReader in(payload);
  CopyResponse parsed;
  parsed.format = in.U8();
  const uint16_t count = in.BigU16();
  if (in.left() != size_t{count} * 2) return std::nullopt;
  parsed.column_formats.reserve(count);
  for (uint16_t i = 0; i < count; ++i) parsed.column_formats.push_back(in.BigU16());
  if (!in.AtEnd()) return std::nullopt;
  return parsed;
}

std::optional<NegotiateProtocolVersion> ParseNegotiateProtocolVersion(base::Bytes payload) {
  ByteReader in(payload);
  NegotiateProtocolVersion parsed;
  parsed.newest_minor = in.BigU32();
  const uint32_t count = in.BigU32();
  // Each option takes at least its zero byte, so a nonsense count ends at the end of the payload.
  for (uint32_t i = 0; i < count && in.ok(); ++i) parsed.unknown_options.push_back(in.CString());
  if (!in.AtEnd()) return std::nullopt;
  return parsed;
}

ErrorFields ParseErrorFields(base::Bytes payload) {
  ByteReader in(payload);
  ErrorFields fields;
  while (in.left() > 0) {
    const uint8_t code = in.U8();
    if (code == 0) break;
    const std::string_view text = in.CString();
    if (!in.ok()) break;
    switch (code) {
      case 'S':
        fields.severity = text;
        break;
      case 'V':
        fields.severity_plain = text;
        break;
      case 'C':
        fields.sqlstate = text;
        break;
      case 'M':
        fields.message = text;
        break;
      case 'D':
        fields.detail = text;
        break;
      case 'H':
        fields.hint = text;
        break;
      default:
        break;  // File, line, routine ...: not used.
    }
  }
  return fields;
}

}  // namespace scry::wire
