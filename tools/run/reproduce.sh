# Published experiments beside what a model shows; tools/reproduce does the work.
. tools/run/build.sh

run_reproduce() {
  case " $* " in
    *" -h "* | *" --help "*)
      [ -x "$venv/bin/python" ] || { echo "usage: ./run reproduce [--model DIR]    './run setup' first, then --help lists more"; return; }
      exec "$venv/bin/python" -m tools.reproduce --help
      ;;
  esac
  run_build ablate ablated
  HF_HUB_OFFLINE=1 "$venv/bin/python" -m tools.reproduce --build "$build_dir" "$@"
}
