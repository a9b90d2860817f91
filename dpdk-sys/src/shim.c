/* See shim.h. SPDX-License-Identifier: Apache-2.0 */
#include "shim.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_log.h>

#define SAME_PLACE(ours, theirs)                                                                                   \
	_Static_assert(offsetof(struct sluice_mbuf, ours) == offsetof(struct rte_mbuf, theirs) &&                  \
			       sizeof(((struct sluice_mbuf *)0)->ours) == sizeof(((struct rte_mbuf *)0)->theirs),  \
		       "struct rte_mbuf of this DPDK has another layout: " #theirs)
SAME_PLACE(buf_addr, buf_addr);
SAME_PLACE(data_off, data_off);
SAME_PLACE(refcnt, refcnt);
SAME_PLACE(nb_segs, nb_segs);
SAME_PLACE(port, port);
SAME_PLACE(ol_flags, ol_flags);
SAME_PLACE(packet_type, packet_type);
SAME_PLACE(pkt_len, pkt_len);
SAME_PLACE(data_len, data_len);
SAME_PLACE(rss, hash.rss);
SAME_PLACE(buf_len, buf_len);
SAME_PLACE(pool, pool);
_Static_assert(sizeof(struct sluice_mbuf) == 64, "the head of an mbuf is one cache line");
_Static_assert(SLUICE_MBUF_RX_RSS_HASH == RTE_MBUF_F_RX_RSS_HASH, "flag");
_Static_assert(SLUICE_MBUF_BUFFER_FLAGS == (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL), "flags");
_Static_assert(SLUICE_RSS_IPV4 == RTE_ETH_RSS_IPV4 && SLUICE_RSS_FRAG_IPV4 == RTE_ETH_RSS_FRAG_IPV4 &&
		       SLUICE_RSS_IPV4_TCP == RTE_ETH_RSS_NONFRAG_IPV4_TCP &&
		       SLUICE_RSS_IPV4_UDP == RTE_ETH_RSS_NONFRAG_IPV4_UDP &&
		       SLUICE_RSS_IPV4_OTHER == RTE_ETH_RSS_NONFRAG_IPV4_OTHER,
	       "RSS types");
_Static_assert(SLUICE_RSS_L4_DST_ONLY == RTE_ETH_RSS_L4_DST_ONLY && SLUICE_RSS_L4_SRC_ONLY == RTE_ETH_RSS_L4_SRC_ONLY &&
		       SLUICE_RSS_L3_DST_ONLY == RTE_ETH_RSS_L3_DST_ONLY &&
		       SLUICE_RSS_L3_SRC_ONLY == RTE_ETH_RSS_L3_SRC_ONLY,
	       "RSS halves");

int sluice_eal_init(int argc, char **argv)
{
	fflush(stdout);
	int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (saved >= 0 && nowhere >= 0)
		dup2(nowhere, STDOUT_FILENO);
	int result = rte_eal_init(argc, argv);

	fflush(stdout);
	if (saved >= 0) {
		dup2(saved, STDOUT_FILENO);
		close(saved);
	}
	if (nowhere >= 0)
		close(nowhere);
	return result;
}

int sluice_errno(void)
{
	return rte_errno;
}

uint32_t sluice_lcore_id(void)
{
	return rte_lcore_id();
}

uint64_t sluice_tsc(void)
{
	return rte_rdtsc();
}

static sluice_log_sink log_sink;

static ssize_t log_write(void *cookie, const char *text, size_t length)
{
	(void)cookie;
	log_sink(text, length);
	return (ssize_t)length;
}

int sluice_log_open(sluice_log_sink sink)
{
	cookie_io_functions_t functions = {.write = log_write};

	log_sink = sink;
	FILE *stream = fopencookie(NULL, "w", functions);
	return stream == NULL ? -1 : rte_openlog_stream(stream);
}

struct sluice_mbuf *sluice_mbuf_alloc(struct rte_mempool *pool)
{
	return (struct sluice_mbuf *)rte_pktmbuf_alloc(pool);
}

bool sluice_mbuf_alloc_bulk(struct rte_mempool *pool, struct sluice_mbuf **mbufs, uint32_t count)
{
	return rte_pktmbuf_alloc_bulk(pool, (struct rte_mbuf **)mbufs, count) == 0;
}

void sluice_mbuf_free(struct sluice_mbuf *mbuf)
{
	rte_pktmbuf_free((struct rte_mbuf *)mbuf);
}

void sluice_mbuf_free_bulk(struct sluice_mbuf **mbufs, uint32_t count)
{
	rte_pktmbuf_free_bulk((struct rte_mbuf **)mbufs, count);
}

uint16_t sluice_mempool_data_room(struct rte_mempool *pool)
{
	return rte_pktmbuf_data_room_size(pool);
}

uint16_t sluice_rx_burst(uint16_t port, uint16_t queue, struct sluice_mbuf **mbufs, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, (struct rte_mbuf **)mbufs, count);
}

uint16_t sluice_tx_burst(uint16_t port, uint16_t queue, struct sluice_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, (struct rte_mbuf **)mbufs, count);
}

int sluice_port_info(uint16_t port, struct sluice_port_info *info)
{
	struct rte_eth_dev_info dev;
	int result = rte_eth_dev_info_get(port, &dev);

	if (result != 0)
		return result;
	*info = (struct sluice_port_info){
		.driver = dev.driver_name,
		.device = dev.device,
		.rss_types = dev.flow_type_rss_offloads,
		.rss_key_length = dev.hash_key_size,
		.min_rx_buffer = dev.min_rx_bufsize,
		.min_mtu = dev.min_mtu,
		.max_mtu = dev.max_mtu,
		.max_rx_queues = dev.max_rx_queues,
		.max_tx_queues = dev.max_tx_queues,
		.socket = rte_eth_dev_socket_id(port),
		.rss_hash_offload = (dev.rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH) != 0,
		.rss_table_size = dev.reta_size,
	};
	return 0;
}

int sluice_port_configure(uint16_t port, struct sluice_port_config *config)
{
	struct rte_eth_conf conf;

	memset(&conf, 0, sizeof(conf));
	conf.rxmode.mtu = config->mtu;
	if (config->rss_types != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = config->rss_types;
		conf.rx_adv_conf.rss_conf.rss_key = config->rss_key;
		conf.rx_adv_conf.rss_conf.rss_key_len = (uint8_t)config->rss_key_length;
		if (config->rss_hash_offload)
			conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_RSS_HASH;
	}
	int result = rte_eth_dev_configure(port, config->rx_queues, config->tx_queues, &conf);

	if (result != 0)
		return result;
	return rte_eth_dev_adjust_nb_rx_tx_desc(port, &config->rx_descriptors, &config->tx_descriptors);
}

int sluice_port_rx_queue(uint16_t port, uint16_t queue, uint16_t descriptors, struct rte_mempool *pool)
{
	return rte_eth_rx_queue_setup(port, queue, descriptors, (unsigned int)rte_eth_dev_socket_id(port), NULL, pool);
}

int sluice_port_tx_queue(uint16_t port, uint16_t queue, uint16_t descriptors)
{
	return rte_eth_tx_queue_setup(port, queue, descriptors, (unsigned int)rte_eth_dev_socket_id(port), NULL);
}

int sluice_port_rss_table(uint16_t port, const uint16_t *queues, uint16_t count)
{
	struct rte_eth_rss_reta_entry64 groups[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];

	if (count > RTE_ETH_RSS_RETA_SIZE_512)
		return -ENOTSUP;
	memset(groups, 0, sizeof(groups));
	for (uint16_t entry = 0; entry < count; entry++) {
		struct rte_eth_rss_reta_entry64 *group = &groups[entry / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= 1ULL << entry % RTE_ETH_RETA_GROUP_SIZE;
		group->reta[entry % RTE_ETH_RETA_GROUP_SIZE] = queues[entry];
	}
	return rte_eth_dev_rss_reta_update(port, groups, count);
}

int sluice_port_rss_rule(uint16_t port, uint64_t types)
{
	const struct rte_flow_attr attributes = { .ingress = 1 };
	const bool udp = (types & RTE_ETH_RSS_NONFRAG_IPV4_UDP) != 0;
	const struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4 },
		{ .type = udp ? RTE_FLOW_ITEM_TYPE_UDP : RTE_FLOW_ITEM_TYPE_TCP },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	/* No queues and no key: those of the port stay. */
	const struct rte_flow_action_rss rss = { .func = RTE_ETH_HASH_FUNCTION_DEFAULT, .types = types };
	const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_error error;

	return rte_flow_create(port, &attributes, pattern, actions, &error) == NULL ? -rte_errno : 0;
}

int sluice_port_statistics(uint16_t port, struct sluice_port_statistics *statistics)
{
	struct rte_eth_stats stats;
	int result = rte_eth_stats_get(port, &stats);

	if (result != 0)
		return result;
	*statistics = (struct sluice_port_statistics){
		.rx_packets = stats.ipackets,
		.tx_packets = stats.opackets,
		.rx_bytes = stats.ibytes,
		.tx_bytes = stats.obytes,
		.rx_missed = stats.imissed,
		.rx_errors = stats.ierrors,
		.tx_errors = stats.oerrors,
		.rx_no_mbuf = stats.rx_nombuf,
	};
	return 0;
}

int sluice_port_link_up(uint16_t port)
{
	struct rte_eth_link link;
	int result = rte_eth_link_get_nowait(port, &link);

	return result != 0 ? result : link.link_status == RTE_ETH_LINK_UP;
}

bool sluice_port_is_owned(uint16_t port)
{
	struct rte_eth_dev_owner owner;

	return rte_eth_dev_owner_get(port, &owner) == 0 && owner.id != RTE_ETH_DEV_NO_OWNER;
}

uint32_t sluice_ring_count(const struct rte_ring *ring)
{
	return rte_ring_count(ring);
}

uint32_t sluice_ring_flags(bool single_producer)
{
	return RING_F_EXACT_SZ | RING_F_SC_DEQ | (single_producer ? RING_F_SP_ENQ : 0);
}

uint32_t sluice_ring_enqueue(struct rte_ring *ring, struct sluice_mbuf **mbufs, uint32_t count)
{
	return rte_ring_enqueue_burst(ring, (void *const *)mbufs, count, NULL);
}

uint32_t sluice_ring_dequeue(struct rte_ring *ring, struct sluice_mbuf **mbufs, uint32_t count)
{
	return rte_ring_dequeue_burst(ring, (void **)mbufs, count, NULL);
}

void sluice_rcu_quiescent(struct rte_rcu_qsbr *rcu, uint32_t reader)
{
	rte_rcu_qsbr_quiescent(rcu, reader);
}

void sluice_rcu_online(struct rte_rcu_qsbr *rcu, uint32_t reader)
{
	rte_rcu_qsbr_thread_online(rcu, reader);
}

void sluice_rcu_offline(struct rte_rcu_qsbr *rcu, uint32_t reader)
{
	rte_rcu_qsbr_thread_offline(rcu, reader);
}

uint64_t sluice_rcu_start(struct rte_rcu_qsbr *rcu)
{
	return rte_rcu_qsbr_start(rcu);
}

bool sluice_rcu_check(struct rte_rcu_qsbr *rcu, uint64_t token)
{
	return rte_rcu_qsbr_check(rcu, token, false) == 1;
}

#define KEY_LENGTH 16

/* Secret of this process, so that nobody outside can choose keys that meet in one bucket. A CRC can't serve: it is
 * linear, so the same differences of keys collide whatever it starts from. */
static uint64_t hash_secret[4];

__attribute__((constructor)) static void draw_hash_secret(void)
{
	if (getrandom(hash_secret, sizeof(hash_secret), 0) != sizeof(hash_secret)) {
		/* Before the kernel has entropy: the clock and the place of the stack. */
		for (unsigned int i = 0; i < 4; i++)
			hash_secret[i] = rte_rdtsc() * 0x9e3779b97f4a7c15ULL ^ (uintptr_t)&i << (i * 8);
	}
	hash_secret[3] |= 1; /* a factor: zero would make all keys equal */
}

static inline uint64_t multiply_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Two rounds of multiply and fold: every bit of the key reaches every bit of the hash. rte_hash takes the bucket from
 * the low bits and the signature from the high half. rte-rs computes the same for whole bursts. */
static uint32_t hash_key(const void *key, uint32_t length, uint32_t init)
{
	uint64_t words[KEY_LENGTH / sizeof(uint64_t)];
	uint64_t mixed;

	(void)length;
	(void)init;
	memcpy(words, key, sizeof(words));
	mixed = multiply_fold(words[0] ^ hash_secret[0], words[1] ^ hash_secret[1]);
	mixed = multiply_fold(mixed ^ hash_secret[2], hash_secret[3]);
	return (uint32_t)(mixed ^ mixed >> 32);
}

uint32_t sluice_hash_of(const uint8_t *key)
{
	return hash_key(key, KEY_LENGTH, 0);
}

void sluice_hash_secret(uint64_t *secret)
{
	memcpy(secret, hash_secret, sizeof(hash_secret));
}

struct rte_hash *sluice_hash_create(const char *name, uint32_t entries, int socket, struct rte_rcu_qsbr *rcu)
{
	struct rte_hash_parameters parameters = {
		.name = name,
		.entries = entries,
		.key_len = KEY_LENGTH,
		.hash_func = hash_key,
		.socket_id = socket,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	struct rte_hash_rcu_config config = {.v = rcu, .mode = RTE_HASH_QSBR_MODE_DQ};
	struct rte_hash *hash = rte_hash_create(&parameters);

	if (hash != NULL && rte_hash_rcu_qsbr_add(hash, &config) != 0) {
		int error = rte_errno;

		rte_hash_free(hash);
		rte_errno = error;
		return NULL;
	}
	return hash;
}

uint64_t sluice_hash_lookup_bulk(const struct rte_hash *hash, const uint8_t *keys, uint32_t *hashes, uint32_t count,
				 uint64_t *values)
{
	const void *pointers[RTE_HASH_LOOKUP_BULK_MAX];
	uint64_t hits = 0;

	if (count == 0 || count > RTE_HASH_LOOKUP_BULK_MAX)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		pointers[i] = keys + (size_t)i * KEY_LENGTH;
	rte_hash_lookup_with_hash_bulk_data(hash, pointers, hashes, count, &hits, (void **)values);
	return hits;
}
