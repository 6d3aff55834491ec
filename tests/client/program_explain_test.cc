// `ablate scan --explain`: what it asks, and what it tells.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/client/program_fixture.h"

namespace ablate::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using ablation::v1::AblateRequest;
using ablation::v1::ExplainPlanResponse;

ExplainPlanResponse Plan() {
  ExplainPlanResponse plan;
  plan.set_n_prompts(2);
  plan.set_n_runs(290);
  plan.set_total_rows(288);
  plan.set_forward_passes(3);
  for (int l = 0; l < 2; ++l) {
    auto& layer = *plan.add_layers();
    layer.set_forward_passes(3 - l);
    layer.set_rows_in(1000 + l);
    layer.set_tokens_out(5000 + l);
  }
  plan.set_packed_tokens(10001);
  plan.set_unshared_packed_tokens(20002);
  plan.set_cost(12000);
  plan.set_max_cost(12000);
  plan.set_gemm_flops(2'000'000'000);
  plan.set_attention_flops(250'000'000);
  plan.set_readout_flops(500'000'000);
  plan.set_bytes_moved(int64_t{3} << 29);
  plan.set_predicted_ns(7'325'600'000'000);
  plan.set_waiting_ns(40'000'000);
  return plan;
}

// Nothing is scanned; `asked` (may be null) gets the request.
Script Explaining(const ExplainPlanResponse& plan, AblateRequest* asked = nullptr) {
  Script script;
  script.ablate = [](auto*, const AblateRequest&, ServerWriter*) {
    return grpc::Status(grpc::INTERNAL, "a scan was asked for");
  };
  script.explain = [plan, asked](const AblateRequest& request, ExplainPlanResponse* response) {
    if (asked != nullptr) *asked = request;
    *response = plan;
    return grpc::Status::OK;
  };
  return script;
}

TEST_F(ProgramTest, ExplainTellsWhatTheScanWouldTake) {
  AblateRequest asked;
  Serve(Explaining(Plan(), &asked));
  auto arguments = scan_;
  arguments.insert(arguments.end(), {"--explain", "--sweep", "pairs", "--layers", "0"});
  const auto result = Ablate(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out,
            "prompts         2\n"
            "runs            290\n"
            "rows            288\n"
            "forward passes  3\n"
            "packed tokens   10001 over all layers; with one pass a run 20002, 2.0 times as many\n"
            "cost            12000 packed tokens x layers, readouts included; one request may 12000\n"
            "work            2.75 GFLOP: c_attn, c_proj and MLP 2.00, attention 0.25, LM head 0.50\n"
            "memory traffic  at least 1.5 GiB\n"
            "time            about 2h2m5s\n"
            "waits for       about 0.040 s of other requests\n"
            "\n"
            "layer    passes       rows in      rows out     tokens in    tokens out\n"
            "    0         3          1000             0             0          5000\n"
            "    1         2          1001             0             0          5001\n");
  EXPECT_EQ(asked.prompts(0).text(), "Berlin is");
  EXPECT_TRUE(asked.sweep().has_pairs());
  EXPECT_EQ(asked.sweep().filter().layers_size(), 1);
}

TEST_F(ProgramTest, ExplainNamesTheWayOutOfWhatIsTooDear) {
  ExplainPlanResponse plan = Plan();
  plan.set_max_cost(11999);
  plan.clear_predicted_ns();
  plan.clear_waiting_ns();
  Serve(Explaining(plan));
  auto arguments = scan_;
  arguments.emplace_back("--explain");
  const auto result = Ablate(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("one request may only 11999: TOO MUCH - send fewer prompts"),
                                HasSubstr("`ablate job submit`"), HasSubstr("time            not known"),
                                Not(HasSubstr("waits for"))));
}

TEST_F(ProgramTest, ExplainAsJsonGoesToAFile) {
  Serve(Explaining(Plan()));
  auto arguments = scan_;
  arguments.insert(arguments.end(), {"--explain", "--format", "jsonl", "--output", Path("plan.jsonl")});
  const auto result = Ablate(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  const auto plan = nlohmann::json::parse(Read(Path("plan.jsonl")))["plan"];
  EXPECT_EQ(plan["n_runs"], "290");
  EXPECT_EQ(plan["layers"][1]["tokens_out"], "5001");
}

TEST_F(ProgramTest, ExplainNamesWhereABadPromptCameFrom) {
  Script script;
  script.explain = [](const AblateRequest&, ExplainPlanResponse*) {
    return InvalidField("prompts[1].targets[0].text", "got two tokens");
  };
  Serve(script);
  const auto result = Ablate({"scan", "--prompts", "-", "--explain"}, "prompt,target\na, x\nb, y y\n");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("got two tokens"), HasSubstr("line 3")));
}

}  // namespace
}  // namespace ablate::testing
