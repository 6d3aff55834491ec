#include "kernels/readout_check.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "kernels/check_message.h"

namespace ablate::kernels {
namespace {

constexpr const char* kKernel = "readout";
constexpr int64_t kMaxRows = int64_t{1} << 31;
constexpr int32_t kMaxVocab = 1 << 24;

}  // namespace

std::string CheckReadout(const ReadoutArgs& args) {
  if (args.n_rows < 0 || args.n_rows > kMaxRows) return OutOfRange(kKernel, "n_rows", args.n_rows, 0, kMaxRows);
  if (args.n_tasks < 0 || args.n_tasks > kMaxRows) return OutOfRange(kKernel, "n_tasks", args.n_tasks, 0, kMaxRows);
  if (args.n_vocab < 1 || args.n_vocab > kMaxVocab) return OutOfRange(kKernel, "n_vocab", args.n_vocab, 1, kMaxVocab);
  if (args.stride < args.n_vocab || args.stride > 2 * int64_t{kMaxVocab}) {
    return OutOfRange(kKernel, "stride", args.stride, args.n_vocab, 2 * int64_t{kMaxVocab});
  }
  const int32_t most = std::min(kMaxTopK, args.n_vocab);
  if (args.most_top_k < 0 || args.most_top_k > most) return OutOfRange(kKernel, "most_top_k", args.most_top_k, 0, most);
  if (args.n_tasks == 0) return "";
  if (args.n_rows == 0) return WrongArgument(kKernel, "n_rows", "0", "1 or more, since there are tasks");
  return CheckPointers(kKernel,
                       {{"logits", args.logits, alignof(float)},
                        {"tasks", args.tasks, alignof(ReadoutTask)},
                        {"sums", args.sums, alignof(ReadoutSums)},
                        {"results", args.results, alignof(ReadoutRow)},
                        {"top_k_id", args.top_k_id, alignof(int32_t), /*may_be_null=*/args.most_top_k == 0},
                        {"top_k_logprob", args.top_k_logprob, alignof(double), /*may_be_null=*/args.most_top_k == 0}},
                       "there are tasks");
}

std::string CheckReadoutTasks(const ReadoutArgs& args, const ReadoutTask* tasks) {
  if (std::string problem = CheckReadout(args); !problem.empty()) return problem;
  for (int64_t i = 0; i < args.n_tasks; ++i) {
    const ReadoutTask& task = tasks[i];
    const auto name = [i](const char* field) { return "tasks[" + std::to_string(i) + "]." + field; };
    const struct {
      const char* field;
      int64_t value, least, most;
    } fields[] = {{"row", task.row, 0, args.n_rows - 1},
                  {"baseline_row", task.baseline_row, 0, args.n_rows - 1},
                  {"target_id", task.target_id, -1, args.n_vocab - 1},
                  {"contrast_id", task.contrast_id, -1, args.n_vocab - 1},
                  {"top_k", task.top_k, 0, args.most_top_k},
                  {"top_k_begin", task.top_k_begin, 0, INT32_MAX - task.top_k}};
    for (const auto& [field, value, least, most] : fields) {
      if (value < least || value > most) return OutOfRange(kKernel, name(field), value, least, most);
    }
  }
  return "";
}

}  // namespace ablate::kernels
