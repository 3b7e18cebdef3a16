// Runs a fuzz target over the files of a corpus folder without libFuzzer, and over variations of
// each file (cut short, one byte changed), so that every build exercises it.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void RunOne(const std::string& input) {
  // An exact copy on the heap: a sanitizer sees a read past its end.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

void RunVariations(const std::string& input, uint64_t seed) {
  scry::base::Random random(seed);
  const size_t step = std::max<size_t>(1, input.size() / 256);
  for (size_t size = 0; size < input.size(); size += step) RunOne(input.substr(0, size));
  for (int i = 0; i < 500 && !input.empty(); ++i) {
    std::string changed = input;
    for (uint64_t edits = 1 + random.Below(3); edits > 0; --edits) {
      changed[random.Below(changed.size())] = static_cast<char>(random.Below(256));
    }
    RunOne(changed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_DIR\n", argv[0]);
    return 64;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "%s holds no files\n", argv[1]);
    return 1;
  }
  uint64_t seed = 1;
  for (const auto& path : files) {
    std::ifstream in(path, std::ios::binary);
    const std::string input((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    RunOne(input);
    RunVariations(input, seed++);
  }
  std::printf("%zu inputs, each with variations\n", files.size());
  return 0;
}
