#!/usr/bin/env bash
# Start Docker's daemon by hand, where there is no init, and wait until it answers: engine.sh PIDFILE LOG
# Labs that come up at the same moment start one.
set -euo pipefail

pidfile=$1 log=$2

exec 9> /run/faultline-dockerd.lock
flock 9

answers() {
    docker version --format '{{.Server.Version}}' > /dev/null 2>&1
}

if answers; then exit 0; fi

# Of a daemon that was killed the number stays, and by now another process may have it: the next daemon would take that one for itself.
for file in "$pidfile" /var/run/docker/containerd/containerd.pid; do
    if [ -e "$file" ]; then
        exe=$(readlink "/proc/$(cat "$file")/exe" || true)
        case ${exe##*/} in
            dockerd | containerd) ;;
            *) rm -f "$file" ;;
        esac
    fi
done

# 9 is the lock, which is not for daemons
start-stop-daemon --start --oknodo --background --pidfile="$pidfile" --output="$log" --exec=/usr/sbin/dockerd -- \
    --pidfile="$pidfile" --log-level=warn 9>&-

for _ in $(seq 300); do
    if answers; then exit 0; fi
    sleep 0.5
done
echo "the daemon does not answer; the end of $log:" >&2
tail -n 20 "$log" >&2
exit 1
