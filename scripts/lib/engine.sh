# shellcheck shell=bash
# Docker Engine: used as it is where it runs, else installed and started.

daemon_log=/var/log/dockerd.log

engine_answers() {
  docker version >/dev/null 2>&1
}

# engine_runs: does an engine answer to root, if not to this user?
engine_runs() {
  engine_answers || as_root docker version >/dev/null 2>&1
}

engine_installed() {
  engine_answers || commands_present docker dockerd
}

install_engine() {
  install_packages docker.io iptables
  # Later releases of Debian have the command in a package of its own.
  commands_present docker || install_packages docker-cli
}

start_engine() {
  if [[ -d /run/systemd/system ]]; then
    as_root systemctl start docker
    wait_for_engine
  else
    start_daemon_by_hand
  fi
}

start_daemon_by_hand() {
  mount_cgroups
  choose_iptables
  launch_daemon
  wait_for_engine && return
  forget_half_made_networks
  launch_daemon
  wait_for_engine
}

# A daemon of its own session with no open pipe to whoever started this script, who may wait for the pipe's end.
launch_daemon() {
  pidof dockerd >/dev/null || as_root rm -f /run/docker.pid /run/docker/containerd/containerd.pid
  as_root sh -c "setsid dockerd >$daemon_log 2>&1 </dev/null &"
  sleep 0.2
}

# Docker 20.10 that was killed while it made or removed a network panics over that network at every start.
forget_half_made_networks() {
  grep -q 'libnetwork.*reservePools' "$daemon_log" || return 1
  as_root rm /var/lib/docker/network/files/local-kv.db
}

mount_cgroups() {
  mountpoint -q /sys/fs/cgroup && return
  install_packages cgroupfs-mount
  as_root cgroupfs-mount
}

# Kernels without nf_tables need the older of the two variants.
choose_iptables() {
  as_root iptables -t nat -L -n >/dev/null 2>&1 && return
  as_root update-alternatives --set iptables /usr/sbin/iptables-legacy
}

wait_for_engine() {
  local _
  for _ in {1..150}; do
    engine_runs && return
    pidof dockerd >/dev/null || break
    sleep 0.2
  done
  tail -n 50 "$daemon_log" 2>/dev/null || true
  echo "The engine does not answer."
  return 1
}

# enter_docker_group SCRIPT [ARGUMENT…]: starts the script again with access to the engine's socket, where this user has
# none yet. A new member of a group sees it from the next login on, or in what `sg` starts.
enter_docker_group() {
  engine_answers && return
  [[ -z ${ENTERED_DOCKER_GROUP:-} ]] || fail "the engine runs, but $(id -un) may not use it: see 'docker version'."
  as_root usermod -aG docker "$(id -un)"
  ENTERED_DOCKER_GROUP=yes exec sg docker -c "$(printf '%q ' "$@")"
}
