// So many clients that scan one prompt, or several in one request, again and again, each on a connection of its own:
// how long a scan takes them.
//   service_load --server unix:/tmp/a.sock --clients 8 --seconds 10 --tokens 6
// One JSON object: {"clients", "seconds", "scans", "latency_ns": [each scan's, sorted],
// "added_ns": [each scan's latency beyond the engine's run that it was part of, sorted],
// "prepare_ns": [what each took from its arrival until the queue, sorted],
// "engine_ns": of all these runs, each once, "empty_ns": [before the load, calls that ask for nothing, sorted],
// "empty_cold_ns": [the same, behind as much reading of memory as a scan does]}.
// What is sent is the same for all: random token ids, all heads zeroed.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "client/cpp/client.h"

namespace {

using ablate::client::Client;
using nlohmann::json;

struct Options {
  std::string server;
  int clients = 1;
  double seconds = 10;
  int tokens = 6;
  int prompts = 1;
};

// What one client saw.
struct Seen {
  std::vector<int64_t> latency_ns, added_ns, prepare_ns;
  // Plan and forward passes of an engine's run: where a scan is one prompt, so in one run, those that share it are told
  // the same nanoseconds; of several prompts, those of all its runs.
  std::set<std::pair<int64_t, int64_t>> runs;
  absl::Status status;
};

ablation::v1::AblateRequest MakeRequest(const Options& options, int32_t vocab_size) {
  std::mt19937 random(6);
  std::uniform_int_distribution<int32_t> id(0, vocab_size - 1);
  ablation::v1::AblateRequest request;
  for (int p = 0; p < options.prompts; ++p) {
    ablation::v1::Prompt& prompt = *request.add_prompts();
    for (int i = 0; i < options.tokens; ++i) prompt.mutable_token_ids()->add_ids(id(random));
    const int32_t target = id(random);
    prompt.add_targets()->set_id(target);
    prompt.add_contrasts()->set_id((target + 1) % vocab_size);
  }
  request.mutable_sweep()->mutable_heads();
  return request;
}

absl::Status ScanOnce(Client& client, const ablation::v1::AblateRequest& request, Seen* seen) {
  const absl::Time start = absl::Now();
  const auto completion = client.Scan(request, {}, {});
  if (!completion.ok()) return completion.status();
  if (seen == nullptr) return absl::OkStatus();
  const int64_t latency = absl::ToInt64Nanoseconds(absl::Now() - start);
  const ablation::v1::Timing& timing = completion->timing();
  seen->latency_ns.push_back(latency);
  seen->added_ns.push_back(latency - timing.plan_ns() - timing.forward_ns());
  seen->prepare_ns.push_back(timing.prepare_ns());
  seen->runs.emplace(timing.plan_ns(), timing.forward_ns());
  return absl::OkStatus();
}

// Every core reads memory, as much of it as a GPT-2 Small has weights: it leaves the caches as a scan does.
class MemoryTraffic {
 public:
  void operator()() {
    std::vector<std::thread> others;
    for (size_t i = 1; i < buffers_.size(); ++i) others.emplace_back([this, i] { Read(i); });
    Read(0);
    for (std::thread& other : others) other.join();
  }

 private:
  static constexpr size_t kBytes = size_t{1} << 29;

  void Read(size_t i) { sums_[i] = std::accumulate(buffers_[i].begin(), buffers_[i].end(), uint64_t{0}); }

  const size_t cores_ = std::max(1U, std::thread::hardware_concurrency());
  const std::vector<std::vector<uint64_t>> buffers_{cores_,
                                                    std::vector<uint64_t>(kBytes / sizeof(uint64_t) / cores_, 1)};
  // Kept, so that the reads are not optimised away.
  std::vector<uint64_t> sums_ = std::vector<uint64_t>(cores_);
};

// Calls that ask for nothing, each behind a run of `before`.
absl::StatusOr<std::vector<int64_t>> EmptyCalls(Client& client, const std::function<void()>& before) {
  constexpr int kCalls = 50;
  std::vector<int64_t> times_ns;
  for (int i = 0; i < kCalls; ++i) {
    before();
    const absl::Time start = absl::Now();
    if (const auto described = client.Describe({}); !described.ok()) return described.status();
    times_ns.push_back(absl::ToInt64Nanoseconds(absl::Now() - start));
  }
  std::sort(times_ns.begin(), times_ns.end());
  return times_ns;
}

absl::Status Load(const Options& options, json& answer) {
  auto first = Client::Connect(options.server);
  if (!first.ok()) return first.status();
  const auto described = (*first)->Describe({});
  if (!described.ok()) return described.status();
  const auto request = MakeRequest(options, described->model().vocab_size());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < options.clients; ++i) {
    auto client = Client::Connect(options.server);
    if (!client.ok()) return client.status();
    // Connects, and warms up.
    if (absl::Status status = ScanOnce(**client, request, nullptr); !status.ok()) return status;
    clients.push_back(*std::move(client));
  }
  // As long as a short scan, so that cores sleep as they do while a client waits.
  const auto empty_ns = EmptyCalls(**first, [] { absl::SleepFor(absl::Milliseconds(20)); });
  if (!empty_ns.ok()) return empty_ns.status();
  const auto empty_cold_ns = EmptyCalls(**first, MemoryTraffic());
  if (!empty_cold_ns.ok()) return empty_cold_ns.status();
  std::vector<Seen> seen(clients.size());
  const absl::Time start = absl::Now(), end = start + absl::Seconds(options.seconds);
  std::vector<std::thread> threads;
  threads.reserve(clients.size());
  for (size_t i = 0; i < clients.size(); ++i) {
    threads.emplace_back([&, i] {
      while (absl::Now() < end && seen[i].status.ok()) seen[i].status = ScanOnce(*clients[i], request, &seen[i]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double took = absl::ToDoubleSeconds(absl::Now() - start);
  Seen all;
  for (const Seen& one : seen) {
    all.status.Update(one.status);
    all.latency_ns.insert(all.latency_ns.end(), one.latency_ns.begin(), one.latency_ns.end());
    all.added_ns.insert(all.added_ns.end(), one.added_ns.begin(), one.added_ns.end());
    all.prepare_ns.insert(all.prepare_ns.end(), one.prepare_ns.begin(), one.prepare_ns.end());
    all.runs.insert(one.runs.begin(), one.runs.end());
  }
  std::sort(all.latency_ns.begin(), all.latency_ns.end());
  std::sort(all.added_ns.begin(), all.added_ns.end());
  std::sort(all.prepare_ns.begin(), all.prepare_ns.end());
  int64_t engine_ns = 0;
  for (const auto& [plan_ns, forward_ns] : all.runs) engine_ns += plan_ns + forward_ns;
  answer = {{"clients", options.clients},   {"seconds", took},          {"scans", all.latency_ns.size()},
            {"latency_ns", all.latency_ns}, {"added_ns", all.added_ns}, {"prepare_ns", all.prepare_ns},
            {"engine_ns", engine_ns},       {"empty_ns", *empty_ns},    {"empty_cold_ns", *empty_cold_ns}};
  return all.status;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Scans one prompt again and again from so many clients, and tells how long each scan took.");
  app.add_option("--server", options.server, "host:port or unix:/path")->required();
  app.add_option("--clients", options.clients, "each with a connection of its own (default: 1)")
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "no scan begins later (default: 10)")->check(CLI::PositiveNumber);
  app.add_option("--tokens", options.tokens, "of a prompt (default: 6)")->check(CLI::PositiveNumber);
  app.add_option("--prompts", options.prompts, "in one request (default: 1)")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  json answer;
  const absl::Status status = Load(options, answer);
  if (!status.ok()) {
    std::cerr << "service_load: " << status.message() << "\n";
    return 1;
  }
  std::cout << answer << "\n";
  return 0;
}
