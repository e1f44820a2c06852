# shellcheck shell=bash
# Images made here. A label holds a hash of all that went into an image, so that it is made again only when that changed.

# shellcheck source=scripts/lib/base-image.sh
source scripts/lib/base-image.sh

inputs_label=virida-executor.inputs

# image_ready NAME CONTEXT [BUILD OPTION…]: is the image what its inputs would make of it now?
image_ready() {
  local made_of
  made_of=$(docker image inspect -f "{{index .Config.Labels \"$inputs_label\"}}" "$1" 2>/dev/null) || return 1
  [[ $made_of == "$(image_inputs "$@")" ]]
}

# build_image NAME CONTEXT [BUILD OPTION…]: builds it over the base image.
build_image() {
  local name=$1 context=$2 staged
  staged=$(mktemp -d)
  cp -R "$context/." "$staged"
  copy_certificates "$staged/certificates"
  docker_build --build-arg "BASE=$base_image" --label "$inputs_label=$(image_inputs "$@")" \
    --tag "$name" "${@:3}" "$staged"
  rm -rf "$staged"
}

# The machine's own certificate authorities, for images whose jobs reach registries through the same network.
copy_certificates() {
  mkdir -p "$1"
  find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$1" \; 2>/dev/null || true
}

# BuildKit where the command has it, else the classic builder: distributions leave the plug-in out.
docker_build() {
  local variable options=()
  for variable in http_proxy https_proxy no_proxy; do
    [[ -z ${!variable:-} ]] || options+=(--build-arg "$variable")
  done
  if docker buildx version >/dev/null 2>&1; then
    docker build "${options[@]}" "$@"
  else
    DOCKER_BUILDKIT=0 docker build "${options[@]}" "$@"
  fi
}

image_inputs() {
  {
    printf '%s\n' "$@"
    docker image inspect -f '{{.Id}}' "$base_image"
    find "$2" /usr/local/share/ca-certificates -type f -print0 2>/dev/null | sort -z | xargs -0r sha256sum
  } | inputs_hash
}
