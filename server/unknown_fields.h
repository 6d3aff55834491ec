// What a request holds that this server's contract has no name for.
#pragma once

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace ablate {

// INVALID_ARGUMENT that names the message with the unknown field: a newer client may ask for what this server does not
// know; protobuf would drop that in silence and the numbers would answer another question.
absl::Status RefuseUnknownFields(const google::protobuf::Message& request);

}  // namespace ablate
