// A job store in a folder of the test's own.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "server/jobs/job_store.h"

namespace ablate {

// A new one for each test of the program.
inline std::string JobsFolder() {
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  return (std::filesystem::path(::testing::TempDir()) / info->test_suite_name() / info->name()).string();
}

inline std::unique_ptr<JobStore> OpenJobs(int64_t max_pages = 0) {
  auto store = JobStore::Open({.folder = JobsFolder(), .max_pages = max_pages});
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

inline NewJob SomeJob(const std::string& request_id = "", const std::string& request = "request",
                      const std::string& tenant = "") {
  return {.tenant = tenant,
          .request_id = request_id,
          .display_name = "a job",
          .request = request,
          .weights_sha256 = "w",
          .n_prompts = 3,
          .cost = 300};
}

}  // namespace ablate
