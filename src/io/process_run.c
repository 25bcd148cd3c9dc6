/* io/process_run.c - a process from its start to its end: feeding it, and collecting its output. */
#include "base/memory.h"

#include <bide/io.h>
#include <bide/join.h>
#include <bide/process.h>
#include <errno.h>

enum { HEAP_FIRST = 4096, HEAP_MAX = 16 * 1024 * 1024 + 1 };

/* How many bytes more may be kept: at least 1 after growing, 0 at the limit; or -ENOMEM. */
static ssize_t make_room(struct bide_process_output *to, size_t *allocated, size_t limit)
{
    if (to->size + 1 >= *allocated && *allocated < limit) {
        size_t size = *allocated ? 2 * *allocated : HEAP_FIRST;
        if (size > limit)
            size = limit;
        char *data = bide__realloc(to->data, size);
        if (!data)
            return -ENOMEM;
        to->data = data;
        *allocated = size;
    }
    to->data[to->size] = '\0';
    return (ssize_t)(*allocated - 1 - to->size);
}

/* Until the end of fd. */
static int collect(int fd, struct bide_process_output *to)
{
    if (!to)
        return 0;
    size_t limit = to->capacity ? to->capacity : HEAP_MAX;
    size_t allocated = to->data ? limit : 0;
    for (;;) {
        char rest[1024];
        ssize_t room = make_room(to, &allocated, limit);
        if (room < 0)
            return (int)room;
        char *at = room ? to->data + to->size : rest;
        ssize_t n = bide_read(fd, at, room ? (size_t)room : sizeof(rest));
        if (n <= 0)
            return (int)n;
        if (room) {
            to->size += (size_t)n;
            continue;
        }
        to->dropped += (size_t)n;
        if (!to->truncate)
            return -EMSGSIZE;
    }
}
BIDE_ASYNC(int, collect, int, struct bide_process_output *)

/* A process may end, or close its input, without having read all of it. */
static int feed(struct bide_process *p, const void *input, size_t size)
{
    if (p->in < 0)
        return 0;
    ssize_t n = bide_write_all(p->in, input, size);
    bide_process_close_in(p);
    return n < 0 && n != -EPIPE ? (int)n : 0;
}
BIDE_ASYNC(int, feed, struct bide_process *, const void *, size_t)

static int prepare_output(struct bide_stdio *stream, struct bide_process_output *to)
{
    if (!to)
        return stream->kind == BIDE__STDIO_PIPE ? -EINVAL : 0;
    if (to->data && !to->capacity)
        return -EINVAL;
    *stream = BIDE_STDIO_PIPE;
    to->size = to->dropped = 0;
    return 0;
}

static int prepare_input(struct bide_stdio *stream, size_t size)
{
    if (size)
        *stream = BIDE_STDIO_PIPE;
    else if (stream->kind == BIDE__STDIO_PIPE)
        return -EINVAL;
    else if (stream->kind == BIDE__STDIO_INHERIT)
        *stream = BIDE_STDIO_NULL;
    return 0;
}

int bide_process_run(const struct bide_process_options *options, const void *input, size_t size,
                     struct bide_process_output *out, struct bide_process_output *err)
{
    struct bide_process_options o = *options;
    int status = prepare_input(&o.in, size);
    if (!status)
        status = prepare_output(&o.out, out);
    if (!status)
        status = prepare_output(&o.err, err);
    if (status < 0)
        return status;
    BIDE_PROCESS(p, &o) {
        bide_let feeding = bide_async(feed, &p, input, size);
        bide_let output = bide_async(collect, p.out, out);
        bide_let errors = bide_async(collect, p.err, err);
        bide_let waiting = bide_async(bide_process_wait, &p);
        status = p.status;
        if (!status)
            status = bide_try_join(&feeding, &output, &errors, &waiting);
        if (!status)
            status = waiting.value;
    }
    return status;
}
