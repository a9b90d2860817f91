# docker build -t sluice .
#
# The image has the three programs and DPDK's drivers; compose.yaml shows both processes. The dataplane needs the
# machine's devices and memory:
#   docker run --cap-drop ALL --cap-add NET_ADMIN --cap-add NET_RAW --cap-add IPC_LOCK --cap-add SYS_NICE \
#       --ulimit memlock=-1 --network host --device /dev/net/tun --device /dev/vfio -v /dev/hugepages:/dev/hugepages \
#       -v /dev/shm:/dev/shm -v $PWD/conf:/etc/sluice sluice sluice-dataplane
# and control, in a second container with the same /dev/shm, network and configuration:
#   docker run --cap-drop ALL --cap-add NET_ADMIN --cap-add NET_RAW --network host -v /dev/shm:/dev/shm \
#       -v /run/sluice:/run/sluice -v $PWD/conf:/etc/sluice sluice
#
# Both run as root of the container with the capabilities named and no others. `sluice` needs none, and only the socket.

# Debian with Rust; or any image that has the three programs in /out, built for the release of RUNTIME.
ARG BUILDER=docker.io/library/rust:1-bookworm
# Debian 12 (DPDK 22.11) or 13 (DPDK 24.11): the same release as BUILDER's.
ARG RUNTIME=docker.io/library/debian:bookworm-slim

FROM ${BUILDER} AS build
WORKDIR /sluice
COPY . .
RUN package/build-for-image.sh

FROM ${RUNTIME}
COPY --from=build /out/ /usr/bin/
COPY package/install-libraries.sh /tmp/
RUN /tmp/install-libraries.sh /usr/bin/sluice-dataplane && rm /tmp/install-libraries.sh
# The command line of ipvsadm.
RUN cd /usr/sbin && for name in ipvsadm ipvsadm-save ipvsadm-restore; do ln -sf ../bin/sluice $name; done
COPY conf/ /etc/sluice/
# Says nothing of a container that runs the dataplane alone: there is no sluiced in it that could be asked.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD [ ! -S /run/sluice/control.sock ] || sluice status --check
CMD ["sluiced"]
