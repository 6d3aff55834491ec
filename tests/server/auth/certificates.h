// A certificate authority of the test's own, made anew in each run.
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"

namespace ablate {

struct CertificateOptions {
  // As OpenSSL writes them.
  std::string alternative_names = "IP:127.0.0.1,DNS:localhost";
  // From now on, or up to now where it is negative.
  absl::Duration lifetime = absl::Hours(24 * 30);
  // Of the key in PEM; empty: none.
  std::string passphrase = {};
};

// PEM texts.
struct TestCertificate {
  std::string certificate, key;
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  ~TestAuthority();

  // Its own certificate, which is what those who trust it need.
  const std::string& certificate() const;
  TestCertificate Issue(const CertificateOptions& options = {}) const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// Writes `text` to `name` in the test's folder, for its owner only, and returns the path.
std::string WriteTestFile(const std::string& name, const std::string& text);

}  // namespace ablate
