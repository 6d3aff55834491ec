# Kills a server with running jobs, again and again; tools/soak does the work.
. tools/run/build.sh

run_soak() {
  case " $* " in
    *" -h "* | *" --help "*)
      [ -x "$venv/bin/python" ] || { echo "usage: ./run soak --kill [N] [--seed S]    './run setup' first, then --help lists more"; return; }
      PYTHONPATH=client/python/src exec "$venv/bin/python" -m tools.soak --help
      ;;
  esac
  run_build ablated
  PYTHONPATH=client/python/src "$venv/bin/python" -m tools.soak --build "$build_dir" "$@"
}
