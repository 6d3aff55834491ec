# Every test: CTest's (C++), then pytest's.
. tools/run/build.sh

run_test() {
  local ctest_args=() pytest_args=()
  while [ $# -gt 0 ]; do
    case "$1" in
      -h | --help)
        cat <<'TEXT'
usage: ./run test [--long] [CTEST_ARGS...] [-- PYTEST_ARGS...]

Sets up, builds, and runs every test: C++ through CTest, then Python through pytest. For some of them:
  ./run test -R plan               C++ tests whose name matches (-E leaves out); pytest still runs
  ./run test -- -k oracle          Python tests whose name matches; ctest still runs
  ./run test -R plan -- -k oracle  both
  ./run test -- -n 0 --pdb         Python tests one after the other, as a debugger wants them
  ./run test --long                also what takes longer, or fetches peers to compare with (into .venv-peers)
TEXT
        return
        ;;
      --long) pytest_args+=(--long); shift ;;
      --) shift; break ;;
      *) ctest_args+=("$1"); shift ;;
    esac
  done
  run_build
  local failed=0
  say "C++ tests"
  ctest --test-dir "$build_dir" --output-on-failure -j "$(nproc)" ${ctest_args[@]+"${ctest_args[@]}"} || failed=1
  say "Python tests"
  # The oracle's torch runs beside engines: its threads must not spin for long (engine/forward/openmp_wait.cc).
  export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000} ABLATE_BUILD_DIR=$build_dir
  # Half of their time is waiting. A file's tests share what takes long to make; a worker takes a gigabyte.
  local workers
  workers=$(nproc)
  [ "$workers" -le 4 ] || workers=4
  pytest_ran=
  run_pytest -m "not alone" -n "$workers" --dist loadfile ${pytest_args[@]+"${pytest_args[@]}"} "$@" || failed=1
  run_pytest -m alone ${pytest_args[@]+"${pytest_args[@]}"} "$@" || failed=1
  [ -n "$pytest_ran" ] || fail "no Python test is called so: ./run test -- --collect-only lists them"
  return $failed
}

# No test to run is no failure: -k may name some of the others.
run_pytest() {
  local code=0
  "$venv/bin/python" -m pytest tests "$@" || code=$?
  [ "$code" = 5 ] && return
  pytest_ran=yes
  return "$code"
}
