#include "tests/guard/sample_text.h"

#include <iterator>
#include <random>
#include <string_view>

#include "engine/plan/uniform.h"

namespace ablate::testing {
namespace {

constexpr size_t kBytes = 100'000;

constexpr std::string_view kProse[] = {
    "Berlin is the capital of Germany, and Paris that of France. ",
    "When Mary and John went to the store, John gave a drink to Mary.\n",
    "It doesn't follow that they'd have said so; we'll see what's left. ",
    "The committee's unanimous, incontrovertible interpretation surprised nobody.\n\n",
};
constexpr std::string_view kCode[] = {
    "for (int i = 0; i < n_rows; ++i) {\n    total += rows[i]->width * 2;\n}\n",
    "    def encode(self, text: str) -> list[int]:\n        return [self.ids[t] for t in text.split()]\n",
    "{\"id\": 17, \"values\": [0.25, -1e-6, null], \"name\": \"L5H3\"}\n",
    "#include <vector>\n\nnamespace a::b { constexpr auto kMax = 0xFFFF'FFFFU; }  // [N, 3, H, Dh]\n",
};
constexpr std::string_view kScripts[] = {
    "Zürich liegt an der Limmat, größer als Genève. ",
    "Москва — столица России. ",
    "北京是中华人民共和国的首都。",
    "नई दिल्ली भारत की राजधानी है। ",
    "القاهرة عاصمة مصر. ",
    "👩‍🚀🇩🇪 café… ½ Ⅷ ²³\u00a0→ ",
};

template <size_t n>
std::string_view OneOf(const std::string_view (&texts)[n], std::mt19937_64& random) {
  return texts[UniformBelow(random, n)];
}

// A word that no vocabulary holds whole, so that its bytes are merged step by step.
std::string Word(std::mt19937_64& random) {
  std::string word;
  for (uint64_t letters = 3 + UniformBelow(random, 10); letters > 0; --letters) {
    word.push_back("etaoinshrdlucmfwypvbgkjqxz"[UniformBelow(random, 26)]);
  }
  return word + ' ';
}

}  // namespace

std::string SampleText() {
  std::mt19937_64 random(1);
  std::string text;
  while (text.size() < kBytes) {
    switch (UniformBelow(random, 6)) {
      case 0:
      case 1:
        text += OneOf(kProse, random);
        break;
      case 2:
        text += OneOf(kCode, random);
        break;
      case 3:
        text += OneOf(kScripts, random);
        break;
      case 4:
        text += std::to_string(UniformBelow(random, 1'000'000'000)) + ' ';
        break;
      default:
        text += Word(random);
    }
  }
  return text;
}

}  // namespace ablate::testing
