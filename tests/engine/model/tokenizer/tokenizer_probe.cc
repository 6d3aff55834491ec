// Runs the tokenizer for a test in another language: `tokenizer_probe MODEL_DIR` answers requests from stdin on stdout.
// A request is one byte, what to do, a count n as uint32, and n values; integers are in the host's byte order.
//
//   'e' n bytes of text -> int32 count, then as many int32 ids; count -1: an error, as uint32 length and text, follows
//   'd' n int32 ids     -> uint32 length, then the decoded text
//   't' n int32 ids     -> for each id: uint32 length, then TokenText; uint32 length, then TokenBytes
//   'v' n = 0           -> int32 vocab_size, int32 bos_token_id, the 64 characters of sha256
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/model/tokenizer.h"

namespace {

template <typename T>
void Put(T value) {
  std::fwrite(&value, sizeof(value), 1, stdout);
}

void PutText(std::string_view text) {
  Put(static_cast<uint32_t>(text.size()));
  std::fwrite(text.data(), 1, text.size(), stdout);
}

template <typename T>
bool Get(std::vector<T>& values) {
  return std::fread(values.data(), sizeof(T), values.size(), stdin) == values.size();
}

void Encode(const ablate::Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.Encode(text);
  if (!ids.ok()) {
    Put(int32_t{-1});
    PutText(std::string(ids.status().message()));
    return;
  }
  Put(static_cast<int32_t>(ids->size()));
  for (int32_t id : *ids) Put(id);
}

int Serve(const ablate::Tokenizer& tokenizer) {
  for (int action = std::getchar(); action != EOF; action = std::getchar()) {
    std::vector<uint32_t> count(1);
    if (!Get(count)) return 3;
    if (action == 'e') {
      std::vector<char> text(count[0]);
      if (!Get(text)) return 3;
      Encode(tokenizer, std::string_view(text.data(), text.size()));
    } else if (action == 'd' || action == 't') {
      std::vector<int32_t> ids(count[0]);
      if (!Get(ids)) return 3;
      if (action == 'd') PutText(tokenizer.Decode(ids));
      for (size_t i = 0; action == 't' && i < ids.size(); ++i) {
        PutText(tokenizer.TokenText(ids[i]));
        PutText(tokenizer.TokenBytes(ids[i]));
      }
    } else if (action == 'v') {
      Put(tokenizer.vocab_size());
      Put(tokenizer.bos_token_id());
      std::fwrite(tokenizer.sha256().data(), 1, tokenizer.sha256().size(), stdout);
    } else {
      return 3;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: tokenizer_probe MODEL_DIR\n");
    return 2;
  }
  const auto tokenizer = ablate::Tokenizer::Load(argv[1]);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s\n", std::string(tokenizer.status().message()).c_str());
    return 1;
  }
  return Serve(**tokenizer);
}
