#include "capture/relay.h"

#include <unistd.h>

#include <utility>

#include "capture/link.h"
#include "os/file.h"

namespace scry::capture {
namespace {

constexpr uint64_t kListenerToken = 0;  // Links count from 1, so their tokens start at 2.
constexpr size_t kReadSize = 64 * 1024;
constexpr base::Micros kTickUs = 50 * 1000;
constexpr base::Micros kProbeUs = 3 * 1000 * 1000;
// Accepted at most this many at a time, so that a flood of connections cannot starve the open ones.
constexpr int kAcceptsPerRound = 64;

}  // namespace

Relay::Relay(const RelayOptions& options, os::Address upstream, event::EventSink& sink,
             const base::Clock& clock, os::Listener listener, os::Poller poller)
    : options_(options),
      upstream_(std::move(upstream)),
      sink_(sink),
      clock_(clock),
      started_us_(clock.MonotonicUs()),
      listener_(std::move(listener)),
      poller_(std::move(poller)),
      buffer_(new char[kReadSize]) {}

Relay::~Relay() {
  // Left behind, the file would keep the next capture from listening in that folder.
  if (listener_.address.IsUnix()) unlink(listener_.address.Path().c_str());
}

base::Result<std::unique_ptr<Relay>> Relay::Open(const RelayOptions& options,
                                                 event::EventSink& sink, const base::Clock& clock) {
  (void)os::RaiseDescriptorLimit();  // Two for each client.
  SCRY_TRY_ASSIGN(const os::Address listen, os::ParseListenAddress(options.listen));
  SCRY_TRY_ASSIGN(os::Listener listener, os::Listen(listen));
  SCRY_TRY_ASSIGN(os::Poller poller, os::Poller::Open());
  // Looked up once: a name server that answers late must not stall the loop.
  SCRY_TRY_ASSIGN(os::Address upstream,
                  os::FindReachable({options.upstream_host, options.upstream_port}, kProbeUs));
  SCRY_TRY(poller.Add(listener.fd.get(), kListenerToken, true, false));
  return std::unique_ptr<Relay>(
      new Relay(options, std::move(upstream), sink, clock, std::move(listener), std::move(poller)));
}

base::Status Relay::Run(const std::function<bool()>& should_stop) {
  base::Micros asked_us = -kTickUs;
  for (;;) {
    // Asking may cost more than forwarding: not on every wake-up.
    if (Now() - asked_us >= kTickUs) {
      asked_us = Now();
      if (should_stop()) break;
      if (!accepting_) {
        SCRY_TRY(poller_.Add(listener_.fd.get(), kListenerToken, true, false));
        accepting_ = true;
      }
    }
    SCRY_TRY_ASSIGN(const std::vector<os::Readiness>* ready, poller_.Wait(kTickUs));
    for (const os::Readiness& one : *ready) {
      if (one.token == kListenerToken) {
        AcceptAll();
      } else {
        Serve(one);
      }
    }
    Bury();
  }
  for (auto& [id, link] : links_) link->Abandon();
  links_.clear();
  dead_.clear();
  counters_.sessions_open = 0;
  return {};
}

void Relay::AcceptAll() {
  for (int i = 0; i < kAcceptsPerRound; ++i) {
    auto accepted = os::Accept(listener_.fd.get());
    if (!accepted.ok()) {
      // Out of descriptors or memory: clients wait in the kernel's queue. The listener stays
      // readable, so it is left alone until the next tick, or the loop would spin.
      poller_.Remove(listener_.fd.get());
      accepting_ = false;
      return;
    }
    if (!accepted->fd) return;
    const uint64_t id = ++links_made_;
    auto link = std::make_unique<Link>(*this, id, std::move(accepted->fd), accepted->peer);
    if (!link->Register().ok()) {
      counters_.refused.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    links_.emplace(id, std::move(link));
    counters_.sessions_open.fetch_add(1, std::memory_order_relaxed);
  }
}

void Relay::Serve(const os::Readiness& ready) {
  const auto found = links_.find(ready.token / 2);
  if (found == links_.end()) return;
  found->second->OnReady(ready.token % 2 == 1, ready.readable, ready.writable);
}

// Links are removed after the round, since later readiness of the same round may still name them.
void Relay::Bury() {
  for (const uint64_t id : dead_) {
    if (links_.erase(id) > 0) counters_.sessions_open.fetch_sub(1, std::memory_order_relaxed);
  }
  dead_.clear();
}

}  // namespace scry::capture
