/* The C side of dpdk-sys: DPDK's inline functions as real ones, and every DPDK structure whose layout changes from
 * version to version behind a plain structure of our own. SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SHIM_H
#define SLUICE_SHIM_H

#include <rte_config.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_hash.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <rte_version.h>

#include <stdbool.h>
#include <stdint.h>

/* The first cache line of struct rte_mbuf. */
struct sluice_mbuf {
	void *buf_addr;
	uint64_t buf_iova;
	uint16_t data_off;
	uint16_t refcnt;
	uint16_t nb_segs;
	uint16_t port;
	uint64_t ol_flags;
	uint32_t packet_type;
	uint32_t pkt_len;
	uint16_t data_len;
	uint16_t vlan_tci;
	uint32_t rss;
	uint32_t hash_high;
	uint16_t vlan_tci_outer;
	uint16_t buf_len;
	struct rte_mempool *pool;
};

/* Bits of ol_flags. */
#define SLUICE_MBUF_RX_RSS_HASH 2ULL
/* What says where the data lies; must outlive any change of the other bits. */
#define SLUICE_MBUF_BUFFER_FLAGS 0x6000000000000000ULL

/* Kinds of packets that RSS can spread, and which half of the tuple it uses: bits of rss_types. */
#define SLUICE_RSS_IPV4 (1ULL << 2)
#define SLUICE_RSS_FRAG_IPV4 (1ULL << 3)
#define SLUICE_RSS_IPV4_TCP (1ULL << 4)
#define SLUICE_RSS_IPV4_UDP (1ULL << 5)
#define SLUICE_RSS_IPV4_OTHER (1ULL << 7)
#define SLUICE_RSS_L4_DST_ONLY (1ULL << 60)
#define SLUICE_RSS_L4_SRC_ONLY (1ULL << 61)
#define SLUICE_RSS_L3_DST_ONLY (1ULL << 62)
#define SLUICE_RSS_L3_SRC_ONLY (1ULL << 63)

/* What a port can do. */
struct sluice_port_info {
	const char *driver; /* lives as long as the driver */
	struct rte_device *device;
	uint64_t rss_types;
	uint32_t rss_key_length; /* bytes; 0 = not known */
	uint32_t min_rx_buffer;  /* bytes of an mbuf, headroom not counted */
	uint16_t min_mtu;
	uint16_t max_mtu; /* UINT16_MAX = no limit known */
	uint16_t max_rx_queues;
	uint16_t max_tx_queues;
	int32_t socket; /* NUMA node, -1 = any */
	uint32_t rss_hash_offload; /* 1: can store the hash in the mbuf */
	uint32_t rss_table_size; /* entries; 0 = it has none */
};

/* How to configure a port. */
struct sluice_port_config {
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint16_t rx_descriptors; /* in: wanted; out: what the driver allows */
	uint16_t tx_descriptors;
	uint32_t mtu;
	uint32_t rss_hash_offload;
	uint64_t rss_types; /* 0 = no RSS */
	uint8_t *rss_key;   /* NULL = the driver's */
	uint32_t rss_key_length;
};

/* Since the port's start. */
struct sluice_port_statistics {
	uint64_t rx_packets;
	uint64_t tx_packets;
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	uint64_t rx_missed;
	uint64_t rx_errors;
	uint64_t tx_errors;
	uint64_t rx_no_mbuf;
};

/* Called with each piece of log text, from any thread. */
typedef void (*sluice_log_sink)(const char *text, size_t length);

/* rte_eal_init, without the two pages that it prints to standard output when it does not like an argument. */
int sluice_eal_init(int argc, char **argv);
int sluice_errno(void);
uint32_t sluice_lcore_id(void);
uint64_t sluice_tsc(void);
/* Sends DPDK's log to sink. 0, or -1 if the stream can't be made. */
int sluice_log_open(sluice_log_sink sink);

/* Mbufs. alloc: NULL if the pool is empty. alloc_bulk: all or none, true = all. */
struct sluice_mbuf *sluice_mbuf_alloc(struct rte_mempool *pool);
bool sluice_mbuf_alloc_bulk(struct rte_mempool *pool, struct sluice_mbuf **mbufs, uint32_t count);
void sluice_mbuf_free(struct sluice_mbuf *mbuf);
void sluice_mbuf_free_bulk(struct sluice_mbuf **mbufs, uint32_t count);
/* Bytes for data in an mbuf of the pool, headroom counted. */
uint16_t sluice_mempool_data_room(struct rte_mempool *pool);

/* Bursts. Each returns how many it moved: received, or taken from the front of mbufs. */
uint16_t sluice_rx_burst(uint16_t port, uint16_t queue, struct sluice_mbuf **mbufs, uint16_t count);
uint16_t sluice_tx_burst(uint16_t port, uint16_t queue, struct sluice_mbuf **mbufs, uint16_t count);

/* Ports. Each returns 0 or -errno. */
int sluice_port_info(uint16_t port, struct sluice_port_info *info);
int sluice_port_configure(uint16_t port, struct sluice_port_config *config);
int sluice_port_rx_queue(uint16_t port, uint16_t queue, uint16_t descriptors, struct rte_mempool *pool);
int sluice_port_tx_queue(uint16_t port, uint16_t queue, uint16_t descriptors);
/* Started ports. The queue of each entry of the redirection table; count is the table's size. */
int sluice_port_rss_table(uint16_t port, const uint16_t *queues, uint16_t count);
/* Started ports. Which fields of TCP or UDP packets over IPv4 the hash takes: types has one kind and the halves. */
int sluice_port_rss_rule(uint16_t port, uint64_t types);
int sluice_port_statistics(uint16_t port, struct sluice_port_statistics *statistics);
/* 1 up, 0 down, -errno; does not wait. */
int sluice_port_link_up(uint16_t port);
/* Whether the port's owner is somebody else in this process (another driver): such a port must be left alone. */
bool sluice_port_is_owned(uint16_t port);

/* Rings of mbufs. Flags for rte_ring_create; each function returns how many it moved, as many as there is room for. */
uint32_t sluice_ring_count(const struct rte_ring *ring);
uint32_t sluice_ring_flags(bool single_producer);
uint32_t sluice_ring_enqueue(struct rte_ring *ring, struct sluice_mbuf **mbufs, uint32_t count);
uint32_t sluice_ring_dequeue(struct rte_ring *ring, struct sluice_mbuf **mbufs, uint32_t count);

/* RCU. check never blocks: 1 = each online reader has been quiescent since the token was taken. */
void sluice_rcu_quiescent(struct rte_rcu_qsbr *rcu, uint32_t reader);
void sluice_rcu_online(struct rte_rcu_qsbr *rcu, uint32_t reader);
void sluice_rcu_offline(struct rte_rcu_qsbr *rcu, uint32_t reader);
uint64_t sluice_rcu_start(struct rte_rcu_qsbr *rcu);
bool sluice_rcu_check(struct rte_rcu_qsbr *rcu, uint64_t token);

/* What such a hash computes of a 16-byte key; another number in each process. */
uint32_t sluice_hash_of(const uint8_t *key);
/* The four words of this process that it computes with: see hash_key in shim.c. */
void sluice_hash_secret(uint64_t *secret);
/* A hash of 16-byte keys: one writer, lock-free readers under rcu, extendable buckets. NULL: see sluice_errno. */
struct rte_hash *sluice_hash_create(const char *name, uint32_t entries, int socket, struct rte_rcu_qsbr *rcu);
/* Up to 64 keys of 16 bytes, one after the other, each with its hash. Bit i of the answer: keys[i] was found and values[i]
 * set. */
uint64_t sluice_hash_lookup_bulk(const struct rte_hash *hash, const uint8_t *keys, uint32_t *hashes, uint32_t count,
				 uint64_t *values);

#endif
