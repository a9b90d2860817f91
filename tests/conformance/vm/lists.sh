# The host on which command lines of ipvsadm are asked, in its network namespace: the net of the reals on an interface.
set -e
/bin/ip link set lo up
/bin/ip tuntap add dev w0 mode tap
/bin/ip addr add 10.0.2.1/24 dev w0
/bin/ip link set w0 up
exec bash /record.sh
