// Work of the planner and the tokenizer whose instructions tools/instruction_counts.py counts under valgrind:
//
//   guarded_work                   says how it was built, and what there is to do, as JSON
//   guarded_work PIECE MODEL_DIR   does it, once, inside GuardedWork; what it needs is made outside
#include <gnu/libc-version.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/config.h"
#include "absl/status/statusor.h"
#include "engine/model/tokenizer.h"
#include "engine/plan/plan.h"
#include "engine/plan/sweep.h"
#include "tests/guard/sample_text.h"

// Only what runs in here is counted (callgrind's --toggle-collect).
extern "C" [[gnu::noinline]] void GuardedWork(const std::function<void()>& work) {
  work();
  asm volatile("" ::: "memory");  // a call in the last place would be a jump, and leave this frame before
}

namespace ablate {
namespace {

using Work = std::function<void()>;

// GPT-2 Small's heads, and the CPU's largest pass (engine/forward/token_budget.cc).
constexpr ModelShape kShape{.n_layers = 12, .n_heads = 12};
constexpr PlanOptions kOptions{.n_layers = kShape.n_layers, .max_packed_tokens = 16'384};

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", std::string(value.status().message()).c_str());
  std::exit(1);
}

using Sets = std::vector<SiteSet> (*)(absl::Span<const Site>);

// Zero at the sites of each set.
std::vector<Variant> Variants(Sets sets) {
  std::vector<Variant> variants;
  for (const SiteSet& set : sets(OrDie(SelectSites({}, kShape)))) {
    Variant& variant = variants.emplace_back();
    for (const Site& site : set.sites) variant.edits.push_back({.site = site});
  }
  return variants;
}

// Prompts of these lengths under the same variants, read at their last positions.
class Batch {
 public:
  Batch(Sets sets, std::vector<int32_t> lengths) : variants_(Variants(sets)), lengths_(std::move(lengths)) {
    for (const int32_t length : lengths_) last_.push_back(length - 1);
    for (size_t p = 0; p < lengths_.size(); ++p) {
      prompts_.push_back(
          {.n_tokens = lengths_[p], .variants = variants_, .read_positions = absl::MakeConstSpan(last_).subspan(p, 1)});
    }
  }
  // The prompts point into the rest, which a move leaves where it is and a copy would not.
  Batch(Batch&&) = default;

  Planner Plan() const { return OrDie(Planner::Create(prompts_, kOptions)); }

 private:
  std::vector<Variant> variants_;
  std::vector<int32_t> lengths_;
  std::vector<int32_t> last_;
  std::vector<PlanPrompt> prompts_;
};

// A plan, with each of its chunks built and dropped, as a scan does.
Work PlanOf(Sets sets, std::vector<int32_t> lengths) {
  return [batch = std::make_shared<const Batch>(sets, std::move(lengths))] {
    const Planner planner = batch->Plan();
    for (int64_t i = 0; i < planner.n_chunks(); ++i) planner.Build(i);
  };
}

Work CostOf(Sets sets, std::vector<int32_t> lengths) {
  return [planner = Batch(sets, std::move(lengths)).Plan()] { planner.Work(); };
}

// 4 to 16 tokens.
std::vector<int32_t> ShortPrompts(size_t count) {
  std::vector<int32_t> lengths(count);
  for (size_t p = 0; p < count; ++p) lengths[p] = 4 + static_cast<int32_t>(p * 7 % 13);
  return lengths;
}

struct Piece {
  std::string_view name;
  Work (*prepare)(const std::string& model_dir);
};

constexpr Piece kPieces[] = {
    {"plan_heads_6_tokens", [](const std::string&) { return PlanOf(&HeadSets, {6}); }},
    {"plan_heads_1024_tokens", [](const std::string&) { return PlanOf(&HeadSets, {1024}); }},
    {"plan_heads_200_prompts", [](const std::string&) { return PlanOf(&HeadSets, ShortPrompts(200)); }},
    {"plan_pairs_6_tokens", [](const std::string&) { return PlanOf(&PairSets, {6}); }},
    {"cost_of_pairs_6_tokens", [](const std::string&) { return CostOf(&PairSets, {6}); }},
    {"tokenizer_load",
     [](const std::string& model_dir) -> Work { return [model_dir] { OrDie(Tokenizer::Load(model_dir)); }; }},
    {"tokenizer_encode",
     [](const std::string& model_dir) -> Work {
       return [tokenizer = std::shared_ptr(OrDie(Tokenizer::Load(model_dir))), text = testing::SampleText()] {
         OrDie(tokenizer->Encode(text));
       };
     }},
    {"tokenizer_decode",
     [](const std::string& model_dir) -> Work {
       const std::shared_ptr tokenizer = OrDie(Tokenizer::Load(model_dir));
       return [tokenizer, ids = OrDie(tokenizer->Encode(testing::SampleText()))] { tokenizer->Decode(ids); };
     }},
};

void Describe() {
  std::printf(R"({"compiler": "%s", "build_type": "%s", "flags": "%s", "libc": "%s", "abseil": "%d.%d", "pieces": [)",
              GUARD_COMPILER, GUARD_BUILD_TYPE, GUARD_FLAGS, gnu_get_libc_version(), ABSL_LTS_RELEASE_VERSION,
              ABSL_LTS_RELEASE_PATCH_LEVEL);
  for (const Piece& piece : kPieces) {
    std::printf("%s\"%s\"", &piece == kPieces ? "" : ", ", std::string(piece.name).c_str());
  }
  std::printf("]}\n");
}

int Main(int argc, char** argv) {
  if (argc == 1) {
    Describe();
    return 0;
  }
  for (const Piece& piece : kPieces) {
    if (argc != 3 || piece.name != argv[1]) continue;
    GuardedWork(piece.prepare(argv[2]));
    return 0;
  }
  std::fprintf(stderr, "usage: guarded_work [PIECE MODEL_DIR]\n");
  return 2;
}

}  // namespace
}  // namespace ablate

int main(int argc, char** argv) {
  return ablate::Main(argc, argv);
}
