/*
 * http/output.c - a connection's output buffer, and sending.
 *
 * Answers gather in a block, which is taken when there is something to send and given back when it
 * was sent: so all connections of a server use the same few blocks, which stay in the cache.
 */
#include "internal.h"

enum { COPIED_MAX = 4096 }; /* a larger body is sent from where it is, if it does not fit */

static int fail(struct bide__http_connection *c, ssize_t error)
{
    if (error == -ETIMEDOUT && !bide_cancelled())
        bide__http_add(&c->share->stats.timeouts, 1);
    c->error = (int)error;
    return c->error;
}

/* Take n bytes off the front of iov. */
static void advance(struct msghdr *message, size_t n)
{
    while (message->msg_iovlen && n >= message->msg_iov->iov_len) {
        n -= message->msg_iov->iov_len;
        message->msg_iov++;
        message->msg_iovlen--;
    }
    if (message->msg_iovlen) {
        message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + n;
        message->msg_iov->iov_len -= n;
    }
}

/* Mostly the socket takes all at once, and no timer is needed. */
static int send_all(struct bide__http_connection *c, struct iovec *iov, size_t count)
{
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
    ssize_t n = count == 1 ? bide_send(c->fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT)
                           : bide_sendmsg(c->fd, &message, MSG_DONTWAIT);
    if (n == -EAGAIN)
        n = 0;
    for (;;) {
        if (n < 0)
            return fail(c, n);
        bide__http_add(&c->share->stats.sent, (uint64_t)n);
        advance(&message, (size_t)n);
        if (!message.msg_iovlen)
            return 0;
        bide_let rest = bide_async(bide_sendmsg, c->fd, &message, 0);
        bide_within(c->server->options.send_timeout, &rest);
        n = rest.value;
    }
}

static void put_back(struct bide__http_connection *c)
{
    bide__http_block_put(&c->share->pool, c->output);
    c->output = NULL;
    c->output_size = 0;
}

int bide__http_flush(struct bide__http_connection *c)
{
    if (!c->output || c->error)
        return c->error;
    struct iovec iov = { c->output->data, c->output_size };
    if (iov.iov_len && send_all(c, &iov, 1) < 0)
        return c->error;
    put_back(c);
    return 0;
}

char *bide__http_reserve(struct bide__http_connection *c, size_t size)
{
    if (c->error)
        return NULL;
    if (c->output && size > sizeof(c->output->data) - c->output_size && bide__http_flush(c) < 0)
        return NULL;
    if (!c->output) {
        c->output = bide__http_block_get(&c->share->pool);
        c->output_size = 0;
        if (!c->output) {
            c->error = -ENOMEM;
            return NULL;
        }
    }
    return c->output->data + c->output_size;
}

int bide__http_put(struct bide__http_connection *c, const void *data, size_t size)
{
    if (size <= COPIED_MAX ||
        (c->output && size <= sizeof(c->output->data) - c->output_size)) {
        char *to = bide__http_reserve(c, size);
        if (!to)
            return c->error;
        memcpy(to, data, size);
        c->output_size += size;
        return 0;
    }
    if (c->error)
        return c->error;
    struct iovec iov[2];
    size_t count = 0;
    if (c->output)
        iov[count++] = (struct iovec){ c->output->data, c->output_size };
    iov[count++] = (struct iovec){ (void *)data, size };
    if (send_all(c, iov, count) < 0)
        return c->error;
    if (c->output)
        put_back(c);
    return 0;
}
