#include "tests/server/prepare_call.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/text_format.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

template <typename Detail>
Detail DetailOf(const absl::Status& status) {
  Detail detail;
  const auto payload = status.GetPayload(absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name()));
  if (payload) {
    EXPECT_TRUE(detail.ParseFromString(std::string(*payload)));
  }
  return detail;
}

}  // namespace

ablation::v1::AblateRequest RequestOf(const std::string& text) {
  ablation::v1::AblateRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

absl::StatusOr<PreparedRequest> PrepareFake(const ablation::v1::AblateRequest& request, const PrepareOptions& options) {
  const FakeEngine engine(std::make_shared<FakeDevice>());
  return Prepare(request, {.engine = &engine, .limits = options.limits, .means = options.means, .go_on = {}},
                 options.order);
}

absl::StatusOr<PreparedRequest> PrepareText(const std::string& text, const PrepareOptions& options) {
  return PrepareFake(RequestOf(text), options);
}

PreparedRequest MustPrepare(const std::string& text, const PrepareOptions& options) {
  auto prepared = PrepareText(text, options);
  EXPECT_TRUE(prepared.ok()) << text << ": " << prepared.status();
  return prepared.ok() ? *std::move(prepared) : PreparedRequest();
}

std::string ReasonOf(const absl::Status& status) {
  return DetailOf<google::rpc::ErrorInfo>(status).reason();
}

std::string FieldOf(const absl::Status& status) {
  const auto detail = DetailOf<google::rpc::BadRequest>(status);
  return detail.field_violations_size() == 1 ? detail.field_violations(0).field() : "";
}

std::string QuotaSubjectOf(const absl::Status& status) {
  const auto detail = DetailOf<google::rpc::QuotaFailure>(status);
  return detail.violations_size() == 1 ? detail.violations(0).subject() : "";
}

}  // namespace ablate
