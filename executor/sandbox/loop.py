"""The shell programs that live in the containers: the stage loop, and what ends a stage from outside.

The loop is the container's command, behind the image's entrypoint. It needs a POSIX shell and `/proc`, no other
program. Files of the control folder, read-only for the container (FIFOs can be written all the same):

    go          FIFO, host to loop: the id of a stage whose script is ready
    status      FIFO, loop to host: `ready PID BASELINE` once, then `ID EXIT_CODE` after each stage. BASELINE are the
                processes older than the loop, after the word `shared` where there may be others' among them
    ID.script   the stage's script; a stage whose script is gone does not run
    ID.out      FIFO: standard output of the stage
    ID.err      FIFO: standard error of the stage
    ID.ending   the stage is being ended: what its shell leaves behind has its time, and is killed by who ends it
"""

from __future__ import annotations

from executor.plan.model import CONTROL

SHELLS = (
    "/usr/local/bin/bash",
    "/usr/bin/bash",
    "/bin/bash",
    "/usr/local/bin/sh",
    "/usr/bin/sh",
    "/bin/sh",
    "/busybox/sh",
)

# Every process that a stage left behind, found by walking up from each process that was not there when the loop
# began: those below the image's own entrypoint are spared, and so is what came from outside (parent 0: `docker exec`).
# Where processes are shared with others, an orphan of the first process may be anybody's and is spared too.
# Each is signalled once, in passes until one finds nobody new: a shell that was about to start a command when it was
# signalled waits for that command. `sweep SIGNAL SPARED LOOP_PID`, no process is started.
SWEEP = """
parent() { read -r stat < "/proc/$1/stat" && stat=${stat##*) } && stat=${stat#* } && up=${stat%% *}; }
theirs() {
  at=$1
  while parent "$at"; do
    [ "$up" = 0 ] && return 1
    [ "$up" = "$loop" ] && return 0
    case $spared in *" shared "*) ;; *) [ "$up" = 1 ] && return 0 ;; esac
    case $spared in *" $up "*) return 1 ;; esac
    at=$up
  done
  return 1
}
sweep() {
  signal=$1 spared=$2 loop=$3 hit=' ' found=yes pass=0
  while [ "$found" ] && [ $((pass += 1)) -lt 20 ]; do
    found=
    for process in /proc/[0-9]*; do
      process=${process#/proc/}
      case $spared$hit in *" $process "*) continue ;; esac
      theirs "$process" && kill -"$signal" "$process" && found=yes hit="$hit$process "
    done
  done 2>/dev/null
}
"""

# Stages run in the foreground: a background command of a shell would ignore SIGINT for good. A container that shares
# another's processes (`pid_mode`) is never swept.
# Lines begin with a new line, both ways: a script may have written half of one, or the name of a file of its own.
# The brackets keep the stage's FIFOs out of the loop's own hands: a shell such as dash redirects itself for the time of
# a command, and its word on a killed one would end it where the driver, and so the FIFO's reader, is gone.
LOOP = (
    SWEEP
    + f"""
control={CONTROL} new_line='
'
exec 8<>$control/go 9<>$control/status
for shell in {" ".join(SHELLS)}; do [ -x "$shell" ] && break; done
baseline=" ${{shared_processes:+shared }}"
for process in /proc/[0-9]*; do baseline="$baseline${{process#/proc/}} "; done
echo "$new_line""ready $$ $baseline" >&9
while read -r id <&8; do
  case $id in '' | *[!0-9-]*) continue ;; esac
  (exec "$shell" < "$control/$id.script" > "$control/$id.out" 2> "$control/$id.err" 8<&- 9>&-)
  code=$?
  [ "$shared_processes" ] || [ -e "$control/$id.ending" ] || sweep KILL "$baseline" $$
  echo "$new_line$id $code" >&9
done
"""
)


def signal_command(signal: str, loop_pid: str, baseline: str) -> list[str]:
    """The command that sends `signal` to every process of the running stage, from a process beside the loop."""
    return ["sh", "-c", f'{SWEEP}\nsweep "$1" "$2$$ $3 " "$3"', "sh", signal, baseline, loop_pid]


def loop_command(*, umask: str = "", shared_processes: bool = False) -> str:
    """The text of the loop: under `umask` (octal) where one is given, without sweeping where processes are shared."""
    head = f"umask {umask}\n" if umask else ""
    return f"{head}shared_processes={'1' if shared_processes else ''}\n{LOOP}"
