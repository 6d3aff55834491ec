// Runs the statistics from the outside, for the Python tests against SciPy. One JSON object a line in, one out; a
// number that is not finite is null, in both directions NaN.
//
//   {"op": "summary", "templates", "n_entries", "n_families", "delta": [P * E], "top1_preserved", "gap",
//    "ratios": [[gap, edits_corrupted, none_kept], ...], "options": {...}}   -> the table, and "seconds"
//   {"op": "flip_test", "means": [E * C], "clusters", "options": {"flips", "seed", "min_effect", "min_clusters"}}
//                                                                          -> {"p", "p_fwer", "flips", "exact"}
//   {"op": "intervals", "means": [E * C], "clusters", "options": {"resamples", "seed"}} -> {"low", "high"}
//   {"op": "flips", "clusters", "flips", "seed"}                           -> {"signs": [[-1 or 1, ...], ...], "exact"}
//   {"op": "resamples", "clusters", "resamples", "seed"}                   -> {"times": [[...], ...]}
//   {"op": "adjust", "p"}                                                  -> {"holm", "bh", "by"}
//   {"op": "spearman", "first", "second"}                                  -> {"spearman"}
//   {"op": "ratio", "numerator", "denominator", "min_denominator"}         -> {"ratio"}
//   {"op": "half", "clusters", "seed"}                                     -> {"drawn"}

#include <chrono>
#include <cmath>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "server/stats/bootstrap.h"
#include "server/stats/clusters.h"
#include "server/stats/flip_source.h"
#include "server/stats/multiplicity.h"
#include "server/stats/rank.h"
#include "server/stats/ratio.h"
#include "server/stats/resampler.h"
#include "server/stats/sign_flips.h"
#include "server/stats/summary.h"

namespace {

using nlohmann::json;
namespace stats = ablate::stats;

std::vector<double> Doubles(const json& in, const char* name) {
  std::vector<double> values;
  if (!in.contains(name)) return values;
  values.reserve(in[name].size());
  for (const json& value : in[name]) {
    values.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>());
  }
  return values;
}

json Summary(const json& in) {
  const auto templates = in.at("templates").get<std::vector<std::string>>();
  const std::vector<double> delta = Doubles(in, "delta");
  const std::vector<double> gap = Doubles(in, "gap");
  const auto top1 = in.value("top1_preserved", std::vector<uint8_t>{});
  std::vector<stats::EntryRatios> ratios;
  for (const json& of : in.value("ratios", json::array())) {
    ratios.push_back({.gap = of[0], .edits_corrupted = of[1], .none_kept = of[2]});
  }
  const json& given = in.at("options");
  stats::SummaryOptions options;
  options.bootstrap_resamples = given.value("bootstrap_resamples", options.bootstrap_resamples);
  options.sign_flips = given.value("sign_flips", options.sign_flips);
  options.seed = given.value("seed", options.seed);
  options.min_effect = given.value("min_effect", options.min_effect);
  options.min_denominator = given.value("min_denominator", options.min_denominator);
  options.min_test_clusters = given.value("min_test_clusters", options.min_test_clusters);
  options.test = given.value("t_test", false) ? stats::Test::kT : stats::Test::kSignFlips;
  const auto start = std::chrono::steady_clock::now();
  const auto table = stats::Summarize({.templates = templates,
                                       .n_entries = in.at("n_entries"),
                                       .n_families = in.value("n_families", 1),
                                       .delta = delta,
                                       .top1_preserved = top1,
                                       .gap = gap,
                                       .ratios = ratios},
                                      options);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  if (!table.ok()) return {{"error", table.status().ToString()}};
  json agreement = json::array();
  for (const auto& [first, second, spearman] : table->rank_agreement) agreement.push_back({first, second, spearman});
  return {{"seconds", elapsed.count()},
          {"n_clusters", table->n_clusters},
          {"n_prompts", table->n_prompts},
          {"assumes_iid", table->assumes_iid},
          {"bootstrap_resamples", table->bootstrap_resamples},
          {"sign_flips", table->sign_flips},
          {"mean", table->mean},
          {"std", table->std},
          {"sem", table->sem},
          {"ci_low", table->ci_low},
          {"ci_high", table->ci_high},
          {"sign_share", table->sign_share},
          {"top1_share", table->top1_share},
          {"p", table->p},
          {"p_fwer", table->p_fwer},
          {"q_bh", table->q_bh},
          {"q_by", table->q_by},
          {"normalized", table->normalized},
          {"faithfulness", table->faithfulness},
          {"rank_agreement", agreement}};
}

json FlipTest(const json& in) {
  const json& given = in.at("options");
  stats::SignFlipOptions options;
  options.flips = given.value("flips", options.flips);
  options.seed = given.value("seed", options.seed);
  options.min_effect = given.value("min_effect", options.min_effect);
  options.min_clusters = given.value("min_clusters", options.min_clusters);
  const auto test = stats::TestBySignFlips(Doubles(in, "means"), in.at("clusters"), options);
  if (!test.ok()) return {{"error", test.status().ToString()}};
  return {{"p", test->p}, {"p_fwer", test->p_fwer}, {"flips", test->flips}, {"exact", test->exact}};
}

json Intervals(const json& in) {
  const json& given = in.at("options");
  stats::BootstrapOptions options;
  options.resamples = given.value("resamples", options.resamples);
  options.seed = given.value("seed", options.seed);
  const auto intervals = stats::StudentisedIntervals(Doubles(in, "means"), in.at("clusters"), options);
  if (!intervals.ok()) return {{"error", intervals.status().ToString()}};
  json low = json::array();
  json high = json::array();
  for (const stats::Interval& interval : *intervals) {
    low.push_back(interval.low);
    high.push_back(interval.high);
  }
  return {{"low", low}, {"high", high}};
}

json Flips(const json& in) {
  const int32_t n_clusters = in.at("clusters");
  stats::FlipSource source(n_clusters, in.at("flips"), in.at("seed"));
  json signs = json::array();
  std::vector<uint8_t> pattern;
  for (int64_t i = 0; i < source.total(); ++i) {
    source.Next(1, pattern);
    json of = json::array();
    for (int32_t c = 0; c < n_clusters; ++c) of.push_back((pattern[c / 8] >> (c % 8) & 1) != 0 ? 1 : -1);
    signs.push_back(of);
  }
  return {{"signs", signs}, {"exact", source.exact()}};
}

json Resamples(const json& in) {
  const int32_t n_clusters = in.at("clusters");
  stats::Resampler resampler(n_clusters, in.at("seed"));
  json times = json::array();
  for (int32_t b = 0; b < in.at("resamples"); ++b) {
    const stats::Resample resample = resampler.Next();
    std::vector<double> of(n_clusters, 0.0);
    for (size_t k = 0; k < resample.cluster.size(); ++k) of[resample.cluster[k]] = resample.times[k];
    times.push_back(of);
  }
  return {{"times", times}};
}

json Answer(const json& in) {
  const std::string op = in.at("op");
  if (op == "summary") return Summary(in);
  if (op == "flip_test") return FlipTest(in);
  if (op == "intervals") return Intervals(in);
  if (op == "flips") return Flips(in);
  if (op == "resamples") return Resamples(in);
  if (op == "adjust") {
    const std::vector<double> p = Doubles(in, "p");
    return {{"holm", stats::Holm(p)}, {"bh", stats::BenjaminiHochberg(p)}, {"by", stats::BenjaminiYekutieli(p)}};
  }
  if (op == "spearman") return {{"spearman", stats::Spearman(Doubles(in, "first"), Doubles(in, "second"))}};
  if (op == "ratio") {
    return {
        {"ratio", stats::RatioOfMeans(Doubles(in, "numerator"), Doubles(in, "denominator"), in.at("min_denominator"))}};
  }
  if (op == "half") return {{"drawn", stats::DrawHalf(in.at("clusters"), in.at("seed"))}};
  return {{"error", "op is " + op}};
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) std::cout << Answer(json::parse(line)) << std::endl;
  return 0;
}
