# A folder that checks the GPU path on another machine; tools/bundle/make_bundle.py does the work.
. tools/run/build.sh

run_bundle() {
  case " $* " in
    *" -h "* | *" --help "*) echo "usage: ./run bundle [DIR]    default: build/bundle; then, on the other machine: DIR/bin/device-check"; return ;;
  esac
  run_build ablate ablated engine_probe kernels_gpu_test ops_test
  "$venv/bin/python" tools/bundle/make_bundle.py "$@"
}
