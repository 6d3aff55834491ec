# Fetches a checkpoint from the Hugging Face hub; tools/pull_model.py does the work.
. tools/run/setup.sh

run_pull() {
  [ $# -gt 0 ] || fail "pull needs a name: ./run pull gpt2" 2
  run_setup
  exec "$venv/bin/python" tools/pull_model.py "$@"
}
