# docker build -t sluice .
#
# The image has the three binaries and DPDK's drivers. The dataplane needs the machine's devices and memory:
#   docker run --privileged --network host -v /dev/hugepages:/dev/hugepages -v /dev/shm:/dev/shm -v /run/sluice:/run/sluice \
#       -v $PWD/conf:/etc/sluice sluice sluice-dataplane --config /etc/sluice/sluice.toml
# and, in a second container with the same mounts: sluiced --config ... --services ...

# Debian 12 with Rust.
ARG BUILDER=docker.io/library/rust:1-bookworm
# Debian 12.
ARG RUNTIME=docker.io/library/debian:bookworm-slim

FROM ${BUILDER} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make pkg-config libdpdk-dev libclang-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /sluice
COPY . .
RUN cargo build --release --locked --package dataplane --package control --bins \
    && install -D -t /out target/release/sluice-dataplane target/release/sluiced target/release/sluice
# The packages that have the libraries these three are linked with.
RUN ldd /out/* | sed -n 's|.*=> .*/\([^/ ]*\) (.*|\1|p' | sort -u \
    | xargs -I{} dpkg -S '*/{}' | cut -d: -f1 | grep -v -- '-dev$' | sort -u > /packages

FROM ${RUNTIME}
COPY --from=build /packages /tmp/packages
# librte-meta-net: every Ethernet driver, loaded at start; mempool and bus: what they use.
RUN apt-get update \
    && xargs apt-get install -y --no-install-recommends \
        librte-meta-net librte-meta-mempool librte-meta-bus iproute2 pciutils < /tmp/packages \
    && rm -rf /var/lib/apt/lists/* /tmp/packages
COPY --from=build /out/ /usr/local/bin/
# The command line of ipvsadm.
RUN cd /usr/local/bin && ln -s sluice ipvsadm && ln -s sluice ipvsadm-save && ln -s sluice ipvsadm-restore
COPY conf/ /etc/sluice/
CMD ["sluice", "status"]
