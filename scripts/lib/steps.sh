# shellcheck shell=bash
# Progress: one line a step with its duration. What a step prints is kept back and shown only where it fails.

# fail MESSAGE: says why nothing further can work, and ends.
fail() {
  printf '\n%s: %s\n' "${0##*/}" "$1" >&2
  exit 1
}

# need TITLE CHECK MAKE [ARGUMENT…]: runs MAKE as a step unless CHECK says that its result is there already.
# Both get the arguments.
need() {
  local title=$1 check=$2 make=$3
  shift 3
  if "$check" "$@"; then
    already "$title"
  else
    step "$title" "$make" "$@"
  fi
}

already() {
  printf '  %-50s ready\n' "$1"
}

# step TITLE COMMAND [ARGUMENT…]: runs the command silently in a subshell.
step() {
  local title=$1 log started status
  shift
  log=$(mktemp)
  started=$(microseconds)
  printf '  %-50s ' "$title"
  # Not `if (…)`: bash ignores `set -e` in all that a condition runs.
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  status=$?
  set -e
  report_step "$started" "$status" "$log"
  rm -f "$log"
  return "$status"
}

report_step() {
  local started=$1 status=$2 log=$3 tenths
  tenths=$((($(microseconds) - started) / 100000))
  if ((status == 0)); then
    printf '%d.%d s\n' $((tenths / 10)) $((tenths % 10))
  else
    printf 'FAILED after %d s (exit code %d)\n' $((tenths / 10)) "$status"
    tail -n 200 "$log" >&2
  fi
}

microseconds() {
  printf '%s' "${EPOCHREALTIME//[.,]/}"
}

# inputs_hash: one hash of standard input.
inputs_hash() {
  sha256sum | cut -c 1-16
}
