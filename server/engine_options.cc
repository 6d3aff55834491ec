#include "server/engine_options.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/files/user_data.h"

namespace ablate {
namespace {

// Empty where it is right, as CLI11 wants it.
std::string CheckDevice(const std::string& device) {
  const bool cuda = absl::StartsWith(device, "cuda:") && device.size() > 5 && device.size() <= 8 &&
                    device.find_first_not_of("0123456789", 5) == std::string::npos;
  return device == "auto" || device == "cpu" || cuda ? ""
                                                     : absl::StrCat("got `", device, "`, expected auto, cpu or cuda:N");
}

}  // namespace

void AddModelOptions(CLI::App& app, EngineOptions& options) {
  app.add_option("--model", options.model_dir,
                 "Folder of a GPT-2 in Hugging Face's layout: config.json, model.safetensors, vocab.json, merges.txt")
      ->required();
  app.add_option("--device", options.device,
                 "Where to compute: auto (the first usable GPU, else the CPU), cpu, or cuda:N")
      ->check(CheckDevice);
  app.add_flag("--cuda-graphs,!--no-cuda-graphs", options.cuda_graphs,
               "On a GPU: forward passes whose shape has come before are queued by one launch (the default)");
  app.add_flag("--batch-invariant", options.batch_invariant,
               "Start only where a row's bits do not depend on what runs beside it, which on a GPU makes it slower");
  options.gpu_cache_dir = UserCacheFolder();
  AddFolderOrNone(app, "--gpu-cache-dir", options.gpu_cache_dir,
                  "Folder for what is measured of a GPU once (which algorithms its products take, into which blocks "
                  "its other work is cut), a small file for each kind of GPU; `none` keeps nothing")
      ->default_str("$XDG_CACHE_HOME/ablate, else ~/.cache/ablate");
  app.add_option("--threads", options.threads, "CPU threads of the engine; 0: one a core")->check(CLI::Range(0, 1024));
}

void AddEngineOptions(CLI::App& app, EngineOptions& options) {
  AddModelOptions(app, options);
  app.add_option_function<std::string>(
         "--precision",
         [&options](const std::string& text) {
           if (const auto precision = ParsePrecision(text); precision.ok()) options.precision = *precision;
         },
         "float32; bf16 (CPUs with AVX512-BF16, GPUs from Ampere on: matrices and what they multiply are bfloat16, "
         "sums and all else float32; three times as fast on a CPU with AMX, slower without: docs/numbers.md); tf32 "
         "(GPUs from Ampere on: the same with 10 bits of fraction); or float64 (CPU only: the oracle)")
      ->check(CLI::IsMember({"float32", "bf16", "tf32", "float64"}))
      ->default_str("float32");
}

}  // namespace ablate
