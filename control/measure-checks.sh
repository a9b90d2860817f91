#!/usr/bin/env bash
# What checks cost sluiced: the share of one core that it needs for so many checked reals, measured over 20 s in a network
# namespace of its own, with one nginx behind all addresses. Needs root, nginx-light and a release build of sluiced.
# Usage: control/measure-checks.sh [TYPE] [REALS] [INTERVAL]      (default: tcp 5000 2s)
set -euo pipefail
cd "$(dirname "$0")/.."

type=${1:-tcp} reals=${2:-5000} interval=${3:-2s}
sluiced=${SLUICED:-${CARGO_TARGET_DIR:-target}/release/sluiced}
[ -x "$sluiced" ] || { echo "no $sluiced: cargo build --release -p control" >&2; exit 1; }
folder=$(mktemp -d)
space=sluice-checks-$$
pids=()
clean() {
    for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done
    wait 2> /dev/null || true
    ip netns del "$space" 2> /dev/null || true
    rm -rf "$folder"
}
trap clean EXIT

ip netns add "$space"
ip -n "$space" link set lo up
ip -n "$space" route add local 10.99.0.0/16 dev lo
cat > "$folder/nginx.conf" << END
daemon off; master_process off; worker_processes 1; pid $folder/nginx.pid; error_log stderr crit;
worker_rlimit_nofile 20000;
events { worker_connections 16000; }
http { access_log off; client_body_temp_path $folder/b; proxy_temp_path $folder/p; fastcgi_temp_path $folder/f;
       uwsgi_temp_path $folder/u; scgi_temp_path $folder/s;
       server { listen 80 backlog=4096; location / { return 200 "ok\n"; } } }
END
ip netns exec "$space" nginx -e stderr -p "$folder" -c nginx.conf &
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
ip netns exec "$space" "$sluiced" --config "$folder/sluice.toml" --services "$folder/services.toml" 2> "$folder/log" &
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
