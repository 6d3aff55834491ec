# Sets up, configures and builds the release preset.
. tools/run/setup.sh

run_build() {
  case "${1:-}" in -h | --help) echo "usage: ./run build [TARGETS...]    default: everything; output in build/release/bin"; return ;; esac
  run_setup
  export PATH=$venv/bin:$PATH
  if [ ! -e "$build_dir/build.ninja" ]; then
    say "Configuring"
    mkdir -p "$build_dir"
    cmake --preset "$preset" >"$build_dir/configure.log" 2>&1 ||
      { tail -n 30 "$build_dir/configure.log" >&2; fail "cmake failed (whole output: build/$preset/configure.log)"; }
  fi
  # Quiet where there is nothing to do.
  if ! ninja -C "$build_dir" -n "$@" 2>/dev/null | grep -q 'no work to do'; then
    say "Building (the first time about 5 minutes on 2 cores)"
    local jobs=${ABLATE_JOBS:-}
    [ -n "$jobs" ] || jobs=$(compile_jobs)
    ninja -C "$build_dir" -j "$jobs" "$@" >&2 || fail "the build failed; see above"
  fi
}
