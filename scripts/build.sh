# shellcheck shell=bash
# Configures and builds, for the other scripts: source scripts/build.sh; build_scry FOLDER TARGET OPTION...
# Progress goes to stderr, since stdout belongs to what the scripts run afterwards.

# As many compilers as there are cores, but each may take 1.5 GB.
build_jobs() {
  local cores memory_kb jobs
  cores=$(nproc 2>/dev/null || echo 2)
  memory_kb=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo 2>/dev/null || true)
  jobs=$((${memory_kb:-3000000} / 1500000))
  if [ "$jobs" -gt "$cores" ]; then jobs=$cores; fi
  if [ "$jobs" -lt 1 ]; then jobs=1; fi
  echo "$jobs"
}

build_scry() {
  local folder=$1 target=$2 log quiet=()
  shift 2
  mkdir -p "$folder"
  log=$folder/configure.log
  # A cache that was made elsewhere (a moved or copied tree) cannot be reused: then start afresh.
  if ! cmake -S "$SCRY_ROOT" -B "$folder" -G Ninja "$@" >"$log" 2>&1 &&
    ! cmake --fresh -S "$SCRY_ROOT" -B "$folder" -G Ninja "$@" >"$log" 2>&1; then
    cat "$log" >&2
    printf 'scry: could not configure %s, see above\n' "$folder" >&2
    return 1
  fi
  if [ ! -t 2 ]; then quiet=(--quiet); fi
  ninja -C "$folder" -j "$(build_jobs)" ${quiet[@]+"${quiet[@]}"} "$target" >&2
}
