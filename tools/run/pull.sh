# Fetches a checkpoint from the Hugging Face hub; tools/pull_model.py does the work.
. tools/run/setup.sh

run_pull() {
  [ $# -gt 0 ] || fail "pull needs a name: ./run pull gpt2" 2
  case " $* " in
    *" -h "* | *" --help "*)
      echo "usage: ./run pull NAME [--models-dir DIR]    NAMEs: $(awk '!/^#/ {print $1}' tools/deps/models.txt | sort -u | xargs)"
      echo "HF_ENDPOINT names a mirror of the hub. Exit code 3: the network failed."
      return
      ;;
  esac
  run_setup
  exec "$venv/bin/python" tools/pull_model.py "$@"
}
