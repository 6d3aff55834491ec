# Installs what building and testing need: Debian packages, then .venv. Does nothing, quickly, where all is there.
. tools/run/common.sh

# The wheels and the presets are for Debian 12's Python.
python_version=3.11
setup_stamp=$venv/.ablate-setup

apt_missing() {
  local package
  # shellcheck disable=SC2016  # dpkg-query expands it
  grep -v '^#' tools/deps/apt.txt | while read -r package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done | xargs
}

# What .venv should hold, as one line: the pins and the interpreter.
setup_wanted() { { cat tools/deps/python.txt; /usr/bin/python3 --version 2>/dev/null || true; } | sha256sum | cut -d" " -f1; }

announce() {
  local missing=$1 venv_missing=$2
  say "Setting up (once)"
  [ -z "$missing" ] || note "apt installs: $missing"
  [ -z "$missing" ] || note "              about 170 MB to download"
  [ -z "$venv_missing" ] || note "pip fetches into .venv: PyTorch 2.11 with its CUDA 13.0 libraries, the CUDA compiler, test tools:"
  [ -z "$venv_missing" ] || note "              about 3 GB to download, 5 GB on disk (see tools/deps/python.txt)"
  note "About 3 minutes on a fast network, and about 5 more to build on 2 cores."
}

install_apt() {
  local missing=$1 sudo=
  command -v apt-get >/dev/null || fail "this needs Debian 12's packages ($missing) and there is no apt-get"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "apt packages are missing ($missing): run as root once, or install sudo"
    sudo=sudo
  fi
  say "Installing Debian packages"
  $sudo env DEBIAN_FRONTEND=noninteractive sh -c "
    apt-get update -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 &&
    apt-get install -y -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 --no-install-recommends $missing" >"$setup_log" 2>&1 ||
    { tail -n 20 "$setup_log" >&2; fail "apt-get failed (whole output: $setup_log); run the command again to resume"; }
}

install_venv() {
  local wanted=$1
  # A venv without pip is one whose making was interrupted, or that has been moved.
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 || /usr/bin/python3 -m venv --clear "$venv" ||
    fail "python3 -m venv failed: is python3-venv installed?"
  say "Installing Python packages into .venv"
  # Progress only for people; finished downloads stay in pip's cache, so a broken run resumes.
  local progress=(--progress-bar off --quiet)
  [ -t 2 ] && progress=(--progress-bar on)
  "$venv/bin/python" -m pip install --disable-pip-version-check --retries 5 --timeout 120 "${progress[@]}" \
    -r tools/deps/python.txt >&2 ||
    fail "pip failed: check the network (or PIP_INDEX_URL) and run the command again, it resumes"
  link_site_packages
  link_cuda
  echo "$wanted" >"$setup_stamp"
}

# Other files name Python's version nowhere.
link_site_packages() { ln -sfn "lib/python$python_version/site-packages" "$venv/site-packages"; }

# The wheels bring libraries under versioned names only, and no lib64: what CMake and nvcc look for is linked here.
link_cuda() {
  local cuda=$venv/site-packages/nvidia/cu13 name files
  for name in cudart cublas cublasLt nvrtc; do
    files=("$cuda/lib/lib$name.so".*)
    ln -sfn "${files[0]##*/}" "$cuda/lib/lib$name.so"
  done
  ln -sfn lib "$cuda/lib64"
}

# The Python package's protobuf code, made anew where the contract or what makes it has changed.
generate_python_proto() {
  local made=client/python/src/ablate/_proto/__init__.py
  # The Dockerfile installs before it copies the sources.
  [ -e tools/python/generate_proto.py ] || return 0
  [ ! -e "$made" ] || [ -n "$(find proto/ablation tools/python/generate_proto.py tools/deps/python.txt -newer "$made")" ] || return 0
  "$venv/bin/python" tools/python/generate_proto.py || fail "the Python package's protobuf code could not be generated"
}

run_setup() {
  local missing wanted venv_missing=
  case "${1:-}" in -h | --help) echo "usage: ./run setup    installs what building and testing need"; return ;; esac
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || fail "Ablate builds on x86-64 Linux (Debian 12), this is $(uname -s) $(uname -m)"
  missing=$(apt_missing)
  wanted=$(setup_wanted)
  [ "$(cat "$setup_stamp" 2>/dev/null)" = "$wanted" ] || venv_missing=yes
  [ -n "$missing$venv_missing" ] || { generate_python_proto; return; }
  mkdir -p build
  setup_log=$root/build/setup.log
  announce "$missing" "$venv_missing"
  [ -z "$missing" ] || install_apt "$missing"
  [ "$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "$python_version" ] ||
    fail "this needs Debian 12 (Python $python_version), /usr/bin/python3 is $(/usr/bin/python3 --version 2>&1)"
  wanted=$(setup_wanted)  # apt may just have brought python3
  [ "$(cat "$setup_stamp" 2>/dev/null)" = "$wanted" ] || install_venv "$wanted"
  generate_python_proto
}
