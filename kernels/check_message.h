// The words of the kernels' checks (kernels/*_check.h). Reads through no pointer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace ablate::kernels {

inline std::string WrongArgument(const std::string& kernel, const std::string& argument, const std::string& came,
                                 const std::string& expected) {
  return kernel + ": " + argument + " is " + came + "; expected " + expected;
}

// Both ends are in it.
inline std::string OutOfRange(const std::string& kernel, const std::string& argument, int64_t came, int64_t least,
                              int64_t most) {
  return WrongArgument(kernel, argument, std::to_string(came), std::to_string(least) + " to " + std::to_string(most));
}

struct CheckedPointer {
  const char* name;
  const void* pointer;
  // In bytes.
  size_t alignment;
  bool may_be_null = false;
};

// Of the first that is null or off its alignment; empty: none is. `why`: why it must not be null.
inline std::string CheckPointers(const std::string& kernel, std::initializer_list<CheckedPointer> pointers,
                                 const std::string& why) {
  for (const CheckedPointer& p : pointers) {
    if (p.pointer == nullptr && !p.may_be_null) {
      return WrongArgument(kernel, p.name, "null", "a pointer, since " + why);
    }
    const size_t over = reinterpret_cast<uintptr_t>(p.pointer) % p.alignment;
    if (over == 0) continue;
    return WrongArgument(kernel, p.name, std::to_string(over) + " bytes off its alignment",
                         "a multiple of " + std::to_string(p.alignment));
  }
  return "";
}

}  // namespace ablate::kernels
