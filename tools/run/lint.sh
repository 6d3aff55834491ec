# Formatters in check mode, and linters over all our sources.
. tools/run/build.sh

run_lint() {
  local failed=0 tidy=yes fix="" list sources scripts
  while [ $# -gt 0 ]; do
    case "$1" in
      -h | --help) echo "usage: ./run lint [--fix] [--no-tidy]    clang-format, ruff, mypy, shellcheck, clang-tidy"; return ;;
      --fix) fix=yes; shift ;;
      --no-tidy) tidy=; shift ;;
      *) fail "lint: unknown option '$1' (./run lint --help)" 2 ;;
    esac
  done
  run_setup
  list=$(git ls-files '*.cc' '*.h' '*.cu' '*.cuh') && [ -n "$list" ] || fail "git lists no sources here"
  mapfile -t sources <<<"$list"
  if [ -n "$fix" ]; then
    "$venv/bin/clang-format" -i "${sources[@]}"
    "$venv/bin/ruff" check --fix . && "$venv/bin/ruff" format .
    return
  fi
  say "clang-format"
  "$venv/bin/clang-format" --dry-run -Werror "${sources[@]}" || failed=1
  # Of comments too, which clang-format leaves as they are.
  say "columns"
  "$venv/bin/pre-commit" run columns --all-files || failed=1
  say "ruff"
  "$venv/bin/ruff" check . || failed=1
  "$venv/bin/ruff" format --check . || failed=1
  say "mypy"
  "$venv/bin/mypy" || failed=1
  (cd client/python && "$venv/bin/mypy") || failed=1
  say "shellcheck"
  mapfile -t scripts < <(git grep -lE '^#!.*\<(ba)?sh$' && git ls-files 'tools/run/*.sh')
  PATH=$venv/bin:$PATH shellcheck "${scripts[@]}" || failed=1
  if [ -n "$tidy" ]; then
    run_build
    say "clang-tidy"
    "$venv/bin/python" tools/clang_tidy.py --build-dir "$build_dir" || failed=1
  fi
  [ $failed = 0 ] && say "lint is clean"
  return $failed
}
