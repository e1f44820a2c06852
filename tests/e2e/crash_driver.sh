#!/bin/sh
# Stands in the driver's place and becomes it, after it has seen to its sudden end: `crash` beside this script holds a
# phase (or a stage) and the seconds until kill -9. It happens once: what the runner calls next runs undisturbed.
folder=${0%/*}
phase=$1
[ "$1" = run ] && for phase; do :; done
echo "$$" >"$folder/pids/$phase.$$"
if [ -e "$folder/crash" ] && read -r wanted delay <"$folder/crash" && [ "$wanted" = "$phase" ]; then
  mv "$folder/crash" "$folder/crashed"
  (sleep "$delay"; kill -9 "$$") </dev/null >/dev/null 2>&1 &
fi
exec "$folder/driver" "$@"
