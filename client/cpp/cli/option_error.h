// What is wrong with an option, as the error that `ablate` ends with.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ablate::cli {

template <typename... Parts>
absl::Status OptionError(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// An option that was given without the one that it belongs to.
struct Dependent {
  bool is_given;
  const char* option;
  bool may;
  const char* belongs_to;
};

// The first that was given in vain, named.
inline absl::Status CheckDependents(std::initializer_list<Dependent> dependents) {
  for (const Dependent& dependent : dependents) {
    if (dependent.is_given && !dependent.may) {
      return OptionError(dependent.option, " belongs to ", dependent.belongs_to, ": add that, or drop ",
                         dependent.option);
    }
  }
  return absl::OkStatus();
}

}  // namespace ablate::cli
