#include "server/unknown_fields.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/errors.h"

namespace ablate {
namespace {

absl::Status RefuseUnder(const google::protobuf::Message& message, const std::string& path) {
  const auto* reflection = message.GetReflection();
  const auto& unknown = reflection->GetUnknownFields(message);
  if (unknown.field_count() > 0) {
    return BadField(
        path.empty() ? "request" : path, "UNKNOWN_FIELD",
        absl::StrCat("field number ", unknown.field(0).number(), " of ", message.GetDescriptor()->full_name(),
                     " is not known to this server: the client's contract is newer"));
  }
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const std::string name = absl::StrCat(path, path.empty() ? "" : ".", field->name());
    if (!field->is_repeated()) {
      absl::Status status = RefuseUnder(reflection->GetMessage(message, field), name);
      if (!status.ok()) return status;
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      absl::Status status =
          RefuseUnder(reflection->GetRepeatedMessage(message, field, i), absl::StrCat(name, "[", i, "]"));
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RefuseUnknownFields(const google::protobuf::Message& request) {
  return RefuseUnder(request, "");
}

}  // namespace ablate
