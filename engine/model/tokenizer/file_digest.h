// SHA-256 over files, one after the other.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace ablate::tokenizer {

class FileDigest {
 public:
  FileDigest();
  ~FileDigest();

  void Update(std::string_view bytes);
  // Lower-case hex; call once, last.
  std::string Finish();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

}  // namespace ablate::tokenizer
