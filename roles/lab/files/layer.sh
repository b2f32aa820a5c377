#!/usr/bin/env bash
# Make a layer on the node image: what stands in FOLDER, by its Dockerfile, which begins with ARG BASE.
#
#   layer.sh IMAGE:TAG BASE FOLDER
set -euo pipefail

image=$1 base=$2 folder=$3

# Two labs that come up at once need it only once.
exec 9< "$folder/Dockerfile"
flock 9
if docker image inspect "$image" > /dev/null 2>&1; then exit 0; fi

work=$(mktemp -d "${TMPDIR:-/tmp}/faultline-layer.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$folder"/* "$work/"

# pip in the layer uses the index and the certificates that pip here uses
options=()
if grep -q '^COPY certificates.crt' "$folder/Dockerfile"; then
    : > "$work/certificates.crt"
    for file in "${PIP_CERT:-}" "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
        if [ -s "$file" ]; then
            cp "$file" "$work/certificates.crt"
            break
        fi
    done
    for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL; do
        if [ -n "${!name:-}" ]; then options+=(--build-arg "$name=${!name}"); fi
    done
fi
docker build --quiet --network=host "${options[@]}" --build-arg BASE="$base" --tag "$image" "$work"
