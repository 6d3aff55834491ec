#include "kernels/gemm_cublaslt.h"

#include <algorithm>

#include "kernels/choose_fastest.h"
#include "kernels/gemm_check.h"
#include "kernels/time_launches.h"

namespace ablate::kernels {
namespace {

// Under which its algorithm is looked up.
GemmShape KeyOf(const GemmArgs& args) {
  GemmShape key = ShapeOf(args);
  if (!args.batch_invariant) return key;
  key.m = CublasLt::kInvariantRows;
  // No buffer of a tensor's begins at less; that one begins at more by chance changes nothing.
  constexpr uint32_t kLeastAlignment = 16;
  for (uint32_t* const alignment : {&key.x_alignment, &key.weight_alignment, &key.bias_alignment, &key.out_alignment}) {
    *alignment = std::min(*alignment, kLeastAlignment);
  }
  return key;
}

}  // namespace

std::string CublasLt::MakeHandle() {
  if (handle_ != nullptr) return "";
  cublasLtHandle_t handle = nullptr;
  const cublasStatus_t status = cublasLtCreate(&handle);
  handle_.reset(handle);
  return status == CUBLAS_STATUS_SUCCESS ? "" : GemmFailed("cublasLtCreate", status);
}

std::string CublasLt::Ask(const GemmArgs& args, const GemmShape& key, const GemmProduct& product, Choice& choice) {
  std::vector<GemmAlgorithm> algorithms;
  std::string error;
  if (key.m == args.m) {
    error = product.FindAlgorithms(handle_.get(), key, workspace_bytes_, 1, algorithms);
  } else {
    GemmArgs asked = args;
    asked.m = key.m;
    GemmProduct like;
    error = like.Describe(asked);
    if (error.empty()) error = like.FindAlgorithms(handle_.get(), key, workspace_bytes_, 1, algorithms);
  }
  choice = {};
  if (error.empty() && !algorithms.empty()) choice.algorithm = algorithms[0];
  return error;
}

std::string CublasLt::ChoiceOf(const GemmArgs& args, const GemmShape& key, const GemmProduct& product,
                               Choice*& choice) {
  if (std::string error = MakeHandle(); !error.empty()) return error;
  auto known = choices_.find(key);
  if (known != choices_.end() && !known->second.is_checked) {
    known->second.is_checked = true;
    if (!product.Takes(handle_.get(), *known->second.algorithm, workspace_bytes_)) {
      choices_.erase(known);
      known = choices_.end();
    }
  }
  if (known == choices_.end()) {
    Choice asked;
    if (std::string error = Ask(args, key, product, asked); !error.empty()) return error;
    known = choices_.emplace(key, asked).first;
  }
  choice = &known->second;
  return "";
}

std::string CublasLt::Run(const GemmArgs& args, cudaStream_t stream, bool* has_algorithm) {
  if (has_algorithm != nullptr) *has_algorithm = true;
  if (std::string error = CheckGemm(args); !error.empty() || args.m == 0) return error;
  GemmProduct product;
  if (std::string error = product.Describe(args); !error.empty()) return error;
  const GemmShape key = KeyOf(args);
  Choice* choice = nullptr;
  if (std::string error = ChoiceOf(args, key, product, choice); !error.empty()) return error;
  const auto launch = [&] {
    return product.Launch(handle_.get(), args, args.out, *choice->algorithm, workspace_, workspace_bytes_, stream);
  };
  if (choice->algorithm.has_value()) {
    cublasStatus_t status = launch();
    if (status != CUBLAS_STATUS_SUCCESS && choice->microseconds > 0) {
      // One from a file, perhaps, that cuBLASLt's check let through.
      if (std::string error = Ask(args, key, product, *choice); !error.empty()) return error;
      if (choice->algorithm.has_value()) status = launch();
    }
    if (choice->algorithm.has_value()) {
      return status == CUBLAS_STATUS_SUCCESS ? "" : GemmFailed("cublasLtMatmul", status);
    }
  }
  if (has_algorithm != nullptr) {
    *has_algorithm = false;
    return "";
  }
  return "gemm: cuBLASLt has no algorithm for [" + std::to_string(args.m) + ", " + std::to_string(args.k) + "] by [" +
         std::to_string(args.k) + ", " + std::to_string(args.n) + "]";
}

bool CublasLt::WouldMeasure(const GemmArgs& args) const {
  const auto known = choices_.find(KeyOf(args));
  return args.m > 0 && !args.batch_invariant && (known == choices_.end() || known->second.microseconds == 0);
}

std::string CublasLt::Measure(const GemmArgs& args, float* scratch, cudaStream_t stream,
                              std::chrono::steady_clock::time_point deadline) {
  if (std::string error = CheckGemm(args); !error.empty() || args.m == 0 || args.batch_invariant) return error;
  GemmProduct product;
  if (std::string error = product.Describe(args); !error.empty()) return error;
  const GemmShape key = KeyOf(args);
  Choice* choice = nullptr;
  if (std::string error = ChoiceOf(args, key, product, choice); !error.empty()) return error;
  if (choice->microseconds > 0 || !choice->algorithm.has_value()) return "";
  std::vector<GemmAlgorithm> algorithms;
  if (auto error = product.FindAlgorithms(handle_.get(), key, workspace_bytes_, kMostCandidates, algorithms);
      !error.empty()) {
    return error;
  }
  float* const out = args.epilogue == GemmEpilogue::kAddTo ? scratch : args.out;
  const auto time = [&](size_t way, int runs) {
    return TimeLaunches(runs, stream, [&] {
      return product.Launch(handle_.get(), args, out, algorithms[way], workspace_, workspace_bytes_, stream) ==
             CUBLAS_STATUS_SUCCESS;
    });
  };
  const auto is_late = [&] { return std::chrono::steady_clock::now() >= deadline; };
  const std::optional<Fastest> fastest = ChooseFastest(algorithms.size(), time, is_late);
  if (!fastest.has_value()) return "";
  *choice = {.algorithm = algorithms[fastest->index], .microseconds = fastest->microseconds};
  ++n_measured_;
  return "";
}

std::vector<MeasuredGemm> CublasLt::measured() const {
  std::vector<MeasuredGemm> measured;
  for (const auto& [shape, choice] : choices_) {
    if (choice.microseconds > 0) measured.push_back({shape, *choice.algorithm, choice.microseconds});
  }
  return measured;
}

void CublasLt::Adopt(const MeasuredGemm& measured) {
  const auto known = choices_.find(measured.shape);
  if (known != choices_.end() && known->second.microseconds > 0) return;
  choices_[measured.shape] = {
      .algorithm = measured.algorithm, .microseconds = measured.microseconds, .is_checked = false};
}

}  // namespace ablate::kernels
