// Timings of statements on the lanes of a noisy virtual machine, made from a seed: what decides
// over false alarms is not how large noise is but that it is heavy-tailed, drifts, comes in bursts,
// and sticks to one lane for a while. No clock.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/random.h"
#include "compare/pattern_table.h"
#include "unit/compare/pairs.h"

namespace scry::compare {

struct Noise {
  double statement = 0.15;    // Of each execution by itself, as a share.
  double parameters = 0.4;    // Between parameters; the same on every lane.
  double drift = 0.05;        // Of the machine, each step; the lanes share it.
  double lane = 0.02;         // Of one lane, for some tens of statements.
  double first = 0.04;        // What the lane that goes first pays: the lanes take turns.
  double stalls = 0.02;       // Executions that are hit, each by itself.
  double bursts = 0.003;      // Statements at which a neighbour begins to use the cores.
  double burst_length = 12;   // Statements.
  double burst_factor = 2.5;  // How long they take meanwhile, more or less.
};

class NoisyMachine {
 public:
  explicit NoisyMachine(uint64_t seed, Noise noise = {}) : random_(seed), noise_(noise) {}

  double Normal() {
    const double radius = std::sqrt(-2 * std::log(1 - random_.Unit()));
    return radius * std::cos(2 * 3.14159265358979323846 * random_.Unit());
  }
  double Unit() { return random_.Unit(); }

  // The next statement, whose parameters cost `parameters` on every lane.
  LatencyTuple Next(double base_us, double factor, double parameters) {
    drift_ = 0.995 * drift_ + noise_.drift * 0.1 * Normal();
    if (burst_left_ > 0) {
      --burst_left_;
    } else if (random_.Unit() < noise_.bursts) {
      burst_left_ = static_cast<int>(noise_.burst_length * 2 * random_.Unit());
    }
    ++turn_;
    LatencyTuple us{};
    for (size_t lane = 0; lane < us.size(); ++lane) {
      // Stands still at a standard deviation of noise_.lane.
      lanes_[lane] = 0.95 * lanes_[lane] + noise_.lane * 0.31 * Normal();
      double time =
          base_us * parameters * std::exp(drift_ + lanes_[lane] + noise_.statement * Normal());
      if (lane == 1) time *= factor;
      if (turn_ / 2 % us.size() == lane) time *= 1 + noise_.first;
      if (burst_left_ > 0) time *= 1 + (noise_.burst_factor - 1) * 2 * random_.Unit();
      if (random_.Unit() < noise_.stalls) {
        time += 300 * std::pow(1 - 0.999 * random_.Unit(), -1 / 1.3);
      }
      us[lane] = static_cast<uint32_t>(std::min(time, 4e9));
    }
    return us;
  }

  double Parameters() { return std::exp(noise_.parameters * Normal()); }

 private:
  base::Random random_;
  const Noise noise_;
  double drift_ = 0;
  std::array<double, kLanesMax> lanes_{};
  int burst_left_ = 0;
  uint64_t turn_ = 0;
};

// `pairs` of one pattern.
inline void Replay(NoisyMachine& machine, PatternTable& table, uint64_t fingerprint, int pairs,
                   double base_us, double factor) {
  const event::StatementFacts facts = Facts(fingerprint, "select " + std::to_string(fingerprint));
  event::StatementPair pair = PairOf(Command("SELECT 1"), Command("SELECT 1"));
  pair.lanes.push_back(pair.lanes[0]);
  for (int i = 0; i < pairs; ++i) {
    const double parameters = machine.Parameters();
    const LatencyTuple us = machine.Next(base_us, factor, parameters);
    for (size_t lane = 0; lane < us.size(); ++lane) pair.lanes[lane].outcome.elapsed_us = us[lane];
    pair.captured.rows = static_cast<uint64_t>(parameters * 12);
    pair.captured.elapsed_us =
        static_cast<base::Micros>(base_us * parameters * std::exp(0.3 * machine.Normal()));
    table.Put(pair, facts);
  }
}

}  // namespace scry::compare
