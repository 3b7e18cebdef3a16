// Wording and the fields that all findings have. Shared by what judges outcomes, latency and the
// whole. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compare/pattern_table.h"
#include "compare/verdict.h"

namespace scry::compare {

// What is told apart from chance by how often it happens on two lanes.
inline constexpr double kNoiseFisherP = 0.01;
// Of so many calls on each of two lanes, so many failed on the candidate and on the usual lane: is
// that no chance? Rare calls are too few for the test, so those that always fail there and never
// here count from the second one on.
bool NoChance(uint64_t candidate, uint64_t usual, uint64_t calls);
// The same of what lanes may differ in by chance for long, as locks that others hold: only nearly
// all calls on the candidate and nearly none on the usual lane are no chance, of not too few.
bool NearlyAlways(uint64_t candidate, uint64_t usual, uint64_t calls);

double AsDouble(uint64_t value);
std::string Percent(double share);         // Rounded down: 94.96 % does not meet a floor of 95 %.
std::string Calls(uint64_t count);         // "1 call".
std::string Statements(uint64_t count);    // "2 statements".
std::string PatternCount(uint64_t count);  // "1 pattern".
std::string OfCalls(uint64_t affected, uint64_t calls);  // "in 3 of 10 calls".

// Of the time of both lanes.
double ShareOf(const PatternStats& stats, const TableTotals& totals);
// Sorts `values`.
LatencyNumbers NumbersOf(std::vector<double> values);

Finding OpenFinding(FindingClass type, const PatternStats& stats, const TableTotals& totals);
void SetDifference(Finding& finding, DifferenceKind kind, const KindStats& stats);
Unjudged UnjudgedOf(const PatternStats& stats, const TableTotals& totals, std::string why);

}  // namespace scry::compare
