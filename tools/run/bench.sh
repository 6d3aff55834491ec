# The benchmark beside Hugging Face's hooks (bench/).
. tools/run/build.sh

run_bench() {
  case " $* " in
    *" -h "* | *" --help "*)
      [ -x "$venv/bin/python" ] || { echo "usage: ./run bench [OPTIONS]    './run setup' first, then --help lists them"; return; }
      exec "$venv/bin/python" -m bench --help
      ;;
  esac
  run_build engine_probe service_load ablate ablated
  ABLATE_BUILD_DIR=$build_dir "$venv/bin/python" -m bench "$@"
}
