// The slowest statement of a capture: what scry's library is like to use.
//
//   slowest CAPTURE
#include <cstdio>
#include <string>

#include "event/statement_facts.h"
#include "querylog/log_reader.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: slowest CAPTURE\n", stderr);
    return 64;
  }
  auto reader = scry::querylog::LogReader::Open(argv[1]);
  if (!reader.ok()) {
    std::fprintf(stderr, "slowest: %s\n", reader.error().message.c_str());
    return 1;
  }
  scry::event::FactsCache facts;
  std::string pattern;
  scry::base::Micros longest_us = -1;
  for (;;) {
    auto event = reader->Next();
    if (!event.ok()) {
      std::fprintf(stderr, "slowest: %s\n", event.error().message.c_str());
      return 1;
    }
    if (!*event) break;
    const auto* exchange = std::get_if<scry::event::Exchange>(&**event);
    if (exchange == nullptr) continue;
    for (const scry::event::Statement& statement : exchange->statements) {
      if (statement.outcome.elapsed_us <= longest_us || statement.text.empty()) continue;
      longest_us = statement.outcome.elapsed_us;
      pattern = facts.Get(statement.text, 0).pattern;
    }
  }
  if (longest_us < 0) {
    std::puts("the capture holds no statement");
  } else {
    std::printf("%.3f ms  %s\n", static_cast<double>(longest_us) / 1000, pattern.c_str());
  }
  return 0;
}
