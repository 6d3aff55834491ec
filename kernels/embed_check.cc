#include "kernels/embed_check.h"

#include <cstdint>
#include <string>

#include "kernels/check_message.h"

namespace ablate::kernels {
namespace {

constexpr const char* kKernel = "embed";
constexpr int64_t kMaxTokens = int64_t{1} << 31, kMaxLength = int64_t{1} << 26;

}  // namespace

std::string CheckEmbed(const EmbedArgs& args, int64_t n_tokens) {
  if (n_tokens < 0 || n_tokens > kMaxTokens) return OutOfRange(kKernel, "n_tokens", n_tokens, 0, kMaxTokens);
  if (args.d_model < 1 || args.d_model > kMaxLength) {
    return OutOfRange(kKernel, "d_model", args.d_model, 1, kMaxLength);
  }
  if (n_tokens == 0) return "";
  return CheckPointers(kKernel,
                       {{"wte", args.wte, alignof(float)},
                        {"wpe", args.wpe, alignof(float)},
                        {"ids", args.ids, alignof(int32_t)},
                        {"positions", args.positions, alignof(int32_t)},
                        {"out", args.out, alignof(float)}},
                       "there are tokens");
}

}  // namespace ablate::kernels
