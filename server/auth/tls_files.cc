#include "server/auth/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "server/auth/file_mode.h"
#include "server/auth/small_file.h"

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
  auto text = ReadSmallFile(path, FileKind::kAny);
  if (!text.ok()) return absl::Status(text.status().code(), absl::StrCat(option, " ", text.status().message()));
  return text;
}

// Nobody is there to type it.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

// All of the file, in its order. A damaged one ends the reading as the file's end does: the error tells which it was.
absl::StatusOr<std::vector<Certificate>> Certificates(const char* option, const std::string& path,
                                                      const std::string& pem) {
  const Bio bio = MemoryOf(pem);
  std::vector<Certificate> certificates;
  ERR_clear_error();
  while (X509* const next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(next, &X509_free);
  }
  const auto error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE) {
    return Unusable(option, path, absl::StrCat("certificate ", certificates.size() + 1, " is damaged"));
  }
  ERR_clear_error();
  if (certificates.empty()) return Unusable(option, path, "holds no certificate, expected PEM (BEGIN CERTIFICATE)");
  return certificates;
}

absl::StatusOr<Key> ReadKey(const char* option, const std::string& path, const std::string& pem) {
  bool asked = false;
  Key key(PEM_read_bio_PrivateKey(MemoryOf(pem).get(), nullptr, &NoPassphrase, &asked), &EVP_PKEY_free);
  if (key != nullptr) return key;
  return Unusable(option, path,
                  asked ? "the key is encrypted, expected one without a passphrase"
                        : "holds no private key, expected PEM (BEGIN PRIVATE KEY)");
}

absl::StatusOr<absl::Time> TimeOf(const ASN1_TIME* time) {
  tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InvalidArgumentError("the certificate's dates cannot be read");
  return absl::FromTM(parts, absl::UTCTimeZone());
}

// FailedPrecondition where nobody takes the certificate now, OutOfRange where nobody will in two weeks.
absl::Status CheckDates(const X509& certificate, absl::Time now) {
  const auto begin = TimeOf(X509_get0_notBefore(&certificate)), end = TimeOf(X509_get0_notAfter(&certificate));
  if (!begin.ok()) return begin.status();
  if (!end.ok()) return end.status();
  const auto date = [](absl::Time time) { return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone()); };
  if (*begin > now) {
    return absl::FailedPreconditionError(
        absl::StrCat("the certificate is good from ", date(*begin), " on only: is this machine's clock right?"));
  }
  if (*end <= now) return absl::FailedPreconditionError(absl::StrCat("the certificate expired at ", date(*end)));
  if (*end - now >= absl::Hours(24 * 14)) return absl::OkStatus();
  return absl::OutOfRangeError(
      absl::StrCat("the certificate expires at ", date(*end), "; a new one is read when the server starts"));
}

void WarnOfDates(const char* option, const std::string& path, const X509& certificate, absl::Time now,
                 std::vector<std::string>& warnings) {
  const absl::Status dates = CheckDates(certificate, now);
  if (!dates.ok()) warnings.push_back(absl::StrCat(option, " ", path, ": ", dates.message()));
}

}  // namespace

absl::StatusOr<TlsFiles> ReadTlsFiles(const TlsOptions& options, absl::Time now) {
  TlsFiles files;
  auto pem = ReadFile("--tls-cert", options.certificate);
  if (!pem.ok()) return pem.status();
  files.certificate = *std::move(pem);
  const auto chain = Certificates("--tls-cert", options.certificate, files.certificate);
  if (!chain.ok()) return chain.status();
  const absl::Status dates = CheckDates(*chain->front(), now);
  if (!dates.ok() && !absl::IsOutOfRange(dates)) return Unusable("--tls-cert", options.certificate, dates.message());
  // A chain may hold an old certificate that nobody needs.
  for (const Certificate& each : *chain) {
    WarnOfDates("--tls-cert", options.certificate, *each, now, files.warnings);
  }

  pem = ReadFile("--tls-key", options.key);
  if (!pem.ok()) return pem.status();
  files.key = *std::move(pem);
  const auto key = ReadKey("--tls-key", options.key, files.key);
  if (!key.ok()) return key.status();
  if (X509_check_private_key(chain->front().get(), key->get()) != 1) {
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
  const auto authorities = Certificates("--tls-client-ca", options.client_ca, files.client_ca);
  if (!authorities.ok()) return authorities.status();
  for (const Certificate& each : *authorities) {
    WarnOfDates("--tls-client-ca", options.client_ca, *each, now, files.warnings);
  }
  return files;
}

}  // namespace ablate
