# Of programs that busybox has too, the path says that the real one is meant.
# The director of a scenario, in its network namespace, once the TAP devices wan and lan are there. Its addresses and
# MAC addresses, the routers and the neighbours are always the same: ../director.toml has them for ours.
set -e
/bin/ip link set wan address 02:00:00:00:00:01
/bin/ip link set lan address 02:00:00:00:00:02
for name in all default wan lan; do
    echo 1 > /proc/sys/net/ipv6/conf/$name/disable_ipv6
    echo 0 > /proc/sys/net/ipv4/conf/$name/rp_filter
    echo 0 > /proc/sys/net/ipv4/conf/$name/send_redirects
done
echo 1 > /proc/sys/net/ipv4/ip_forward
{
    echo "link set lo up"
    echo "link set wan up"
    echo "link set lan up"
    echo "addr add 10.0.1.1/24 dev wan"
    echo "addr add 10.0.2.1/24 dev lan"
    echo "neigh replace 10.0.1.254 lladdr 02:00:00:00:01:fe dev wan nud permanent"
    echo "neigh replace 10.0.2.254 lladdr 02:00:00:00:02:fe dev lan nud permanent"
    echo "route add 192.168.0.0/16 via 10.0.1.254"
    echo "route add 10.55.0.0/16 via 10.0.1.254"
    echo "route add 10.0.3.0/24 via 10.0.2.254"
    for n in 2 3 4 5 6 7 8 9; do
        echo "neigh replace 10.0.2.$n lladdr 02:00:00:00:02:0$n dev lan nud permanent"
    done
} | /bin/ip -batch -
# Answers as they are due, however many: limits are not what is compared.
echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
echo 0 > /proc/sys/net/ipv4/icmp_ratemask
