// The constants of FORMAT.md, and nothing else. Used inside querylog only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace scry::querylog {

inline constexpr uint32_t kFormatVersion = 2;

// "Directory".
inline constexpr std::string_view kManifestName = "manifest.json";
inline constexpr std::string_view kSnapshotName = "snapshot.json";
inline constexpr std::string_view kSegmentSuffix = ".scryseg";
inline constexpr std::string_view kOpenSuffix = ".open";

// "Source snapshot".
inline constexpr std::string_view kSnapshotFormat = "scry-source-snapshot";
inline constexpr uint32_t kSnapshotVersion = 1;
inline constexpr uint64_t kSnapshotBytesMax = uint64_t{64} << 20;

// "Segment".
inline constexpr std::string_view kSegmentMagic = "SCRYSEG\n";
inline constexpr size_t kSegmentHeaderBytes = 40;
inline constexpr size_t kCaptureIdBytes = 16;
using CaptureId = std::array<uint8_t, kCaptureIdBytes>;

// "Blocks".
inline constexpr std::string_view kBlockMagic = "SBLK";
inline constexpr size_t kBlockHeaderBytes = 56;
inline constexpr size_t kRawBytesMax = size_t{64} << 20;
// zstd grows what it cannot shrink by less than 1/256 + 64 bytes; 320 KiB at 64 MiB.
inline constexpr size_t kStoredBytesMax = kRawBytesMax + (size_t{512} << 10);

// "Inside a block".
inline constexpr size_t kEventBytesMax = size_t{63} << 20;
// Texts of the statements of one exchange, a shared one counted for each that has it: what a reader
// of every statement reads.
inline constexpr size_t kTextReadsMax = size_t{256} << 20;
inline constexpr size_t kMessageWeight = 144;
inline constexpr size_t kStatementWeight = 336;
inline constexpr size_t kSettingWeight = 64;
inline constexpr size_t kNoticeWeight = 64;

// "Index and footer".
inline constexpr std::string_view kIndexMagic = "SIDX";
inline constexpr size_t kIndexHeaderBytes = 40;
inline constexpr std::string_view kFooterMagic = "SCRYEND\n";
inline constexpr size_t kFooterBytes = 32;

}  // namespace scry::querylog
