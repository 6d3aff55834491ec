# The benchmark beside Hugging Face's hooks (bench/).
. tools/run/build.sh

run_bench() {
  case " $* " in
    *" -h "* | *" --help "*)
      [ -x "$venv/bin/python" ] || { echo "usage: ./run bench [OPTIONS]    './run setup' first, then --help lists them"; return; }
      PYTHONPATH=tools/bundle exec "$venv/bin/python" -m bench --help
      ;;
  esac
  run_build engine_probe host_path service_load ablate ablated
  ABLATE_BUILD_DIR=$build_dir PYTHONPATH=tools/bundle "$venv/bin/python" -m bench "$@"
}
