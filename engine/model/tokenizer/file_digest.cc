#include "engine/model/tokenizer/file_digest.h"

#include <openssl/evp.h>

#include <array>
#include <new>

#include "absl/strings/escaping.h"

namespace ablate::tokenizer {

FileDigest::FileDigest() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
  // Fails for want of memory only.
  if (context_ == nullptr || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
}

FileDigest::~FileDigest() = default;

void FileDigest::Update(std::string_view bytes) {
  if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) throw std::bad_alloc();
}

std::string FileDigest::Finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(context_.get(), digest.data(), &size) != 1) throw std::bad_alloc();
  return absl::BytesToHexString(std::string(reinterpret_cast<const char*>(digest.data()), size));
}

}  // namespace ablate::tokenizer
