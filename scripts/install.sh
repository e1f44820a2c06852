#!/usr/bin/env bash
# Makes a fresh Ubuntu 22.04/24.04 or Debian 12 machine ready for `executor register`:
#   scripts/install.sh [--dry-run] [executor install OPTION…]
# What is there already is used as it is. Nothing else of this project needs this script.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/set-up.sh
source scripts/lib/set-up.sh
# shellcheck source=scripts/lib/repositories.sh
source scripts/lib/repositories.sh

main() {
  [[ ${1:-} != --help ]] || usage
  if [[ ${1:-} == --dry-run ]]; then
    shift
    only_show
  fi
  distribution_supported || fail "this is $(distribution_fact PRETTY_NAME): made for Ubuntu 22.04, 24.04, Debian 12."
  ask_for_root
  echo "Set-up"
  need "git, certificates, curl, gpg" packages_present install_packages git ca-certificates curl gpg
  provide_engine
  provide_runner
  need "Python environment .venv" environment_ready make_environment
  build_helper_image
  install_driver "$@"
  examine
}

usage() {
  sed -n '2,/^set /{s/^# \{0,1\}//p}' scripts/install.sh
  exit 0
}

# With --dry-run: steps are named, and no password is asked for.
only_show() {
  dry_run=yes
  step() { printf '  %-50s would be done\n' "$1"; }
  ask_for_root() { :; }
  engine_runs() { engine_answers; }
}

# Docker's own packages; the distribution's where those cannot be had.
provide_engine() {
  if engine_installed; then
    already "Docker Engine"
  elif reachable "$(docker_key)"; then
    step "Docker Engine, from download.docker.com" install_docker_packages
  else
    echo "  download.docker.com cannot be reached: the distribution's own docker.io is taken."
    step "Docker Engine, docker.io" install_engine
  fi
  need "Docker daemon" engine_runs start_engine
}

provide_runner() {
  if commands_present gitlab-runner; then
    already "gitlab-runner"
  elif reachable "$runner_key"; then
    step "gitlab-runner, from packages.gitlab.com" install_runner_package
  else
    echo "  packages.gitlab.com cannot be reached: install gitlab-runner 17.9 or later by hand, from"
    echo "  https://docs.gitlab.com/runner/install, before you register."
  fi
}

# By root: whoever calls this need not be in the group docker, for the service that runs jobs is root's.
build_helper_image() {
  if [[ -n $dry_run ]]; then
    step "helper image"
  else
    as_root scripts/images helper
  fi
}

install_driver() {
  echo "Driver"
  if [[ -n $dry_run && ! -x .venv/bin/executor ]]; then
    step "executor install $*"
    return
  fi
  as_installer .venv/bin/executor install ${dry_run:+--dry-run} "$@"
}

# A look needs no rights.
as_installer() {
  if [[ -n $dry_run ]]; then
    "$@"
  else
    as_root "$@"
  fi
}

# Before there is a runner, only the host can be judged.
examine() {
  [[ -z $dry_run ]] || return 0
  echo "Host"
  if as_root grep -qs '^ *\[\[runners\]\]' /etc/gitlab-runner/config.toml; then
    as_root .venv/bin/executor doctor
  else
    as_root .venv/bin/executor doctor docker host
  fi
}

dry_run=
main "$@"
