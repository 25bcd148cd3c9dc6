/* sync/watch.c - a broadcast that keeps one value, where to lag is no error. */
#include "sync/copy.h"
#include "sync/wait.h"

#include <bide/watch.h>
#include <errno.h>

int bide_watch_init(struct bide_watch *watch, size_t value_size, const void *value)
{
    int error = bide_broadcast_init(&watch->values, value_size, 1);
    if (error)
        return error;
    watch->values.latest = 1;
    return value ? bide_broadcast_send(&watch->values, value) : 0;
}

void bide_watch_release(struct bide_watch *watch)
{
    bide_broadcast_release(&watch->values);
}

int bide_watch_send(struct bide_watch *watch, const void *value)
{
    return bide_broadcast_send(&watch->values, value);
}

int bide_watch_recv(struct bide_watcher *watcher, void *ret_value)
{
    return bide_broadcast_recv(&watcher->values, ret_value, NULL);
}

int bide_watch_try_recv(struct bide_watcher *watcher, void *ret_value)
{
    return bide_broadcast_try_recv(&watcher->values, ret_value, NULL);
}

int bide_watch_get(struct bide_watch *watch, void *ret_value)
{
    struct bide_broadcast *values = &watch->values;
    bide__lock(&values->lock);
    bool any = values->sent > 0;
    if (any)
        bide__copy(ret_value, values->ring, values->value_size);
    bide__unlock(&values->lock);
    return any ? 0 : -EAGAIN;
}

void bide_watch_close(struct bide_watch *watch)
{
    bide_broadcast_close(&watch->values);
}
