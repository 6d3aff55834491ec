// ablated: the service's program.
#include "engine/engine.h"
#include "server/program.h"

int main(int argc, char** argv) {
  return ablate::RunProgram(argc, argv, ablate::Engine::Load);
}
