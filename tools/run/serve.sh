# Starts the server in the foreground.
. tools/run/build.sh

run_serve() {
  run_build ablated
  case " $* " in *" --model "* | *" --model="* | *" --help "* | *" -h "*) exec "$bin/ablated" "$@" ;; esac
  exec "$bin/ablated" --model models/demo "$@"
}
