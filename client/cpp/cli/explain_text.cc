#include "client/cpp/cli/explain_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/cli/number.h"

namespace ablate::cli {
namespace {

using ablation::v1::ExplainPlanResponse;

std::string Tokens(const ExplainPlanResponse& plan) {
  const double times = static_cast<double>(plan.unshared_packed_tokens()) / static_cast<double>(plan.packed_tokens());
  return absl::StrCat(plan.packed_tokens(), " over all layers; with one pass a run ", plan.unshared_packed_tokens(),
                      absl::StrFormat(", %.1f times as many", times));
}

std::string Cost(const ExplainPlanResponse& plan) {
  const std::string cost = absl::StrCat(plan.cost(), " packed tokens x layers, readouts included; one request may ");
  if (plan.cost() <= plan.max_cost()) return absl::StrCat(cost, plan.max_cost());
  return absl::StrCat(cost, "only ", plan.max_cost(),
                      ": TOO MUCH - send fewer prompts or sweep fewer heads at a time, or submit it as a job, whose "
                      "limit is another (`ablate job submit`)");
}

std::string Work(const ExplainPlanResponse& plan) {
  const auto giga = [](double flops) { return absl::StrFormat("%.2f", flops * 1e-9); };
  const auto gemm = static_cast<double>(plan.gemm_flops()), attention = static_cast<double>(plan.attention_flops()),
             readout = static_cast<double>(plan.readout_flops());
  return absl::StrCat(giga(gemm + attention + readout), " GFLOP: c_attn, c_proj and MLP ", giga(gemm), ", attention ",
                      giga(attention), ", LM head ", giga(readout));
}

std::string Layers(const ExplainPlanResponse& plan) {
  std::string table = absl::StrFormat("\n%5s  %8s  %12s  %12s  %12s  %12s\n", "layer", "passes", "rows in", "rows out",
                                      "tokens in", "tokens out");
  for (int l = 0; l < plan.layers_size(); ++l) {
    const auto& layer = plan.layers(l);
    absl::StrAppendFormat(&table, "%5d  %8d  %12d  %12d  %12d  %12d\n", l, layer.forward_passes(), layer.rows_in(),
                          layer.rows_out(), layer.tokens_in(), layer.tokens_out());
  }
  return table;
}

}  // namespace

std::string ExplanationText(const ExplainPlanResponse& plan) {
  std::string text;
  const auto add = [&](const char* name, const auto& value) {
    absl::StrAppend(&text, absl::StrFormat("%-16s", name), value, "\n");
  };
  add("prompts", plan.n_prompts());
  add("runs", plan.n_runs());
  add("rows", plan.total_rows());
  add("forward passes", plan.forward_passes());
  add("packed tokens", Tokens(plan));
  add("cost", Cost(plan));
  add("work", Work(plan));
  add("memory traffic", absl::StrCat("at least ", BytesText(plan.bytes_moved())));
  add("time", plan.predicted_ns() == 0 ? "not known: the server has measured none yet"
                                       : "about " + DurationText(plan.predicted_ns()));
  if (plan.predicted_ns() != 0)
    add("waits for", absl::StrCat("about ", DurationText(plan.waiting_ns()), " of other requests"));
  return text + Layers(plan);
}

}  // namespace ablate::cli
