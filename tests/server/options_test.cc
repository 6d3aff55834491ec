#include "server/options.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include "engine/files/user_data.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/auth/listen_address.h"

namespace ablate {
namespace {

using ::testing::HasSubstr;

struct Parsed {
  std::optional<int> code;
  Options options;
  std::string out, err;
};

Parsed Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "ablated");
  Parsed parsed;
  std::ostringstream out, err;
  parsed.code = ParseOptions(static_cast<int>(arguments.size()), arguments.data(), parsed.options, out, err);
  parsed.out = out.str();
  parsed.err = err.str();
  return parsed;
}

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Environment() { unsetenv(name_); }

 private:
  const char* const name_;
};

TEST(OptionsTest, Defaults) {
  const Parsed parsed = Parse({"--model", "models/demo/"});
  ASSERT_FALSE(parsed.code.has_value()) << parsed.err;
  EXPECT_EQ(parsed.options.server.listen, "127.0.0.1:50051");
  EXPECT_EQ(parsed.options.server.model_name, "demo");
  EXPECT_EQ(parsed.options.engine.device, "auto");
  EXPECT_EQ(parsed.options.engine.precision, Precision::kFloat32);
  EXPECT_EQ(parsed.options.server.batch_window, absl::Milliseconds(1));
  EXPECT_EQ(parsed.options.drain_timeout, absl::Seconds(30));
  EXPECT_EQ(parsed.options.means_dir, std::nullopt);
}

// Unlike without the option, which has a default.
TEST(OptionsTest, MeansDirMayBeNone) {
  EXPECT_EQ(Parse({"--model=m", "--means-dir=none"}).options.means_dir, "");
  EXPECT_EQ(Parse({"--model=m", "--gpu-cache-dir=none"}).options.engine.gpu_cache_dir, "");
  EXPECT_EQ(Parse({"--model=m", "--gpu-cache-dir=./none"}).options.engine.gpu_cache_dir, "./none");
  EXPECT_EQ(Parse({"--model=m"}).options.engine.gpu_cache_dir, UserCacheFolder());
  EXPECT_EQ(Parse({"--model=m", "--means-dir", ""}).options.means_dir, "");
  EXPECT_EQ(Parse({"--model=m", "--means-dir=./none"}).options.means_dir, "./none");
  const Environment none("ABLATE_MEANS_DIR", "none");
  EXPECT_EQ(Parse({"--model=m"}).options.means_dir, "");
}

TEST(OptionsTest, EveryOptionArrives) {
  const Parsed parsed = Parse({"--model=m",
                               "--model-name=n",
                               "--listen=unix:/tmp/x",
                               "--port-file=p",
                               "--means-dir=means",
                               "--numeric-floor=floor.json",
                               "--device=cuda:1",
                               "--precision=float64",
                               "--threads=3",
                               "--memory-budget=3GiB",
                               "--max-packed-tokens=4096",
                               "--max-request-cost=77",
                               "--max-request-tokens=78",
                               "--queue-size=5",
                               "--max-queue-cost=79",
                               "--max-batch-wait=2.5",
                               "--max-message-bytes=4096",
                               "--max-stream-bytes=2048",
                               "--max-write-stall=7.5",
                               "--max-calls=9",
                               "--max-calls-per-connection=8",
                               "--drain-timeout=0.5",
                               "--stop-with-stdin",
                               "--log-level=debug"});
  ASSERT_FALSE(parsed.code.has_value()) << parsed.err;
  const Options& o = parsed.options;
  EXPECT_EQ(o.engine.model_dir, "m");
  EXPECT_EQ(o.server.model_name, "n");
  EXPECT_EQ(o.server.listen, "unix:/tmp/x");
  EXPECT_EQ(o.port_file, "p");
  EXPECT_EQ(o.means_dir, "means");
  EXPECT_EQ(o.numeric_floor, "floor.json");
  EXPECT_EQ(o.engine.device, "cuda:1");
  EXPECT_EQ(o.engine.precision, Precision::kFloat64);
  EXPECT_EQ(o.engine.threads, 3);
  EXPECT_EQ(o.engine.memory_budget_bytes, int64_t{3} << 30);
  EXPECT_EQ(o.engine.max_packed_tokens, 4096);
  EXPECT_EQ(o.server.limits.cost, 77);
  EXPECT_EQ(o.server.limits.tokens, 78);
  EXPECT_EQ(o.server.queue_size, 5);
  EXPECT_EQ(o.server.max_queue_cost, 79);
  EXPECT_EQ(o.server.batch_window, absl::Microseconds(2500));
  EXPECT_EQ(o.server.max_message_bytes, 4096);
  EXPECT_EQ(o.server.max_stream_bytes, 2048);
  EXPECT_EQ(o.server.max_write_stall, absl::Milliseconds(7500));
  EXPECT_EQ(o.server.max_calls, 9);
  EXPECT_EQ(o.server.max_calls_per_connection, 8);
  EXPECT_EQ(o.drain_timeout, absl::Milliseconds(500));
  EXPECT_TRUE(o.stop_with_stdin);
  EXPECT_EQ(o.log_level, "debug");
}

TEST(OptionsTest, EveryPrecisionCanBeAskedFor) {
  for (const Precision precision : {Precision::kFloat32, Precision::kFloat64, Precision::kTf32, Precision::kBf16}) {
    const std::string option = "--precision=" + std::string(Name(precision));
    const Parsed parsed = Parse({"--model=m", option.c_str()});
    EXPECT_FALSE(parsed.code.has_value()) << parsed.err;
    EXPECT_EQ(parsed.options.engine.precision, precision);
  }
}

TEST(OptionsTest, AMemoryBudgetMayHaveAUnit) {
  const auto budget = [](const char* text) { return Parse({"--model=m", "--memory-budget", text}); };
  EXPECT_EQ(Parse({"--model=m"}).options.engine.memory_budget_bytes, 0);
  EXPECT_EQ(budget("0").options.engine.memory_budget_bytes, 0);
  EXPECT_EQ(budget("4096").options.engine.memory_budget_bytes, 4096);
  EXPECT_EQ(budget("4GiB").options.engine.memory_budget_bytes, int64_t{4} << 30);
  EXPECT_EQ(budget("500 MB").options.engine.memory_budget_bytes, 500'000'000);
  for (const char* text : {"-1", "4 pounds", "1.5GiB", "2000000TiB", "99999999999EiB"}) {
    EXPECT_EQ(budget(text).code, 2) << text;
    EXPECT_THAT(budget(text).err, HasSubstr("--memory-budget")) << text;
  }
  const std::string path = testing::TempDir() + "ablated-budget.toml";
  std::ofstream(path) << "memory-budget = \"2GiB\"\n";
  EXPECT_EQ(Parse({"--model=m", "--config", path.c_str()}).options.engine.memory_budget_bytes, int64_t{2} << 30);
  const Environment set("ABLATE_MEMORY_BUDGET", "1MiB");
  EXPECT_EQ(Parse({"--model=m"}).options.engine.memory_budget_bytes, 1 << 20);
}

TEST(OptionsTest, AFlagMayStandInTheEnvironmentToo) {
  EXPECT_FALSE(Parse({"--model=m"}).options.stop_with_stdin);
  const Environment stop("ABLATE_STOP_WITH_STDIN", "true");
  EXPECT_TRUE(Parse({"--model=m"}).options.stop_with_stdin);
  EXPECT_FALSE(Parse({"--model=m", "--stop-with-stdin=false"}).options.stop_with_stdin);
}

TEST(OptionsTest, CommandLineBeatsEnvironmentBeatsFile) {
  const std::string path = testing::TempDir() + "ablated-test.toml";
  std::ofstream(path) << "queue-size = 1\nthreads = 1\nmax-calls = 1\n";
  const Environment queue("ABLATE_QUEUE_SIZE", "2"), threads("ABLATE_THREADS", "2"), model("ABLATE_MODEL", "m");
  const Parsed parsed = Parse({"--config", path.c_str(), "--threads", "3"});
  ASSERT_FALSE(parsed.code.has_value()) << parsed.err;
  EXPECT_EQ(parsed.options.server.max_calls, 1);
  EXPECT_EQ(parsed.options.server.queue_size, 2);
  EXPECT_EQ(parsed.options.engine.threads, 3);
  EXPECT_EQ(parsed.options.engine.model_dir, "m");
}

TEST(OptionsTest, BadOptionsAreNamed) {
  const std::string path = testing::TempDir() + "ablated-bad.toml";
  std::ofstream(path) << "thraeds = 1\n";
  const std::string config = "--config=" + path;
  struct Case {
    std::vector<const char*> arguments;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{
           {{}, "--model is required"},
           {{"--model=m", "--thread=1"}, "--thread"},
           {{"--model=m", "--threads=many"}, "--threads"},
           {{"--model=m", "--threads=-1"}, "--threads"},
           {{"--model=m", "--queue-size=0"}, "--queue-size"},
           {{"--model=m", "--device=gpu"}, "got `gpu`, expected auto, cpu or cuda:N"},
           {{"--model=m", "--precision=bfloat8"}, "--precision"},
           {{"--model=m", "--listen=localhost"}, "got `localhost`, expected HOST:PORT"},
           {{"--model=m", "--listen=localhost:65536"}, "0 .. 65535"},
           {{"--model=m", "--listen=unix:"}, "unix: needs a path"},
           {{"--model=m", "--drain-timeout=-1"}, "--drain-timeout"},
           {{"--model=m", "--tls-cert=c"}, "--tls-cert: TLS needs both --tls-cert and --tls-key"},
           {{"--model=m", "--tls-key=k"}, "--tls-key: TLS needs both --tls-cert and --tls-key"},
           {{"--model=m", "--tls-client-ca=ca"}, "--tls-client-ca: mutual TLS needs --tls-cert and --tls-key too"},
           {{"--model=m", "--listen=0.0.0.0:1"}, "give --tls-cert and --tls-key, listen on 127.0.0.1"},
           {{"--model=m", "--listen=0.0.0.0:1", "--insecure=false"}, "or say --insecure"},
           {{"--model=m", "--config=/no/such/file"}, "/no/such/file"},
           {{"--model=m", config.c_str()}, "thraeds"},
       }) {
    const Parsed parsed = Parse(c.arguments);
    EXPECT_EQ(parsed.code, 2) << c.message;
    EXPECT_THAT(parsed.err, HasSubstr(c.message));
    EXPECT_EQ(std::count(parsed.err.begin(), parsed.err.end(), '\n'), 1) << parsed.err;
  }
}

TEST(OptionsTest, HelpAndVersion) {
  const Parsed help = Parse({"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* text :
       {"--max-request-cost", "ABLATE_DRAIN_TIMEOUT", "127.0.0.1:50051", "float32", "half of what is free"}) {
    EXPECT_THAT(help.out, HasSubstr(text));
  }
  const Parsed version = Parse({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.out, HasSubstr("ablated "));
}

TEST(OptionsTest, PublicAddresses) {
  for (const char* listen : {"127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/x", "127.1.2.3:0"}) {
    EXPECT_FALSE(IsPublic(listen)) << listen;
  }
  for (const char* listen : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.org:1", "127.example.org:1",
                             "localhost.example.org:1", "127.1:1", "ipv4:0.0.0.0:1", "unixes:1"}) {
    EXPECT_TRUE(IsPublic(listen)) << listen;
  }
}

TEST(OptionsTest, PublicAddressesNeedTlsOrAWord) {
  EXPECT_FALSE(Parse({"--model=m", "--listen=0.0.0.0:1", "--insecure"}).code.has_value());
  const Parsed tls = Parse({"--model=m", "--listen=0.0.0.0:1", "--tls-cert=c", "--tls-key=k", "--tls-client-ca=ca"});
  ASSERT_FALSE(tls.code.has_value()) << tls.err;
  EXPECT_TRUE(tls.options.server.tls.enabled());
  EXPECT_EQ(tls.options.server.tls.certificate, "c");
  EXPECT_EQ(tls.options.server.tls.key, "k");
  EXPECT_EQ(tls.options.server.tls.client_ca, "ca");
  const Environment insecure("ABLATE_INSECURE", "true");
  EXPECT_FALSE(Parse({"--model=m", "--listen=0.0.0.0:1"}).code.has_value());
}

}  // namespace
}  // namespace ablate
