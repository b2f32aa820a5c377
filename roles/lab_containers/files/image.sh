# shellcheck shell=bash
# Read by bash on a node: image.sh ENGINE... Makes the image lab/service in each engine. Its command is PROGRAM PORT: a process that
# bears the service's name, with a web server as its child.
set -euo pipefail

rm -rf /root/tree
mkdir -p /root/tree/{bin,usr/bin,www,tmp}
cd /root/tree
cp /bin/busybox bin/busybox
for each in sh httpd sleep cat kill; do ln -s busybox bin/$each; done
echo hello > www/index.html
cat > usr/bin/keystone << 'X'
#!/bin/sh
trap 'kill $!; exit 143' TERM
httpd -f -p $1 -h /www &
wait
X
chmod +x usr/bin/keystone
for each in glance-api heat-api mariadbd memcached neutron-server nova-api; do
    ln usr/bin/keystone usr/bin/$each
done
for engine; do
    tar --create . | "$engine" import --change 'ENV PATH=/bin:/usr/bin' - lab/service > /dev/null
done
