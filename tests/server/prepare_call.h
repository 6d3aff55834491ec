// Preparation without a server: requests as text, and what is wrong with them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/means/mean_store.h"
#include "server/prepare.h"
#include "tests/server/fake_engine.h"

namespace ablate {

// A request in protobuf's text format. `text` is a program's own, so that a mistake in it fails the test.
ablation::v1::AblateRequest RequestOf(const std::string& text);

// Prompts of two tokens, [257, 258] and [120, 120] where corrupted; the targets are 259, the contrasts 260.
inline constexpr char kPrompt[] =
    R"(prompts { text: "Berlin is" targets { text: " Germany" } contrasts { text: " France" } })";
inline constexpr char kPair[] =
    R"(prompts { text: "Berlin is" corrupted_text: "xx" targets { text: " Germany" } contrasts { text: " France" } })";

struct PrepareOptions {
  RequestLimits limits = {};
  const MeanStore* means = nullptr;
  std::vector<Site> order = {};
};

// With FakeEngine.
absl::StatusOr<PreparedRequest> PrepareText(const std::string& text, const PrepareOptions& options = {});
absl::StatusOr<PreparedRequest> PrepareFake(const ablation::v1::AblateRequest& request,
                                            const PrepareOptions& options = {});

// The same where it must succeed: fails the test and gives nothing otherwise.
PreparedRequest MustPrepare(const std::string& text, const PrepareOptions& options = {});

// Of an error's details; empty where it has none.
std::string ReasonOf(const absl::Status& status);
std::string FieldOf(const absl::Status& status);
// Of its QuotaFailure.
std::string QuotaSubjectOf(const absl::Status& status);

}  // namespace ablate
