# Formatters in check mode, and clang-tidy over our sources.
. tools/run/build.sh

run_lint() {
  case "${1:-}" in -h | --help) echo "usage: ./run lint [--fix]    clang-format, clang-tidy, ruff"; return ;; esac
  run_build
  local failed=0 list sources
  list=$(git ls-files '*.cc' '*.h' '*.cu' '*.cuh') && [ -n "$list" ] || fail "git lists no sources here"
  mapfile -t sources <<<"$list"
  if [ "${1:-}" = --fix ]; then
    "$venv/bin/clang-format" -i "${sources[@]}"
    "$venv/bin/ruff" check --fix . && "$venv/bin/ruff" format .
    return
  fi
  say "clang-format"
  "$venv/bin/clang-format" --dry-run -Werror "${sources[@]}" || failed=1
  say "ruff"
  "$venv/bin/ruff" check . || failed=1
  "$venv/bin/ruff" format --check . || failed=1
  say "clang-tidy"
  "$venv/bin/python" tools/clang_tidy.py --build-dir "$build_dir" || failed=1
  [ $failed = 0 ] && say "lint is clean"
  return $failed
}
