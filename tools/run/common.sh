# Shared by the commands of ./run.
# shellcheck disable=SC2034  # they read what is set here

root=$PWD
venv=$root/.venv
preset=release
build_dir=$root/build/$preset
bin=$build_dir/bin

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
fail() {
  printf 'run: %s\n' "$1" >&2
  exit "${2:-1}"
}

# Compile jobs: one a core, but no more than one for each 3 GiB of memory (a torch translation unit takes 2).
compile_jobs() {
  local cores memory_kib limit by_memory
  cores=$(nproc)
  # mawk prints large products as 2e+10, so it only picks the number.
  memory_kib=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  [ "$limit" = max ] || [ $((limit / 1024)) -ge "$memory_kib" ] || memory_kib=$((limit / 1024))
  by_memory=$((memory_kib / (3 << 20)))
  [ "$by_memory" -ge 1 ] || by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}
