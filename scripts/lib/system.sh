# shellcheck shell=bash
# Packages of the distribution, from wherever this machine's apt is configured to get them.

as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    sudo "$@"
  fi
}

# ask_for_root: gets the password, if sudo wants one, before steps hide what is printed.
ask_for_root() {
  ((EUID == 0)) || sudo -v || fail "root or sudo is needed to install packages and start the engine."
}

# install_packages PACKAGE…: installs them; fresh package lists only where the ones at hand are too old to serve.
install_packages() {
  command -v apt-get >/dev/null || fail "there is no apt-get here: install $* by hand, then run this again."
  lists_present && apt_get install "$@" && return
  as_root apt-get update -q
  apt_get install "$@"
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get -qy -o DPkg::Lock::Timeout=300 --no-install-recommends "$@"
}

lists_present() {
  compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null
}

# packages_present PACKAGE…
packages_present() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || return 1
  done
}

# commands_present COMMAND…
commands_present() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || return 1
  done
}
