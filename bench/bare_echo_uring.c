/*
 * bare_echo_uring.c - echo on io_uring, in two manners: each connection receives into a buffer of
 * its own and then sends, one submission a turn; or each has one multishot receive that takes
 * buffers from a shared ring, and a buffer returns when its send is done.
 */
#include "bare.h"

#include <errno.h>
#include <liburing.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ENTRIES = 4096, COMPLETIONS = 32768, BUFFER = 64, BUFFERS = 16384, FDS = 20000 };

enum op { OP_ACCEPT, OP_RECV, OP_SEND };

struct server {
    struct io_uring ring;
    struct io_uring_buf_ring *free_buffers; /* of the multishot manner */
    int returned;                           /* buffers put back in this turn */
    char *memory; /* BUFFER bytes for each fd, or for each shared buffer */
};

/* The user data: operation, descriptor, and bytes or buffer. */
static uint64_t tag(enum op op, int fd, int number)
{
    return (uint64_t)op << 56 | (uint64_t)(unsigned)fd << 32 | (unsigned)number;
}

static struct io_uring_sqe *next_sqe(struct server *s)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

    if (!sqe) {
        io_uring_submit(&s->ring);
        sqe = io_uring_get_sqe(&s->ring);
    }
    return sqe;
}

static void start_accept(struct server *s, int listener)
{
    struct io_uring_sqe *sqe = next_sqe(s);

    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, tag(OP_ACCEPT, listener, 0));
}

static int set_up(struct server *s, int listener, size_t memory)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
                                     .cq_entries = COMPLETIONS};

    if (io_uring_queue_init_params(ENTRIES, &s->ring, &params) < 0)
        return -1;
    io_uring_register_ring_fd(&s->ring);
    s->memory = malloc(memory);
    if (!s->memory)
        return -1;
    memset(s->memory, 0, memory);
    start_accept(s, listener);
    return 0;
}

/* ---- a buffer a connection ----------------------------------------------------------------- */

static void start_recv(struct server *s, int fd)
{
    struct io_uring_sqe *sqe = next_sqe(s);

    io_uring_prep_recv(sqe, fd, s->memory + (size_t)fd * BUFFER, BUFFER, 0);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST; /* what was there has been answered */
    io_uring_sqe_set_data64(sqe, tag(OP_RECV, fd, 0));
}

static void start_send(struct server *s, int fd, int size)
{
    struct io_uring_sqe *sqe = next_sqe(s);

    io_uring_prep_send(sqe, fd, s->memory + (size_t)fd * BUFFER, (size_t)size, MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, tag(OP_SEND, fd, size));
}

static void complete(struct server *s, const struct io_uring_cqe *cqe)
{
    int fd = (int)(cqe->user_data >> 32 & 0xffffff);

    switch ((enum op)(cqe->user_data >> 56)) {
    case OP_ACCEPT:
        if (cqe->res >= 0)
            start_recv(s, cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE))
            start_accept(s, fd);
        break;
    case OP_RECV:
        if (cqe->res > 0)
            start_send(s, fd, cqe->res);
        else
            close(fd);
        break;
    case OP_SEND:
        if (cqe->res == (int)(uint32_t)cqe->user_data)
            start_recv(s, fd);
        else
            close(fd);
        break;
    }
}

/* ---- shared buffers ------------------------------------------------------------------------ */

static void give_buffer(struct server *s, int number)
{
    io_uring_buf_ring_add(s->free_buffers, s->memory + (size_t)number * BUFFER, BUFFER,
                          (unsigned short)number, io_uring_buf_ring_mask(BUFFERS), s->returned++);
}

static int share_buffers(struct server *s)
{
    size_t size = BUFFERS * sizeof(struct io_uring_buf);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)memory, .ring_entries = BUFFERS};

    if (memory == MAP_FAILED || io_uring_register_buf_ring(&s->ring, &reg, 0) < 0)
        return -1;
    s->free_buffers = memory;
    io_uring_buf_ring_init(s->free_buffers);
    for (int i = 0; i < BUFFERS; i++)
        give_buffer(s, i);
    return 0;
}

static void start_multishot(struct server *s, int fd)
{
    struct io_uring_sqe *sqe = next_sqe(s);

    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    io_uring_sqe_set_data64(sqe, tag(OP_RECV, fd, 0));
}

static void received(struct server *s, const struct io_uring_cqe *cqe, int fd)
{
    if (cqe->res > 0) {
        int number = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        struct io_uring_sqe *sqe = next_sqe(s);
        io_uring_prep_send(sqe, fd, s->memory + (size_t)number * BUFFER, (size_t)cqe->res,
                           MSG_WAITALL);
        io_uring_sqe_set_data64(sqe, tag(OP_SEND, fd, number));
    } else if (cqe->res != -ENOBUFS) {
        close(fd);
        return;
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        start_multishot(s, fd);
}

static void complete_multishot(struct server *s, const struct io_uring_cqe *cqe)
{
    int fd = (int)(cqe->user_data >> 32 & 0xffffff);

    switch ((enum op)(cqe->user_data >> 56)) {
    case OP_ACCEPT:
        if (cqe->res >= 0)
            start_multishot(s, cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE))
            start_accept(s, fd);
        break;
    case OP_RECV:
        received(s, cqe, fd);
        break;
    case OP_SEND:
        give_buffer(s, (int)(uint32_t)cqe->user_data);
        break;
    }
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void run(struct server *s, void (*each)(struct server *s, const struct io_uring_cqe *cqe))
{
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;

        if (s->returned)
            io_uring_buf_ring_advance(s->free_buffers, s->returned);
        s->returned = 0;
        io_uring_submit_and_wait(&s->ring, 1);
        io_uring_for_each_cqe(&s->ring, head, cqe)
        {
            each(s, cqe);
            seen++;
        }
        io_uring_cq_advance(&s->ring, seen);
    }
}

int bare_echo_uring(void *arg)
{
    static struct server server;

    if (set_up(&server, *(int *)arg, (size_t)FDS * BUFFER) < 0)
        return 1;
    run(&server, complete);
    return 0;
}

int bare_echo_uring_multishot(void *arg)
{
    static struct server server;

    if (set_up(&server, *(int *)arg, (size_t)BUFFERS * BUFFER) < 0 || share_buffers(&server) < 0)
        return 1;
    run(&server, complete_multishot);
    return 0;
}
