# shellcheck shell=bash
# The project's own Python environment, `.venv`.

# modern_python: prints the path of a real interpreter (never a version manager's shim), 3.11 or later.
# The distribution's comes first: it starts fastest and is there for every user.
modern_python() {
  local candidate
  for candidate in /usr/bin/python3 /usr/bin/python3.{14,13,12,11} python3 python3.{14,13,12,11}; do
    "$candidate" -I -c 'import sys; sys.version_info < (3, 11) and sys.exit(1); print(sys.executable)' \
      2>/dev/null && return
  done
  return 1
}

# environment_ready [EXTRA]: is `.venv` what the project's files ask for now?
environment_ready() {
  local stamp
  [[ -x .venv/bin/python ]] || return 1
  for stamp in ".venv/.installed-${1:-}" .venv/.installed-dev; do
    [[ $(cat "$stamp" 2>/dev/null) == "$(environment_inputs)" ]] && return
  done
  return 1
}

# The checkout's path is an input: an editable installation points to it.
environment_inputs() {
  { pwd -P && cat pyproject.toml scripts/executor; } | inputs_hash
}

# make_environment [EXTRA]: makes `.venv` where there is none that works, and installs the project in it.
make_environment() {
  local extra=${1:-}
  .venv/bin/python -c '' 2>/dev/null || create_environment
  .venv/bin/python -m pip install -q --disable-pip-version-check -e ".${extra:+[$extra]}"
  environment_inputs >".venv/.installed-$extra"
}

create_environment() {
  local python
  modern_python >/dev/null || install_python
  python=$(modern_python)
  "$python" -I -c 'import ensurepip' 2>/dev/null || install_venv_module "$python"
  rm -rf .venv
  "$python" -m venv .venv
}

# Ubuntu 22.04's python3 is 3.10, but its own archive has python3.11 as well.
install_python() {
  install_packages python3 python3-venv
  modern_python >/dev/null || install_packages python3.11 python3.11-venv
}

install_venv_module() {
  install_packages "$("$1" -I -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
}
