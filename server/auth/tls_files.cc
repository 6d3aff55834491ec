#include "server/auth/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "engine/files/mapped_file.h"
#include "server/auth/file_mode.h"

namespace ablate {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio MemoryOf(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free};
}

absl::Status Unusable(const char* option, const std::string& path, absl::string_view why) {
  ERR_clear_error();
  return absl::FailedPreconditionError(absl::StrCat(option, " ", path, ": ", why));
}

absl::StatusOr<std::string> ReadFile(const char* option, const std::string& path) {
  const auto file = MappedFile::Open(path);
  if (!file.ok()) return absl::Status(file.status().code(), absl::StrCat(option, " ", file.status().message()));
  return std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
}

// Nobody is there to type it.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

absl::StatusOr<Certificate> FirstCertificate(const char* option, const std::string& path, const std::string& pem) {
  Certificate certificate(PEM_read_bio_X509(MemoryOf(pem).get(), nullptr, nullptr, nullptr), &X509_free);
  if (certificate == nullptr) return Unusable(option, path, "holds no certificate, expected PEM (BEGIN CERTIFICATE)");
  return certificate;
}

absl::StatusOr<Key> ReadKey(const char* option, const std::string& path, const std::string& pem) {
  bool asked = false;
  Key key(PEM_read_bio_PrivateKey(MemoryOf(pem).get(), nullptr, &NoPassphrase, &asked), &EVP_PKEY_free);
  if (key != nullptr) return key;
  return Unusable(option, path,
                  asked ? "the key is encrypted, expected one without a passphrase"
                        : "holds no private key, expected PEM (BEGIN PRIVATE KEY)");
}

absl::Status CheckDates(const TlsOptions& options, const X509& certificate, absl::Time now,
                        std::vector<std::string>& warnings) {
  tm end = {};
  ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &end);
  const absl::Time expires = absl::FromTM(end, absl::UTCTimeZone());
  const std::string date = absl::FormatTime("%Y-%m-%d %H:%M UTC", expires, absl::UTCTimeZone());
  if (expires <= now) {
    return Unusable("--tls-cert", options.certificate, absl::StrCat("the certificate expired at ", date));
  }
  if (expires - now < absl::Hours(24 * 14)) {
    warnings.push_back(absl::StrCat("--tls-cert ", options.certificate, ": the certificate expires at ", date,
                                    "; a new one is read when the server starts"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TlsFiles> ReadTlsFiles(const TlsOptions& options, absl::Time now) {
  TlsFiles files;
  auto pem = ReadFile("--tls-cert", options.certificate);
  if (!pem.ok()) return pem.status();
  files.certificate = *std::move(pem);
  const auto certificate = FirstCertificate("--tls-cert", options.certificate, files.certificate);
  if (!certificate.ok()) return certificate.status();
  const absl::Status dates = CheckDates(options, **certificate, now, files.warnings);
  if (!dates.ok()) return dates;

  pem = ReadFile("--tls-key", options.key);
  if (!pem.ok()) return pem.status();
  files.key = *std::move(pem);
  const auto key = ReadKey("--tls-key", options.key, files.key);
  if (!key.ok()) return key.status();
  if (X509_check_private_key(certificate->get(), key->get()) != 1) {
    return Unusable("--tls-key", options.key,
                    absl::StrCat("the key does not belong to the certificate in ", options.certificate));
  }
  if (const std::string open = WhyTooOpen(options.key); !open.empty()) {
    files.warnings.push_back(absl::StrCat("--tls-key ", options.key, ": ", open));
  }

  if (options.client_ca.empty()) return files;
  pem = ReadFile("--tls-client-ca", options.client_ca);
  if (!pem.ok()) return pem.status();
  files.client_ca = *std::move(pem);
  const auto authority = FirstCertificate("--tls-client-ca", options.client_ca, files.client_ca);
  if (!authority.ok()) return authority.status();
  return files;
}

}  // namespace ablate
