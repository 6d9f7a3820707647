// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Tells of every connection that any process of this machine makes, as it makes it.
//
// Four programs on the root of cgroup v2 see each connect() and each datagram of an unconnected
// socket. Two programs on tracepoints remember what every process runs, because many processes
// have ended before anybody can look at /proc. All of them only watch: they return 1, which allows
// the call.
//
// Build it with build.sh beside this file. record.rs reads what is written into `ring`.

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ALLOW 1
#define NS_PER_SECOND 1000000000ull
#define CLONE_THREAD 0x00010000

// Map definitions in the form that needs no type information in this object.
struct map {
	__u32 type;
	__u32 key_size;
	__u32 value_size;
	__u32 max_entries;
	__u32 flags;
};

// What a process runs. The first connection of a process puts it into the ring, too.
struct program {
	__u64 start_ns; // boot clock at the fork; 0 where that was before we were here
	__u64 exec_ns;  // boot clock at the last exec; 0 where there was none
	__u32 pid;
	__u32 is_told;  // whether it is in the ring already
	char path[256]; // as it was given to exec, ends with a zero
};

struct connection {
	__u64 time_ns;     // boot clock
	__u64 start_ns;    // as in struct program, to tell processes with the same pid apart
	__u64 exec_ns;
	__u32 pid;
	__u32 protocol;    // IANA's number
	__u32 address[4];  // network order; IPv4 has only the first
	__u16 port;        // host order
	__u16 family;      // 4 or 6
	char comm[16];
	__u32 thread;
};

// One megabyte holds some 13,000 connections: more than a second of a flood.
#define RING_BYTES (1 << 20)
struct map SEC("maps") ring = {BPF_MAP_TYPE_RINGBUF, 0, 0, RING_BYTES, 0};

// What did not fit into the ring.
struct map SEC("maps") lost = {BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(__u64), 1, 0};

// The processes that were forked or have called exec since we are here, by pid. Those that are used least
// make room for others; of one that still runs, /proc tells the same.
struct map SEC("maps") programs = {
	BPF_MAP_TYPE_LRU_HASH, sizeof(__u32), sizeof(struct program), 8192, 0};

struct datagram {
	__u64 socket;
	__u32 address[4];
	__u32 port;
	__u32 padding;
};

// The second in which a socket last sent a datagram to an address.
struct map SEC("maps") datagrams = {
	BPF_MAP_TYPE_LRU_HASH, sizeof(struct datagram), sizeof(__u64), 8192, 0};

static __always_inline void count_lost(void)
{
	__u32 first = 0;
	__u64 *count = bpf_map_lookup_elem(&lost, &first);
	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline int tell(struct bpf_sock_addr *ctx, __u16 family, const __u32 address[4])
{
	// A port is kept in network order in the lower half of a word. Nobody serves port 0: programs
	// connect to it to learn which of their own addresses a connection would come from.
	__u16 port = bpf_ntohs((__u16)ctx->user_port);
	if (port == 0)
		return ALLOW;

	__u32 pid = current_pid();
	struct program *program = bpf_map_lookup_elem(&programs, &pid);
	int is_first = program && !program->is_told;
	if (is_first && bpf_ringbuf_output(&ring, program, sizeof(*program), BPF_RB_NO_WAKEUP) == 0)
		program->is_told = 1;

	struct connection *connection = bpf_ringbuf_reserve(&ring, sizeof(*connection), 0);
	if (!connection) {
		count_lost();
		return ALLOW;
	}
	connection->time_ns = bpf_ktime_get_boot_ns();
	connection->start_ns = program ? program->start_ns : 0;
	connection->exec_ns = program ? program->exec_ns : 0;
	connection->pid = pid;
	connection->protocol = ctx->protocol;
	connection->address[0] = address[0];
	connection->address[1] = address[1];
	connection->address[2] = address[2];
	connection->address[3] = address[3];
	connection->port = port;
	connection->family = family;
	connection->thread = bpf_get_current_pid_tgid();
	if (bpf_get_current_comm(connection->comm, sizeof(connection->comm)))
		connection->comm[0] = 0;
	// The reader looks into the ring several times a second. It is woken at once only for what
	// cannot wait: a process may end before anybody has looked at it in /proc, and the ring may
	// fill up. This spares two thirds of the processor time of a hundred connections a second.
	__u64 is_urgent = is_first || bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > RING_BYTES / 4;
	bpf_ringbuf_submit(connection, is_urgent ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return ALLOW;
}

// Whether this is the socket's first datagram to this address in this second.
static __always_inline int is_first_of_its_second(struct bpf_sock_addr *ctx, const __u32 address[4])
{
	struct datagram key = {
		.socket = bpf_get_socket_cookie(ctx),
		.address = {address[0], address[1], address[2], address[3]},
		.port = ctx->user_port,
	};
	__u64 second = bpf_ktime_get_boot_ns() / NS_PER_SECOND;
	__u64 *last = bpf_map_lookup_elem(&datagrams, &key);
	if (last && *last == second)
		return 0;
	bpf_map_update_elem(&datagrams, &key, &second, BPF_ANY);
	return 1;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	__u32 address[4] = {ctx->user_ip4, 0, 0, 0};
	return tell(ctx, 4, address);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	__u32 address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
	return tell(ctx, 6, address);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	__u32 address[4] = {ctx->user_ip4, 0, 0, 0};
	return is_first_of_its_second(ctx, address) ? tell(ctx, 4, address) : ALLOW;
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	__u32 address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
	return is_first_of_its_second(ctx, address) ? tell(ctx, 6, address) : ALLOW;
}

// The records of tracepoints, as /sys/kernel/tracing/events/*/*/format gives them.
struct task_newtask {
	__u64 common;
	__u32 pid;
	char comm[16];
	__u64 clone_flags;
};

struct sched_process_exec {
	__u64 common;
	__u32 filename; // its offset within this record in the lower half
};

// A child runs what its parent runs, until it calls exec. What an earlier process with the same pid ran is
// written over, so nothing needs to be done when a process ends.
SEC("tracepoint/task/task_newtask")
int forked(struct task_newtask *ctx)
{
	if (ctx->clone_flags & CLONE_THREAD)
		return 0;
	__u32 parent = current_pid(), child = ctx->pid;
	struct program unknown = {};
	struct program *program = bpf_map_lookup_elem(&programs, &parent);
	bpf_map_update_elem(&programs, &child, program ? program : &unknown, BPF_ANY);
	program = bpf_map_lookup_elem(&programs, &child);
	if (program) {
		program->start_ns = bpf_ktime_get_boot_ns();
		program->pid = child;
		program->is_told = 0;
	}
	return 0;
}

SEC("tracepoint/sched/sched_process_exec")
int executed(struct sched_process_exec *ctx)
{
	struct program program = {.exec_ns = bpf_ktime_get_boot_ns(), .pid = current_pid()};
	struct program *before = bpf_map_lookup_elem(&programs, &program.pid);
	if (before)
		program.start_ns = before->start_ns;
	bpf_probe_read_kernel_str(program.path, sizeof(program.path),
				  (char *)ctx + (ctx->filename & 0xffff));
	bpf_map_update_elem(&programs, &program.pid, &program, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
