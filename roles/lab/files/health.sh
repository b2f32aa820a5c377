# shellcheck shell=bash
# Read by bash on a node: health.sh UNITS SIZE PORTS. Silent when all is well.
# The units run; MariaDB, if it is among them, sees a cluster of SIZE (0: of none) and is synchronised; all of the PORTS answer.
units=$1 size=$2 ports=$3
for port in $ports; do
    timeout 3 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" || { echo "nothing listens on $port"; exit 1; }
done
for unit in $units; do
    systemctl is-active --quiet "$unit" || { echo "$unit is not active"; exit 1; }
done
case " $units $size " in *' mariadb '*' 0 ') ;; *' mariadb '*)
    seen=$(mariadb --batch --skip-column-names --execute \
        "SHOW STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'wsrep_local_state_comment')" | cut -f2 | sort | xargs)
    [ "$seen" = "$size Synced" ] || { echo "Galera: $seen"; exit 1; }
esac
case " $units " in *' rabbitmq-server '*)
    # closed while RabbitMQ starts and while it is in a minority
    timeout 3 bash -c "exec 3<>/dev/tcp/$(hostname)/5672" || { echo 'RabbitMQ takes no connections'; exit 1; }
esac
