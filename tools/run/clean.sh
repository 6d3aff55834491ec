# Removes what was built. .venv, which takes minutes to download, stays.
. tools/run/common.sh

run_clean() {
  case "${1:-}" in
    '') rm -rf "$root/build" ;;
    -h | --help) echo "usage: ./run clean    removes build/; .venv stays (rm -rf .venv removes that)" ;;
    *) fail "clean: unknown argument '$1' (./run clean --help)" 2 ;;
  esac
}
