# shellcheck shell=bash
# What both commands need of a machine.

# shellcheck source=scripts/lib/steps.sh
source scripts/lib/steps.sh
# shellcheck source=scripts/lib/system.sh
source scripts/lib/system.sh
# shellcheck source=scripts/lib/python.sh
source scripts/lib/python.sh
# shellcheck source=scripts/lib/engine.sh
source scripts/lib/engine.sh

# set_up_engine SCRIPT [ARGUMENT…]: leaves an engine that this user reaches; may start SCRIPT again to get there.
set_up_engine() {
  ask_for_root
  need "git, certificates" packages_present install_packages git ca-certificates
  need "Docker Engine" engine_installed install_engine
  need "Docker daemon" engine_runs start_engine
  enter_docker_group "$@"
}
