# shellcheck shell=bash disable=SC2154
# Read by bash on the node as the user stack, after PATH, OS_BOOTSTRAP_PASSWORD, address and region: all tables, Nova's cells and Keystone's
# administrator. What is there already stays.
set -euo pipefail

log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

keystone() {
    keystone-manage --config-file /etc/keystone/keystone.conf db_sync
    keystone-manage --config-file /etc/keystone/keystone.conf fernet_setup
    keystone-manage --config-file /etc/keystone/keystone.conf credential_setup
    keystone-manage --config-file /etc/keystone/keystone.conf bootstrap \
        --bootstrap-region-id "$region" --bootstrap-public-url "http://$address/identity" --bootstrap-internal-url "http://$address/identity"
}

glance() { glance-manage --config-file /etc/glance/glance-api.conf db_sync; }

placement() { placement-manage db sync; }

neutron() { neutron-db-manage --config-file /etc/neutron/neutron.conf --config-file /etc/neutron/plugins/ml2/ml2_conf.ini upgrade heads; }

nova() {
    local cell database queue
    cell=/etc/nova/nova_cell1.conf
    nova-manage --config-file /etc/nova/nova.conf api_db sync
    database=$(sed -n '/^\[database\]/,/^\[/s/^connection = //p' /etc/nova/nova.conf)
    nova-manage --config-file /etc/nova/nova.conf cell_v2 map_cell0 --database_connection "$database"
    nova-manage --config-file /etc/nova/nova.conf db sync --local_cell
    nova-manage --config-file /etc/nova/nova.conf --config-file "$cell" db sync --local_cell
    if ! nova-manage --config-file /etc/nova/nova.conf cell_v2 list_cells | grep -q ' cell1 '; then
        nova-manage --config-file /etc/nova/nova.conf --config-file "$cell" cell_v2 create_cell --name cell1
    fi
}

declare -A running
for each in keystone glance placement neutron nova; do
    "$each" > "$log/$each" 2>&1 &
    running[$each]=$!
done
failed=''
for each in "${!running[@]}"; do
    wait "${running[$each]}" || {
        failed+=" $each"
        tail -n 5 "$log/$each" >&2
    }
done
[ -z "$failed" ] || { echo "no tables for:$failed" >&2; exit 1; }
