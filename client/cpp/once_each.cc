#include "client/cpp/once_each.h"

namespace ablate::client {

bool OnceEach::Mark(int64_t prompt, int64_t index, int64_t size) {
  if (prompt >= static_cast<int64_t>(prompts_.size())) prompts_.resize(prompt + 1);
  Prompt& of = prompts_[prompt];
  if (of.arrived == size) return false;
  if (of.seen.empty()) of.seen.assign(size, false);
  if (of.seen[index]) return false;
  of.seen[index] = true;
  ++count_;
  if (++of.arrived == size) std::vector<bool>().swap(of.seen);
  return true;
}

}  // namespace ablate::client
