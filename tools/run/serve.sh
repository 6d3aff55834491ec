# Starts the server in the foreground; the bundled model where nothing else names one.
. tools/run/build.sh

run_serve() {
  run_build ablated
  # In the environment, so that --model wins; a configuration file would not, so it is left alone.
  case " $* " in
    *" --config"*) ;;
    *) [ -n "${ABLATE_CONFIG:-}" ] || export ABLATE_MODEL="${ABLATE_MODEL:-models/demo}" ;;
  esac
  exec "$bin/ablated" "$@"
}
