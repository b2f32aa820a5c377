#!/usr/bin/env bash
# Make the node image: Debian packages and the files of rootfs/, straight into the Docker engine.
# No image registry takes part.
#
#   build.sh IMAGE:TAG SUITE PACKAGE,PACKAGE,... [MIRROR]
set -euo pipefail

image=$1 suite=$2 packages=$3 mirror=${4:-}
here=$(dirname "$(readlink -f "$0")")

# Two labs that come up at once need it only once.
exec 9< "$0"
flock 9
if docker image inspect "$image" > /dev/null 2>&1; then exit 0; fi

build() {
    mmdebstrap --quiet --variant=minbase --include="$packages" \
        --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --customize-hook="'$here/customize.sh' \"\$1\"" \
        "$suite" - ${mirror:+"$mirror"} |
        docker import \
            --change 'ENV container=docker' \
            --change 'CMD ["/sbin/init"]' \
            --change 'LABEL faultline.image=node' \
            -
}

# Docker imports the nothing of a failed build just as well: only a whole one gets the name.
if ! id=$(build); then
    [ -z "$id" ] || docker image rm "$id" > /dev/null
    exit 1
fi
docker tag "$id" "$image"
