#include "server/logging.h"

#include "grpc/support/log.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

// gRPC logs as errors what its caller is told anyway, e.g. a port in use.
void LogFromGrpc(gpr_log_func_args* args) {
  spdlog::debug("grpc: {} ({}:{})", args->message, args->file, args->line);
}

}  // namespace

void InitLogging(const std::string& level) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("ablated"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  spdlog::set_level(spdlog::level::from_str(level));
  gpr_set_log_function(LogFromGrpc);
}

}  // namespace ablate
