# shellcheck shell=bash
# The image that all others stand on: pulled where a registry can be reached, else made of the distribution's packages.

base_image=debian:12
base_release=bookworm

base_image_ready() {
  docker image inspect "$base_image" >/dev/null 2>&1
}

make_base_image() {
  pull_base_image || bootstrap_base_image
}

# A network that drops packets would keep the engine trying for minutes.
pull_base_image() {
  timeout 20 docker pull -q "$base_image-slim" && docker tag "$base_image-slim" "$base_image"
}

# On the disk of /var/tmp: /tmp may be mounted without device files, which debootstrap makes.
bootstrap_base_image() {
  local root
  packages_present debootstrap debian-archive-keyring || install_packages debootstrap debian-archive-keyring
  root=$(mktemp -d -p /var/tmp)
  as_root debootstrap --variant=minbase "$base_release" "$root" "$(debian_mirror)"
  as_root tar -C "$root" --exclude './var/cache/apt/*' --exclude './var/lib/apt/lists/*' --exclude './var/log/*' \
    --exclude './usr/share/doc/*' --exclude './usr/share/man/*' --exclude './usr/share/locale/*' -c . |
    docker import --change 'CMD ["bash"]' - "$base_image"
  as_root rm -rf --one-file-system "$root"
}

# The mirror that this machine's apt uses for the release, if any; an empty word is debootstrap's own choice.
debian_mirror() {
  # shellcheck disable=SC2016  # apt's own variables
  apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -v release="$base_release" '$1 == release { print $2; exit }'
}
