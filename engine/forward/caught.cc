#include "engine/forward/caught.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>

namespace ablate {

absl::Status CaughtStatus() {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(error.what_without_backtrace());
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    // The CPU's allocator has no error type of its own.
    const bool is_memory = what.find("can't allocate memory") != std::string::npos;
    return is_memory ? absl::ResourceExhaustedError(what) : absl::InternalError(what);
  } catch (const std::bad_alloc& error) {
    return absl::ResourceExhaustedError(error.what());
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  } catch (...) {
    return absl::InternalError("an exception of no known type");
  }
}

}  // namespace ablate
