/* io/file_watch.c - inotify(7): events are read as many as there are, and given out one by one. */
#include "base/memory.h"
#include "base/panic.h"

#include <bide/file_watch.h>
#include <bide/io.h>
#include <bide/leaf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>

_Static_assert(sizeof(((struct bide_file_watch *)0)->buffer) >=
                   sizeof(struct inotify_event) + NAME_MAX + 1,
               "any event fits");

int bide_file_watch_init(struct bide_file_watch *w)
{
    int saved = errno;
    w->at = w->size = w->reading = 0;
    w->fd = bide__faulted() ? (errno = EMFILE, -1) : inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int error = w->fd < 0 ? -errno : 0;
    errno = saved;
    return error;
}

void bide_file_watch_release(struct bide_file_watch *w)
{
    if (w->fd >= 0)
        bide_close(w->fd);
    w->fd = -1;
}

int bide_file_watch_add(struct bide_file_watch *w, const char *path, uint32_t mask)
{
    int saved = errno;
    if (!mask)
        mask = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF;
    int id = bide__faulted() ? (errno = ENOMEM, -1) : inotify_add_watch(w->fd, path, mask);
    if (id < 0)
        id = -errno;
    errno = saved;
    return id;
}

int bide_file_watch_remove(struct bide_file_watch *w, int id)
{
    int saved = errno;
    int error = inotify_rm_watch(w->fd, id) < 0 ? -errno : 0;
    errno = saved;
    return error;
}

/* ---- bide_file_watch_next ---- */

static struct bide_file_watch_next_future *next_of(struct bide_future *f)
{
    return (struct bide_file_watch_next_future *)f;
}

/* The first event of the buffer. */
static int take(struct bide_file_watch *w, struct bide_file_event *ret_event)
{
    const struct inotify_event *event = (const void *)(w->buffer + w->at);
    w->at += (uint32_t)sizeof(*event) + event->len;
    if (event->mask & IN_Q_OVERFLOW)
        return -EOVERFLOW;
    *ret_event = (struct bide_file_event){ .id = event->wd, .mask = event->mask,
                                           .cookie = event->cookie,
                                           .name = event->len ? event->name : "" };
    return 0;
}

/* The read into the buffer, which is empty, is over. */
static void finish(struct bide_file_watch_next_future *f)
{
    struct bide_file_watch *w = f->args.watch;
    w->reading = 0;
    f->future.error = f->read.future.error;
    f->value = (int)f->read.value;
    if (f->value < 0)
        return;
    w->at = 0;
    w->size = (uint32_t)f->read.value;
    f->value = take(w, f->args.ret_event);
}

/* Is there an event already? Else the read is prepared. */
static bool at_hand(struct bide_file_watch_next_future *f)
{
    struct bide_file_watch *w = f->args.watch;
    if (w->reading)
        bide__panic("bide_file_watch_next: another task waits for the next event already");
    if (w->at < w->size) {
        f->value = take(w, f->args.ret_event);
        return true;
    }
    w->reading = 1;
    f->read = bide_async(bide_read, w->fd, w->buffer, sizeof(w->buffer));
    return false;
}

static enum bide_leaf_start next_start(struct bide_future *f)
{
    if (at_hand(next_of(f)))
        return BIDE_LEAF_DONE;
    if (bide_leaf_begin(f, &next_of(f)->read.future) == BIDE_LEAF_PENDING)
        return BIDE_LEAF_PENDING;
    finish(next_of(f));
    return BIDE_LEAF_DONE;
}

static void next_part_ended(struct bide_future *f, struct bide_future *part)
{
    (void)part;
    finish(next_of(f));
    bide_leaf_done(f);
}

static void next_cancel(struct bide_future *f)
{
    bide_leaf_cancel(f, &next_of(f)->read.future);
}

static void next_block(struct bide_future *f)
{
    if (at_hand(next_of(f)))
        return;
    bide_await(&next_of(f)->read);
    finish(next_of(f));
}

static void next_describe(const struct bide_future *f, struct bide_description *to)
{
    const struct bide_file_watch *w = ((const struct bide_file_watch_next_future *)f)->args.watch;
    snprintf(to->text, sizeof(to->text), "file event of inotify fd %d", w->fd);
}

static const struct bide_parts_ops next_ops = {
    { next_start, next_cancel, next_block, next_describe },
    next_part_ended,
};
const struct bide_type bide_file_watch_next_type =
    BIDE_LEAF_TYPE(bide_file_watch_next, &next_ops.leaf);

int bide_file_watch_next(struct bide_file_watch *w, struct bide_file_event *ret_event)
{
    return bide_await(bide_file_watch_next_async(w, ret_event));
}
