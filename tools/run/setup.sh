# Installs what building and testing need: Debian packages, then .venv. Does nothing, quickly, where all is there.

setup_stamp=$root/.venv/.ablate-setup

apt_missing() {
  local package
  grep -v '^#' tools/deps/apt.txt | while read -r package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

# What .venv should hold, as one line: the pins and the interpreter.
setup_wanted() { { cat tools/deps/python.txt; /usr/bin/python3 --version 2>/dev/null || true; } | sha256sum | cut -d" " -f1; }

announce() {
  local missing=$1 venv_missing=$2
  say "Setting up (once)"
  [ -z "$missing" ] || note "apt installs: $(echo $missing)"
  [ -z "$missing" ] || note "              about 150 MB to download"
  [ -z "$venv_missing" ] || note "pip fetches into .venv: PyTorch 2.11 with its CUDA 13.0 libraries, the CUDA compiler, test tools:"
  [ -z "$venv_missing" ] || note "              about 3 GB to download, 5 GB on disk (see tools/deps/python.txt)"
  note "About 3 minutes on a fast network, and about 6 more to build on 2 cores."
}

install_apt() {
  local missing=$1 sudo=
  command -v apt-get >/dev/null || fail "this needs Debian 12's packages ($(echo $missing)) and there is no apt-get"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "apt packages are missing ($(echo $missing)): run as root once, or install sudo"
    sudo=sudo
  fi
  say "Installing Debian packages"
  $sudo env DEBIAN_FRONTEND=noninteractive sh -c "
    apt-get update -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 &&
    apt-get install -y -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 --no-install-recommends $(echo $missing)" >"$setup_log" 2>&1 ||
    { tail -n 20 "$setup_log" >&2; fail "apt-get failed (whole output: $setup_log); run the command again to resume"; }
}

install_venv() {
  local wanted=$1
  # A venv without pip is one whose making was interrupted, or that has been moved.
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 || /usr/bin/python3 -m venv --clear "$venv" ||
    fail "python3 -m venv failed: is python3-venv installed?"
  say "Installing Python packages into .venv"
  # Progress only for people; finished downloads stay in pip's cache, so a broken run resumes.
  local progress=off
  [ -t 2 ] && progress=on
  "$venv/bin/python" -m pip install --disable-pip-version-check --retries 5 --timeout 120 --progress-bar "$progress" \
    $([ "$progress" = on ] || echo --quiet) -r tools/deps/python.txt >&2 ||
    fail "pip failed: check the network (or PIP_INDEX_URL) and run the command again, it resumes"
  link_cuda
  echo "$wanted" >"$setup_stamp"
}

# The wheels bring libraries under versioned names only, and no lib64: what CMake and nvcc look for is linked here.
link_cuda() {
  local cuda=$venv/lib/python3.11/site-packages/nvidia/cu13 name file
  for name in cudart cublas cublasLt nvrtc; do
    file=$(cd "$cuda/lib" && ls "lib$name.so".* | head -n 1)
    ln -sfn "$file" "$cuda/lib/lib$name.so"
  done
  ln -sfn lib "$cuda/lib64"
}

run_setup() {
  local missing wanted venv_missing=
  case "${1:-}" in -h | --help) echo "usage: ./run setup    installs what building and testing need"; return ;; esac
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || fail "Ablate builds on x86-64 Linux (Debian 12), this is $(uname -s) $(uname -m)"
  missing=$(apt_missing)
  wanted=$(setup_wanted)
  [ "$(cat "$setup_stamp" 2>/dev/null)" = "$wanted" ] || venv_missing=yes
  [ -n "$missing$venv_missing" ] || return 0
  mkdir -p build
  setup_log=$root/build/setup.log
  announce "$missing" "$venv_missing"
  [ -z "$missing" ] || install_apt "$missing"
  # The wheels and the presets are for Debian 12's Python.
  [ "$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = 3.11 ] ||
    fail "this needs Debian 12 (Python 3.11), /usr/bin/python3 is $(/usr/bin/python3 --version 2>&1)"
  wanted=$(setup_wanted)  # apt may just have brought python3
  [ "$(cat "$setup_stamp" 2>/dev/null)" = "$wanted" ] || install_venv "$wanted"
}
