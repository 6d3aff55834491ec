# Starts the server in the foreground; the bundled model where nothing else names one.
. tools/run/build.sh

run_serve() {
  case " $* " in
    *" -h "* | *" --help "*)
      # Nobody waits ten minutes for a help text.
      [ ! -x "$bin/ablated" ] || exec "$bin/ablated" --help
      echo "usage: ./run serve [OPTIONS of ablated]    './run build ablated' first, then --help lists them"
      return
      ;;
  esac
  run_build ablated
  # In the environment, so that --model wins; a configuration file would not, so it is left alone.
  case " $* " in
    *" --config"*) ;;
    *) [ -n "${ABLATE_CONFIG:-}" ] || export ABLATE_MODEL="${ABLATE_MODEL:-models/demo}" ;;
  esac
  exec "$bin/ablated" "$@"
}
