#!/bin/sh
# Stands in the driver's place and becomes it, after it has seen to its sudden end: the file `crash` beside this script
# holds a phase (or stage) and the moment of kill -9, in seconds or as the word `container`: when the job's first
# container exists. It happens once: what the runner calls next runs undisturbed.
folder=${0%/*}
phase=$1
[ "$1" = run ] && for phase; do :; done

wait_for_moment() {
  if [ "$moment" != container ]; then
    sleep "$moment"
    return
  fi
  until [ -n "$(docker ps -aq --filter "label=com.gitlab.gitlab-runner.job.id=$CUSTOM_ENV_CI_JOB_ID")" ]; do :; done
}

: >"$folder/began/$phase"
if [ -e "$folder/crash" ] && read -r wanted moment <"$folder/crash" && [ "$wanted" = "$phase" ]; then
  rm "$folder/crash"
  (wait_for_moment; kill -9 "$$" && : >"$folder/crashed") </dev/null >/dev/null 2>&1 &
fi
exec "$folder/driver" "$@"
