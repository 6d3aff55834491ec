#!/usr/bin/env bash
# Makes .venv-peers, with tools/peers/python.txt beside what .venv has (torch, transformers). Does nothing, quickly, where it
# is there. `./run setup` comes first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

venv=$PWD/.venv-peers
stamp=$venv/.ablate-setup
# Two tests may want it at the same time.
exec 9>"$venv.lock"
flock 9
wanted=$(cat tools/peers/python.txt tools/deps/python.txt | sha256sum | cut -d" " -f1)
[ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || exit 0

[ -d .venv/site-packages ] || { echo "tools/peers/setup.sh: .venv is missing, run ./run setup first" >&2; exit 1; }
/usr/bin/python3 -m venv --clear "$venv"
# Its own packages come first on the path, so those of the same name here are the peers'.
for packages in "$venv"/lib/python3*/site-packages; do
  realpath .venv/site-packages >"$packages/ablate.pth"
done
"$venv/bin/python" -m pip install --disable-pip-version-check --quiet --retries 5 --timeout 120 --no-deps \
  -r tools/peers/python.txt
echo "$wanted" >"$stamp"
