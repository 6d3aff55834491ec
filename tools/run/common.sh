# Shared by the commands of ./run.

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
  local cores memory_bytes limit by_memory
  cores=$(nproc)
  memory_bytes=$(awk '/^MemAvailable:/ {print $2 * 1024}' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  [ "$limit" = max ] || [ "$limit" -ge "$memory_bytes" ] || memory_bytes=$limit
  by_memory=$((memory_bytes / (3 << 30)))
  [ "$by_memory" -ge 1 ] || by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}
