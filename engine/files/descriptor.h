// A file descriptor that ends with its scope.
#pragma once

#include <unistd.h>

namespace ablate {

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(fd); }

  const int fd;
};

}  // namespace ablate
