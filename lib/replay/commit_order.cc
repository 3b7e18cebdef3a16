#include "replay/commit_order.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace scry::replay {
namespace {

// Lists are looked through for what is done when they have doubled and are longer than this.
constexpr size_t kSweepMin = 64;
// Whether one comes behind another is looked for among so many; seldom asked.
constexpr size_t kLookedAtMax = 4096;

bool OnlyReads(const std::vector<Access>& touches) {
  return std::all_of(touches.begin(), touches.end(),
                     [](const Access& access) { return access.mode == Mode::kRead; });
}

// New rows keep their order whatever their keys are: where they come to lie should not differ.
Access InOneLine(Access touch) {
  if (touch.mode == Mode::kInsert) touch.key = 0;
  return touch;
}

size_t SlotOf(const Access& access, bool releases) {
  return static_cast<size_t>(access.mode) + (releases ? kModes : 0);
}

}  // namespace

bool CommitOrder::Trace::Empty() const {
  return std::all_of(slots.begin(), slots.end(), [](const Slot& s) { return s.tickets.empty(); });
}

CommitOrder::Waits CommitOrder::WaitsOf(const Access& access, bool releases) {
  constexpr SlotMask kSeen = Release(Mode::kAppend) | Release(Mode::kInsert) |
                             Release(Mode::kUpdate) | Release(Mode::kDelete);
  constexpr SlotMask kChanges = Touch(Mode::kUpdate) | Touch(Mode::kDelete);
  constexpr SlotMask kTables = Touch(Mode::kTable) | Release(Mode::kTable);
  constexpr SlotMask kReads =
      Touch(Mode::kRead) | Touch(Mode::kKeyShare) | kChanges | Touch(Mode::kTable);
  if (releases) {
    // Whoever reads, or tries for the lock (NOWAIT, SKIP LOCKED), did so before. Not so where DDL
    // may have been in its way: such a read waits for this commit.
    const bool ddl = access.object == kEverything && access.mode == Mode::kTable;
    return {access.mode == Mode::kRead || ddl ? 0 : kReads, 0};
  }
  const bool whole = access.key == 0;
  switch (access.mode) {
    case Mode::kRead:
      return {kSeen | kTables, 0};
    case Mode::kAppend:
      return {kTables, 0};
    case Mode::kInsert:
      return {Touch(Mode::kInsert) | (kSeen & ~Release(Mode::kAppend)) | kTables, kChanges};
    case Mode::kKeyShare:
      return {kSeen | Touch(Mode::kDelete) | kTables, 0};
    case Mode::kUpdate:
    case Mode::kDelete: {
      SlotMask below = kSeen | kChanges | kTables;
      if (whole) below |= Touch(Mode::kInsert);
      if (access.mode == Mode::kDelete) {
        below |= Touch(Mode::kKeyShare) | Release(Mode::kKeyShare);
      }
      return {below, 0};
    }
    case Mode::kTable:
      return {(SlotMask{1} << kSlots) - 1, 0};
  }
  return {};
}

CommitOrder::Ticket CommitOrder::Admit(const Footprint& footprint, const Origin& origin) {
  if (footprint.empty()) return 0;
  const Ticket ticket = ++last_;
  Node& node = nodes_.Add(ticket);
  node.sent_us = origin.sent_us;
  node.answered_us = origin.answered_us;
  node.barrier = footprint.barrier;
  node.only_releases = footprint.touches.empty();
  node.only_reads = footprint.releases.empty() && OnlyReads(footprint.touches);
  Link(ticket, origin.session);
  if (footprint.barrier) {
    WaitForAll(ticket);
    barrier_ = ticket;
  } else {
    WaitFor(ticket, barrier_);
  }
  // All waits first: an exchange does not wait for itself.
  for (const bool releases : {false, true}) {
    for (Access access : releases ? footprint.releases : footprint.touches) {
      if (!releases) access = InOneLine(access);
      const Waits waits = WaitsOf(access, releases);
      WaitFor(ticket, everything_.whole, waits.below | waits.whole);
      if (access.object == kEverything) {
        WaitFor(ticket, everything_.all, waits.below);
        continue;
      }
      Object& object = objects_[access.object];
      WaitFor(ticket, object.level.whole, waits.below | waits.whole);
      if (access.key == 0) {
        WaitFor(ticket, object.level.all, waits.below);
      } else if (const auto key = object.keys.find(access.key); key != object.keys.end()) {
        WaitFor(ticket, key->second, waits.below);
      }
    }
  }
  for (const Access& access : footprint.touches) File(ticket, InOneLine(access), false);
  for (const Access& access : footprint.releases) File(ticket, access, true);
  return ticket;
}

// What a barrier waits for: all since the last one, which waited for what was before it.
void CommitOrder::WaitForAll(Ticket ticket) {
  nodes_.ForEach(barrier_, [&](Ticket earlier, const Node& node) {
    // The new one is the last of its own session.
    const bool own = node.session != nullptr && node.session == nodes_.Find(ticket)->session;
    if (own || node.answered_us != 0 || IsLastOfSession(node)) WaitFor(ticket, earlier);
  });
}

bool CommitOrder::IsLastOfSession(const Node& node) const {
  return node.session == nullptr || !nodes_.Contains(node.next);
}

void CommitOrder::WaitFor(Ticket ticket, Ticket earlier) {
  Node* found = nodes_.Find(earlier);
  if (found == nullptr || earlier == ticket) return;
  std::vector<Ticket>& dependents = found->dependents;
  // Once is enough; repeats come one behind the other.
  if (!dependents.empty() && dependents.back() == ticket) return;
  dependents.push_back(ticket);
  ++nodes_.Find(ticket)->waits;
  ++edges_;
}

void CommitOrder::Link(Ticket ticket, uint64_t session) {
  if (session == 0) return;
  Session& own = sessions_[session];
  Node& node = *nodes_.Find(ticket);
  node.session = &own;
  if (Node* before = nodes_.Find(own.last)) {
    before->next = ticket;
    node.previous = own.last;
  }
  own.last = ticket;
  ++own.open;
  if (sessions_.size() < kSweepMin || sessions_.size() < 2 * sessions_swept_) return;
  std::erase_if(sessions_, [](const auto& one) { return one.second.open == 0; });
  sessions_swept_ = sessions_.size();
}

void CommitOrder::Unlink(Ticket ticket, Ticket earlier) {
  const auto links = static_cast<uint32_t>(std::erase(nodes_.Find(earlier)->dependents, ticket));
  if (links == 0) return;
  edges_ -= links;
  Node& node = *nodes_.Find(ticket);
  node.waits -= links;
  if (node.waits == 0) freed_.push_back(ticket);
}

// `commit` waited for `holder`, and so for what that stands for: its session before it, and changes
// of the same rows. It goes on waiting for those that are not `behind` the read.
void CommitOrder::WaitForRestOf(Ticket commit, Ticket holder,
                                const std::unordered_set<Ticket>& behind) {
  std::unordered_set<Ticket> seen = {holder};
  std::vector<Ticket> left = {holder};
  std::vector<Ticket> rest;
  while (!left.empty()) {
    const Ticket ticket = left.back();
    left.pop_back();
    const Node& node = *nodes_.Find(ticket);
    const auto look = [&](Ticket earlier) {
      if (!nodes_.Contains(earlier) || !seen.insert(earlier).second) return;
      (behind.contains(earlier) ? left : rest).push_back(earlier);
    };
    look(node.previous);
    if (node.only_reads) continue;
    nodes_.ForEach(0, [&](Ticket earlier, const Node& other) {
      const auto& dependents = other.dependents;
      if (std::find(dependents.begin(), dependents.end(), ticket) != dependents.end()) {
        look(earlier);
      }
    });
  }
  for (const Ticket earlier : rest) {
    // What moved may have turned the order of these two. Waiting for each other they would never
    // end: what is not known is let go.
    const bool turned = !moved_to_.empty() && Reaches(commit, earlier, {}).value_or(true);
    if (!turned) WaitFor(commit, earlier);
  }
}

bool CommitOrder::MoveBehind(Ticket read) {
  Node* found = nodes_.Find(read);
  if (found == nullptr || found->behind != 0) return false;
  const std::vector<Ticket>& dependents = found->dependents;
  const auto first = std::find_if(dependents.begin(), dependents.end(), [&](Ticket ticket) {
    const Node* node = nodes_.Find(ticket);
    return node != nullptr && !node->barrier && !node->done && node->sent_us < found->answered_us;
  });
  if (first == dependents.end()) return false;
  const Ticket commit = *first;
  std::vector<Ticket> holders;
  std::unordered_set<Ticket> behind;
  if (!FindHolders(commit, read, holders, behind)) return false;
  for (const Ticket holder : holders) WaitForRestOf(commit, holder, behind);
  for (const Ticket holder : holders) Unlink(commit, holder);
  nodes_.Find(commit)->dependents.push_back(read);
  ++edges_;
  found->behind = commit;
  ++found->waits;
  moved_to_.insert(commit);
  return true;
}

// What comes after `read` and holds `commit` up, `read` included. False: it may not be let past one
// of them, or too much would have to be looked at.
bool CommitOrder::FindHolders(Ticket commit, Ticket read, std::vector<Ticket>& holders,
                              std::unordered_set<Ticket>& behind) const {
  const Node& last = *nodes_.Find(commit);
  // Later ones lead back only by way of what moved.
  const Ticket end = moved_to_.empty() ? commit : std::max(commit, *moved_to_.rbegin());
  behind = {read};
  std::vector<Ticket> left = {read};
  while (!left.empty()) {
    const Ticket ticket = left.back();
    left.pop_back();
    const Node* node = nodes_.Find(ticket);
    if (node == nullptr) continue;
    if (node->next == commit || behind.size() > kLookedAtMax) return false;
    const auto visit = [&](Ticket later) {
      if (later == 0 || later > end) return;
      if (behind.insert(later).second) left.push_back(later);
    };
    visit(node->next);
    for (const Ticket later : node->dependents) {
      if (later != commit) {
        visit(later);
        continue;
      }
      // What only commits waits for readers, and for whoever could not have got its locks.
      if (node->barrier || !(last.only_releases || node->only_reads)) return false;
      holders.push_back(ticket);
    }
  }
  return true;
}

bool CommitOrder::WaitsFor(Ticket later, Ticket earlier, const OtherWaits& others) const {
  return Reaches(earlier, later, others).value_or(false);
}

// nullopt: too much lies between.
std::optional<bool> CommitOrder::Reaches(Ticket earlier, Ticket later,
                                         const OtherWaits& others) const {
  std::unordered_set<Ticket> seen = {earlier};
  std::vector<Ticket> left = {earlier};
  while (!left.empty() && seen.size() <= kLookedAtMax) {
    const Ticket ticket = left.back();
    left.pop_back();
    if (ticket == later) return true;
    const auto visit = [&](Ticket next) {
      if (next != 0 && seen.insert(next).second) left.push_back(next);
    };
    const auto [from, to] = others.equal_range(ticket);
    for (auto other = from; other != to; ++other) visit(other->second);
    const Node* node = nodes_.Find(ticket);
    if (node == nullptr) continue;
    visit(node->next);
    for (const Ticket dependent : node->dependents) visit(dependent);
  }
  return left.empty() ? std::optional(false) : std::nullopt;
}

void CommitOrder::WaitFor(Ticket ticket, Trace& trace, SlotMask slots) {
  const base::Micros sent_us = nodes_.Find(ticket)->sent_us;
  for (size_t slot = 0; slot < kSlots; ++slot) {
    if ((slots >> slot & 1) == 0) continue;
    std::vector<Ticket>& tickets = trace.slots[slot].tickets;
    if (tickets.empty()) continue;
    Sweep(trace.slots[slot]);
    ++looks_;
    for (auto earlier = tickets.rbegin(); earlier != tickets.rend(); ++earlier) {
      const Node& node = *nodes_.Find(*earlier);
      const bool last =
          node.session == nullptr || std::exchange(node.session->looked_at, looks_) != looks_;
      // A read may have to know who waits for it.
      if (last || node.answered_us > sent_us) WaitFor(ticket, *earlier);
    }
  }
}

void CommitOrder::File(Ticket ticket, const Access& access, bool releases) {
  const size_t slot = SlotOf(access, releases);
  const bool everything = access.object == kEverything;
  const SlotMask waits = WaitsOf(access, releases).below;
  if (!everything) Put(ticket, everything_.all, slot, 0);
  Level& level = everything ? everything_ : objects_[access.object].level;
  if (everything || access.key == 0) {
    if (!releases) Forget(level, access.mode);
    Put(ticket, level.whole, slot, waits);
    Put(ticket, level.all, slot, waits);
  } else {
    Object& object = objects_[access.object];
    SweepKeys(object);
    Put(ticket, object.keys[access.key], slot, waits);
    Put(ticket, level.all, slot, 0);
  }
}

// What changes the whole has waited for all changes before it: whoever comes next has only to wait
// for it.
void CommitOrder::Forget(Level& level, Mode mode) {
  if (mode != Mode::kUpdate && mode != Mode::kDelete) return;
  for (Trace* trace : {&level.all, &level.whole}) {
    trace->slots[static_cast<size_t>(Mode::kUpdate)] = {};
    if (mode == Mode::kDelete) trace->slots[static_cast<size_t>(Mode::kDelete)] = {};
  }
}

// `waited_for`: the slots of the trace of which it waited for all.
void CommitOrder::Put(Ticket ticket, Trace& trace, size_t slot, SlotMask waited_for) {
  Trace::Slot& list = trace.slots[slot];
  if (!list.tickets.empty() && list.tickets.back() == ticket) return;
  if ((waited_for >> slot & 1) != 0) list = {};  // It stands for those that it waits for.
  if (list.tickets.size() >= kSweepMin && list.tickets.size() >= 2 * list.swept) Sweep(list);
  list.tickets.push_back(ticket);
}

// Keeps what is open; of each session the last one, and reads that may move.
void CommitOrder::Sweep(Trace::Slot& slot) {
  std::vector<Ticket>& tickets = slot.tickets;
  ++looks_;
  auto kept = tickets.rbegin();
  for (auto ticket = tickets.rbegin(); ticket != tickets.rend(); ++ticket) {
    const Node* node = nodes_.Find(*ticket);
    if (node == nullptr) continue;
    const bool last =
        node->session == nullptr || std::exchange(node->session->looked_at, looks_) != looks_;
    if (last || node->answered_us != 0) *kept++ = *ticket;
  }
  tickets.erase(tickets.begin(), kept.base());
  slot.swept = tickets.size();
}

void CommitOrder::SweepKeys(Object& object) {
  if (object.keys.size() < kSweepMin || object.keys.size() < 2 * object.keys_swept) return;
  for (auto key = object.keys.begin(); key != object.keys.end();) {
    for (Trace::Slot& slot : key->second.slots) Sweep(slot);
    key = key->second.Empty() ? object.keys.erase(key) : std::next(key);
  }
  object.keys_swept = object.keys.size();
}

bool CommitOrder::MayStart(Ticket ticket) const {
  const Node* node = nodes_.Find(ticket);
  return node == nullptr || node->waits == 0;
}

void CommitOrder::Done(Ticket ticket) {
  Node* node = nodes_.Find(ticket);
  if (node == nullptr) return;
  node->done = true;
  // Out of its order: it stands for what it waited for.
  if (node->waits == 0) Close(ticket);
}

void CommitOrder::Close(Ticket ticket) {
  std::vector<Ticket> left = {ticket};
  while (!left.empty()) {
    Node* node = nodes_.Find(left.back());
    const Ticket closed = left.back();
    left.pop_back();
    const std::vector<Ticket> dependents = std::move(node->dependents);
    if (node->session != nullptr) --node->session->open;
    nodes_.Erase(closed);
    edges_ -= dependents.size();
    for (const Ticket later : dependents) {
      Node* waiting = nodes_.Find(later);
      if (waiting == nullptr) continue;
      if (waiting->behind == closed) {
        waiting->behind = 0;
        ForgetMove(closed);
      }
      if (--waiting->waits > 0) continue;
      if (waiting->done) {
        left.push_back(later);
      } else {
        freed_.push_back(later);
      }
    }
  }
}

void CommitOrder::ForgetMove(Ticket commit) {
  const auto found = moved_to_.find(commit);
  if (found != moved_to_.end()) moved_to_.erase(found);
}

std::vector<CommitOrder::Ticket> CommitOrder::TakeFreed() {
  return std::exchange(freed_, std::vector<Ticket>());
}

size_t CommitOrder::entries() const {
  size_t entries = 0;
  const auto count = [&](const Trace& trace) {
    for (const Trace::Slot& slot : trace.slots) entries += slot.tickets.size();
  };
  const auto level = [&](const Level& one) {
    count(one.all);
    count(one.whole);
  };
  level(everything_);
  for (const auto& [id, object] : objects_) {
    level(object.level);
    for (const auto& [key, trace] : object.keys) count(trace);
  }
  return entries;
}

}  // namespace scry::replay
