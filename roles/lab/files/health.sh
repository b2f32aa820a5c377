# shellcheck shell=bash
# Read by bash on a node: health.sh UNITS SIZE. Silent when all is well.
# The units run; MariaDB, if it is among them, sees a cluster of SIZE and is synchronised.
units=$1 size=$2
for unit in $units; do
    systemctl is-active --quiet "$unit" || { echo "$unit is not active"; exit 1; }
done
case " $units " in *' mariadb '*)
    seen=$(mariadb --batch --skip-column-names --execute \
        "SHOW STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'wsrep_local_state_comment')" | cut -f2 | sort | xargs)
    [ "$seen" = "$size Synced" ] || { echo "Galera: $seen"; exit 1; }
esac
case " $units " in *' rabbitmq-server '*)
    # closed while RabbitMQ starts and while it is in a minority
    timeout 3 bash -c "exec 3<>/dev/tcp/$(hostname)/5672" || { echo 'RabbitMQ takes no connections'; exit 1; }
esac
