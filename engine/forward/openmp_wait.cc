// How long an OpenMP thread spins at a barrier before it sleeps. libgomp's default, some ten milliseconds, is for a
// machine that runs nothing else: where another process holds a core, each of the hundreds of barriers of a forward
// pass burns that long. A shorter spin bridges the gaps between the engine's own loops all the same.
//
// libgomp reads its environment in a constructor, before main. What a program's .preinit_array names runs before every
// library's constructors, so programs link this object (ablate_openmp_wait); a library cannot do it for them.
#include <cstdlib>

namespace {

void SetSpinCount(int /*argc*/, char** /*argv*/, char** /*environment*/) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("GOMP_SPINCOUNT", "1000", /*overwrite=*/0);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const kSetSpinCount)(int, char**, char**) = SetSpinCount;

}  // namespace
