// What a call shows as its token.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "grpcpp/support/string_ref.h"

namespace ablate {

// What stands behind `Bearer`; nullopt where there is no such header, or nothing but one of another scheme. Of several
// headers none counts: it is not for us to say which was meant.
inline std::optional<std::string> BearerToken(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  constexpr absl::string_view kScheme = "Bearer ";
  const auto [begin, end] = metadata.equal_range("authorization");
  if (begin == end || std::next(begin) != end) return std::nullopt;
  const absl::string_view value(begin->second.data(), begin->second.size());
  if (!absl::StartsWithIgnoreCase(value, kScheme)) return std::nullopt;
  return std::string(absl::StripAsciiWhitespace(value.substr(kScheme.size())));
}

}  // namespace ablate
