# shellcheck shell=bash
# Package repositories of Docker and GitLab, with keys that are known here by their fingerprints.

# https://docs.docker.com/engine/install and https://docs.gitlab.com/omnibus/update/package_signatures
docker_fingerprint=9DC858229FC7DD38854AE2D88D81803C0EBFCD88
runner_fingerprint=F6403F6544A38863DAA0B6E03F01618A51312F3F
runner_key=https://packages.gitlab.com/gpg.key

# docker_key: prints where this distribution's key of Docker lies.
docker_key() {
  echo "https://download.docker.com/linux/$(distribution_fact ID)/gpg"
}

# distribution_fact NAME: prints a value of /etc/os-release.
distribution_fact() {
  (
    # shellcheck source=/dev/null
    . /etc/os-release
    echo "${!1:-}"
  )
}

# distribution_supported: is this one that both repositories have packages for, and that this script was made for?
distribution_supported() {
  case "$(distribution_fact ID) $(distribution_fact VERSION_ID)" in
    'ubuntu 22.04' | 'ubuntu 24.04' | 'debian 12') ;;
    *) return 1 ;;
  esac
}

# reachable URL: can it be fetched from here?
reachable() {
  fetch "$1" >/dev/null 2>&1
}

fetch() {
  curl --fail --silent --show-error --location --proto '=https' --proto-redir '=https' --max-time 20 "$1"
}

install_docker_packages() {
  add_repository docker "$(docker_key)" "$docker_fingerprint" \
    "https://download.docker.com/linux/$(distribution_fact ID) $(distribution_fact VERSION_CODENAME) stable"
  apt_get install docker-ce docker-ce-cli containerd.io docker-buildx-plugin
}

install_runner_package() {
  add_repository gitlab-runner "$runner_key" "$runner_fingerprint" \
    "https://packages.gitlab.com/runner/gitlab-runner/$(distribution_fact ID)/ $(distribution_fact VERSION_CODENAME) main"
  apt_get install gitlab-runner
}

# add_repository NAME KEY-URL FINGERPRINT "URL SUITE COMPONENT": makes apt trust the key for this repository alone. What
# it wrote goes again where apt cannot read the repository.
add_repository() {
  local key list fetched
  key=/etc/apt/keyrings/$1.asc list=/etc/apt/sources.list.d/$1.list
  fetched=$(mktemp)
  fetch "$2" >"$fetched"
  require_fingerprint "$fetched" "$3"
  as_root install -D -m 644 "$fetched" "$key"
  rm -f "$fetched"
  echo "deb [arch=$(dpkg --print-architecture) signed-by=$key] $4" | as_root tee "$list" >/dev/null
  read_repository "$list" || {
    as_root rm -f "$key" "$list"
    return 1
  }
}

read_repository() {
  as_root apt-get update -q -o "Dir::Etc::sourcelist=$1" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 \
    -o APT::Update::Error-Mode=any
}

# require_fingerprint FILE FINGERPRINT: fails unless the file holds that primary key and no other.
require_fingerprint() {
  local found
  found=$(primary_fingerprints "$1")
  [[ $found == "$2" ]] || {
    echo "The key has the fingerprint ${found:-(none)}, expected was $2: it is not trusted."
    return 1
  }
}

primary_fingerprints() {
  local home
  home=$(mktemp -d)
  gpg --homedir "$home" --batch --quiet --show-keys --with-colons "$1" 2>/dev/null |
    awk -F: '$1 == "pub" { primary = 1 } $1 == "fpr" && primary { print $10; primary = 0 }'
  rm -rf "$home"
}
