# The benchmark beside Hugging Face's hooks (bench/heads.py).
. tools/run/build.sh

run_bench() {
  run_build engine_probe
  ABLATE_BUILD_DIR=$build_dir "$venv/bin/python" bench/heads.py "$@"
}
