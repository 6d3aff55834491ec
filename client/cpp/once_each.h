// Entries that must come, each once.
#pragma once

#include <cstdint>
#include <vector>

namespace ablate::client {

// Which of a prompt's entries have come. Memory is held only for prompts that are begun and not whole: what a manifest
// announces costs nothing.
class OnceEach {
 public:
  // False where entry `index` of `size` has come before.
  bool Mark(int64_t prompt, int64_t index, int64_t size);
  int64_t count() const { return count_; }
  // Of one prompt.
  int64_t count_of(int64_t prompt) const {
    return prompt < static_cast<int64_t>(prompts_.size()) ? prompts_[prompt].arrived : 0;
  }

 private:
  struct Prompt {
    std::vector<bool> seen;  // empty before the first entry, and once all have come
    int64_t arrived = 0;
  };
  std::vector<Prompt> prompts_;
  int64_t count_ = 0;
};

}  // namespace ablate::client
