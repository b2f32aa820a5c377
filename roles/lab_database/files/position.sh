# shellcheck shell=bash
# Read by bash on a node whose cluster has no primary component. Stops MariaDB, says how far its data goes (-2: it was never in a
# cluster), and allows it to begin one.
set -eu
# a member that still connects to the others heeds no stop
systemctl kill --signal=KILL mariadb 2> /dev/null || true
systemctl stop mariadb
systemctl reset-failed mariadb 2> /dev/null || true

state=/var/lib/mysql/grastate.dat
if [ ! -e "$state" ]; then
    echo -2
    exit 0
fi
# the file says -1 once a member has been started again; the data themselves know better
position=$(galera_recovery)
echo "${position##*:}"
sed -i 's/^safe_to_bootstrap: 0/safe_to_bootstrap: 1/' "$state"
# or it would wait for the members of old
rm -f /var/lib/mysql/gvwstate.dat
