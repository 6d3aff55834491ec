# Two wheels: the Python client, and the server's programs for `ablate.local()`; tools/wheels/make_wheels.py does the work.
. tools/run/build.sh

run_wheel() {
  case " $* " in
    *" -h "* | *" --help "*)
      echo "usage: ./run wheel [DIR]    default: build/wheels; then: pip install --find-links DIR 'DIR/ablate-....whl[server]'"
      return
      ;;
  esac
  run_build ablate ablated
  "$venv/bin/python" tools/wheels/make_wheels.py "$@"
}
