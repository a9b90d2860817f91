#!/usr/bin/env bash
# What checks cost sluiced: the share of one core that it needs for so many checked reals, measured over 20 s. One nginx has
# all addresses, as another machine has: in a network namespace of its own, on another core, which also does what the kernel
# does there for a packet (over the loopback, that counts as sluiced's): sluiced, and what the kernel does for it, is on the
# first core, nginx on the second. Needs root, two cores, nginx-light and a release build of sluiced.
# Usage: control/measure-checks.sh [TYPE] [REALS] [INTERVAL]      (default: tcp 5000 2s)
set -euo pipefail
cd "$(dirname "$0")/.."

type=${1:-tcp} reals=${2:-5000} interval=${3:-2s}
sluiced=${SLUICED:-${CARGO_TARGET_DIR:-target}/release/sluiced}
[ -x "$sluiced" ] || { echo "no $sluiced: cargo build --release -p control" >&2; exit 1; }
[ "$(nproc)" -ge 2 ] || { echo "one core only: nginx's work can't be told from sluiced's" >&2; exit 1; }
folder=$(mktemp -d)
space=sluice-checks-$$ reals_space=sluice-reals-$$
pids=()
clean() {
    for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done
    wait 2> /dev/null || true
    ip netns del "$space" 2> /dev/null || true
    ip netns del "$reals_space" 2> /dev/null || true
    rm -rf "$folder"
}
trap clean EXIT

ip netns add "$space"
ip netns add "$reals_space"
ip -n "$space" link set lo up
ip -n "$reals_space" link set lo up
ip link add check netns "$space" type veth peer name check netns "$reals_space"
ip -n "$space" address add 10.98.0.1/24 dev check
ip -n "$reals_space" address add 10.98.0.2/24 dev check
for end in "$space" "$reals_space"; do ip -n "$end" link set check up; done
ip -n "$space" route add 10.99.0.0/16 via 10.98.0.2
ip -n "$reals_space" route add local 10.99.0.0/16 dev lo
# Each end's packets are received on that end's core (a mask: 1 is the first core, 2 the second).
ip netns exec "$space" sh -c 'echo 1 > /sys/class/net/check/queues/rx-0/rps_cpus'
ip netns exec "$reals_space" sh -c 'echo 2 > /sys/class/net/check/queues/rx-0/rps_cpus'
cat > "$folder/nginx.conf" << END
daemon off; master_process off; worker_processes 1; pid $folder/nginx.pid; error_log stderr crit;
worker_rlimit_nofile 20000;
events { worker_connections 16000; }
http { access_log off; client_body_temp_path $folder/b; proxy_temp_path $folder/p; fastcgi_temp_path $folder/f;
       uwsgi_temp_path $folder/u; scgi_temp_path $folder/s;
       server { listen 80 backlog=4096; location / { return 200 "ok\n"; } } }
END
taskset -c 1 ip netns exec "$reals_space" nginx -e stderr -p "$folder" -c nginx.conf &
pids+=($!)
cat > "$folder/sluice.toml" << END
[dataplane]
workers = [1]
[[port]]
name = "wan"
device = "net_null0"
[control]
socket = "$folder/run/control.sock"
link = "$folder/link"
http = "127.0.0.1:9106"
END
{
    for ((service = 0; service * 100 < reals; service++)); do
        printf '[[service]]\nname = "s%d"\nprotocol = "tcp"\naddress = "192.0.2.1:%d"\n' $service $((1000 + service))
        printf '[service.check]\ntype = "%s"\ninterval = "%s"\n' "$type" "$interval"
        for ((real = 0; real < 100 && service * 100 + real < reals; real++)); do
            printf '[[service.real]]\naddress = "10.99.%d.%d:80"\n' $((service + 1)) $((real + 1))
        done
    done
} > "$folder/services.toml"
taskset -c 0 ip netns exec "$space" "$sluiced" --config "$folder/sluice.toml" --services "$folder/services.toml" 2> "$folder/log" &
pid=$!
pids+=("$pid")
sleep 6
# Checks that succeeded so far. Asked outside of the time that is measured.
checks() {
    ip netns exec "$space" curl -s http://127.0.0.1:9106/metrics |
        awk '/^sluice_real_checks_total.*success/ { sum += $2 } END { printf "%d", sum }'
}
ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
checked=$(checks)
before=$(ticks)
sleep 20
after=$(ticks)
checked=$(($(checks) - checked))
up=$(grep -c ': up: ' "$folder/log" || true) down=$(grep -c ': down: ' "$folder/log" || true)
hertz=$(getconf CLK_TCK)
printf '%s checks of %s reals every %s: %s came up, %s went down; %s succeeded in 20 s; %s %% of one core\n' "$type" "$reals" "$interval" "$up" "$down" "$checked" \
    "$(awk -v ticks=$((after - before)) -v hertz="$hertz" 'BEGIN { printf "%.1f", ticks / hertz / 20 * 100 }')"
