# The newcomer's command: server, reference experiment, picture.
. tools/run/build.sh

demo_stop() {
  [ -z "${demo_server:-}" ] || { kill "$demo_server" 2>/dev/null && wait "$demo_server" 2>/dev/null; } || true
  [ -z "${demo_dir:-}" ] || rm -rf "$demo_dir"
}

run_demo() {
  local model=demo device=auto
  while [ $# -gt 0 ]; do
    case "$1" in
      --model) [ $# -ge 2 ] || fail "--model needs a name: demo or gpt2" 2; model=$2; shift 2 ;;
      --device) [ $# -ge 2 ] || fail "--device needs a value: auto, cpu or cuda:N" 2; device=$2; shift 2 ;;
      -h | --help) echo "usage: ./run demo [--model demo|gpt2|DIR] [--device auto|cpu|cuda:N]"; return ;;
      *) fail "demo: unknown option '$1' (./run demo --help)" 2 ;;
    esac
  done
  local model_dir=models/$model
  [ -d "$model_dir" ] || model_dir=$model
  [ -e "$model_dir/config.json" ] || fail "no model in $model_dir: './run pull gpt2' fetches OpenAI's GPT-2 Small" 2
  run_build ablate ablated

  demo_dir=$(mktemp -d)
  trap demo_stop EXIT
  say "Starting ablated with $model_dir"
  "$bin/ablated" --model "$model_dir" --device "$device" --listen 127.0.0.1:0 --port-file "$demo_dir/port" \
    2>"$demo_dir/log" &
  demo_server=$!
  local waited=0
  until [ -s "$demo_dir/port" ]; do
    kill -0 "$demo_server" 2>/dev/null || { cat "$demo_dir/log" >&2; fail "ablated did not start"; }
    [ $((waited += 1)) -lt 1200 ] || { cat "$demo_dir/log" >&2; fail "ablated was not ready after 2 minutes"; }
    sleep 0.1
  done
  local server
  server=127.0.0.1:$(cat "$demo_dir/port")
  "$bin/ablate" health --server "$server" --wait 120s --quiet || { cat "$demo_dir/log" >&2; fail "ablated is not ready"; }
  say "ablate scan --prompt 'Berlin is the capital of' --target ' Germany' --contrast ' France'"
  "$bin/ablate" scan --server "$server" --prompt 'Berlin is the capital of' --target ' Germany' --contrast ' France' \
    --focus-layer 5
  if [ "$model_dir" = models/demo ]; then
    cat <<'TEXT'

This is the bundled teaching model (models/demo/README.md), trained by this project; it is not OpenAI's GPT-2.
For that one:  ./run pull gpt2 && ./run demo --model gpt2
TEXT
  fi
  printf 'Your own:  ./run serve   and   build/release/bin/ablate scan --help\n'
}
