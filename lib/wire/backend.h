// Messages of a server: views into a payload. Used by the relay's tracker, by replay and by tests.
// Pure; views point into the payload given. PROTOCOL.md, section "Server".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace scry::wire {

// Type bytes, by their names in the manual.
namespace backend {
inline constexpr uint8_t kAuthentication = 'R';
inline constexpr uint8_t kBackendKeyData = 'K';
inline constexpr uint8_t kBindComplete = '2';
inline constexpr uint8_t kCloseComplete = '3';
inline constexpr uint8_t kCommandComplete = 'C';
inline constexpr uint8_t kCopyBothResponse = 'W';
inline constexpr uint8_t kCopyData = 'd';
inline constexpr uint8_t kCopyDone = 'c';
inline constexpr uint8_t kCopyInResponse = 'G';
inline constexpr uint8_t kCopyOutResponse = 'H';
inline constexpr uint8_t kDataRow = 'D';
inline constexpr uint8_t kEmptyQueryResponse = 'I';
inline constexpr uint8_t kErrorResponse = 'E';
inline constexpr uint8_t kFunctionCallResponse = 'V';
inline constexpr uint8_t kNegotiateProtocolVersion = 'v';
inline constexpr uint8_t kNoData = 'n';
inline constexpr uint8_t kNoticeResponse = 'N';
inline constexpr uint8_t kNotificationResponse = 'A';
inline constexpr uint8_t kParameterDescription = 't';
inline constexpr uint8_t kParameterStatus = 'S';
inline constexpr uint8_t kParseComplete = '1';
inline constexpr uint8_t kPortalSuspended = 's';
inline constexpr uint8_t kReadyForQuery = 'Z';
inline constexpr uint8_t kRowDescription = 'T';
}  // namespace backend

// What may stand between any two messages and answers nothing.
inline bool IsAsynchronous(uint8_t type) {
  return type == backend::kNoticeResponse || type == backend::kNotificationResponse ||
         type == backend::kParameterStatus;
}

struct FieldDescription {
  std::string_view name;
  uint32_t table_oid = 0;
  uint16_t column_number = 0;
  uint32_t type_oid = 0;
  int16_t type_size = 0;
  int32_t type_modifier = 0;
  uint16_t format = 0;  // 0 text, 1 binary.
};

// One value of a DataRow.
struct RowValue {
  bool null = true;  // Not the same as an empty text.
  std::string_view text;
};

// Walks the values of a DataRow without a copy.
class DataRowReader {
 public:
  explicit DataRowReader(base::Bytes payload) : in_(payload), left_(in_.BigU16()) {}

  uint16_t values_left() const { return left_; }
  // False: no more, or malformed (see ok).
  bool Next(RowValue& value) {
    if (left_ == 0 || !in_.ok()) return false;
    --left_;
    const int32_t length = in_.BigI32();
    value.null = length < 0;
    value.text = length < 0 ? std::string_view() : in_.TakeText(static_cast<size_t>(length));
    malformed_ = malformed_ || length < -1;
    return in_.ok() && !malformed_;
  }
  // After the last value: the payload was exactly one row.
  bool ok() const { return left_ == 0 && !malformed_ && in_.AtEnd(); }

 private:
  base::ByteReader in_;
  uint16_t left_;
  bool malformed_ = false;
};

// Of ErrorResponse and NoticeResponse. Absent fields are empty.
struct ErrorFields {
  std::string_view severity;        // S: may be translated.
  std::string_view severity_plain;  // V: never translated; since 9.6.
  std::string_view sqlstate;        // C
  std::string_view message;         // M
  std::string_view detail;          // D
  std::string_view hint;            // H
  // The server ends the connection after it.
  bool fatal() const {
    const std::string_view name = severity_plain.empty() ? severity : severity_plain;
    return name == "FATAL" || name == "PANIC";
  }
};

struct ParameterStatus {
  std::string_view name;
  std::string_view value;
};

struct BackendKeyData {
  uint32_t pid = 0;
  std::string_view key;  // 4 bytes, up to 256 since protocol 3.2.
};

// Int32 of an Authentication message; other values are passed through.
enum class AuthenticationKind : uint32_t {
  kOk = 0,
  kCleartextPassword = 3,
  kMd5Password = 5,
  kGss = 7,
  kGssContinue = 8,
  kSspi = 9,
  kSasl = 10,
  kSaslContinue = 11,
  kSaslFinal = 12,
};

struct Notification {
  uint32_t pid = 0;
  std::string_view channel;
  std::string_view payload;
};

// Of CopyInResponse, CopyOutResponse and CopyBothResponse.
struct CopyResponse {
  uint8_t format = 0;
  std::vector<uint16_t> column_formats;
};

struct NegotiateProtocolVersion {
  uint32_t newest_minor = 0;  // As sent: PostgreSQL sends the whole version number.
  std::vector<std::string_view> unknown_options;
};

// Each is nullopt where the payload does not have exactly this layout.
std::optional<std::vector<FieldDescription>> ParseRowDescription(base::Bytes payload);
std::optional<std::string_view> ParseCommandComplete(base::Bytes payload);
std::optional<uint8_t> ParseReadyForQuery(base::Bytes payload);  // 'I', 'T' or 'E'.
std::optional<ParameterStatus> ParseParameterStatus(base::Bytes payload);
std::optional<BackendKeyData> ParseBackendKeyData(base::Bytes payload);
std::optional<AuthenticationKind> ParseAuthentication(base::Bytes payload);
std::optional<Notification> ParseNotification(base::Bytes payload);
std::optional<CopyResponse> ParseCopyResponse(base::Bytes payload);
std::optional<NegotiateProtocolVersion> ParseNegotiateProtocolVersion(base::Bytes payload);
// What can be read of it: an error is worth showing even if its end is odd.
ErrorFields ParseErrorFields(base::Bytes payload);

}  // namespace scry::wire
