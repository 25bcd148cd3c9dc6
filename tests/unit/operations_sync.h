/*
 * operations_sync.h - the part of operations.h that is about what tasks coordinate with. An object
 * that is locked is so by nobody that runs here.
 */

/* ---- channels ---- */

enum { FIRST = 1, SECOND };

static void open_full_chan(struct ctx *c)
{
    CHECK_EQ(bide_chan_init(&c->chan, sizeof(int), 1), 0);
    CHECK_EQ(bide_chan_try_send(&c->chan, &(int){ FIRST }), 0);
    c->sent = SECOND;
}

static void make_room(struct ctx *c)
{
    CHECK_EQ(bide_chan_try_recv(&c->chan, &c->received), 0);
    CHECK_EQ(c->received, FIRST);
}

static void check_sent(struct ctx *c, long result)
{
    CHECK_EQ(bide_chan_try_recv(&c->chan, &c->received), cancelled(result) ? -EAGAIN : result);
    CHECK_EQ(c->received, cancelled(result) ? FIRST : SECOND);
}

static void open_empty_chan(struct ctx *c)
{
    CHECK_EQ(bide_chan_init(&c->chan, sizeof(int), 1), 0);
}

static void put_value(struct ctx *c)
{
    CHECK_EQ(bide_chan_try_send(&c->chan, &(int){ FIRST }), 0);
}

static void check_received(struct ctx *c, long result)
{
    CHECK_EQ(c->received, cancelled(result) ? 0 : FIRST);
    CHECK_EQ(bide_chan_try_recv(&c->chan, &c->received), cancelled(result) ? 0 : -EAGAIN);
    CHECK_EQ(c->received, FIRST);
}

static void close_chan(struct ctx *c)
{
    bide_chan_release(&c->chan);
}

LEAF(chan_send, bide_chan_send, &c->chan, &c->sent)
LEAF(chan_recv, bide_chan_recv, &c->chan, &c->received)

/* ---- oneshot, broadcast, watch ---- */

static void open_oneshot(struct ctx *c)
{
    bide_oneshot_init(&c->oneshot);
}

static void answer(struct ctx *c)
{
    CHECK_EQ(bide_oneshot_send(&c->oneshot, FIRST), 0);
}

static void check_answered(struct ctx *c, long result)
{
    CHECK_EQ(c->received, cancelled(result) ? 0 : FIRST);
    CHECK_EQ(bide_oneshot_try_recv(&c->oneshot, &c->received), cancelled(result) ? 0 : -EPIPE);
    CHECK_EQ(c->received, FIRST);
}

static void open_subscription(struct ctx *c)
{
    CHECK_EQ(bide_broadcast_init(&c->broadcast, sizeof(int), 2), 0);
    c->subscriber = bide_broadcast_subscribe(&c->broadcast);
}

static void broadcast_value(struct ctx *c)
{
    CHECK_EQ(bide_broadcast_send(&c->broadcast, &(int){ FIRST }), 0);
}

static void check_broadcast(struct ctx *c, long result)
{
    CHECK_EQ(c->received, cancelled(result) ? 0 : FIRST);
    CHECK_EQ(bide_broadcast_try_recv(&c->subscriber, &c->received, NULL),
             cancelled(result) ? 0 : -EAGAIN);
    CHECK_EQ(c->received, FIRST);
}

static void close_broadcast(struct ctx *c)
{
    bide_broadcast_release(&c->broadcast);
}

static void open_latest(struct ctx *c)
{
    CHECK_EQ(bide_watch_init(&c->latest, sizeof(int), NULL), 0);
    c->watcher = (struct bide_watcher)BIDE_WATCHER(&c->latest);
}

static void change_value(struct ctx *c)
{
    CHECK_EQ(bide_watch_send(&c->latest, &(int){ FIRST }), 0);
}

static void check_latest(struct ctx *c, long result)
{
    CHECK_EQ(c->received, cancelled(result) ? 0 : FIRST);
    CHECK_EQ(bide_watch_try_recv(&c->watcher, &c->received), cancelled(result) ? 0 : -EAGAIN);
    CHECK_EQ(c->received, FIRST);
}

static void close_latest(struct ctx *c)
{
    bide_watch_release(&c->latest);
}

LEAF(oneshot_recv, bide_oneshot_recv, &c->oneshot, &c->received)
LEAF(broadcast_recv, bide_broadcast_recv, &c->subscriber, &c->received, NULL)
LEAF(watch_recv, bide_watch_recv, &c->watcher, &c->received)

/* ---- mutex, rwlock, semaphore ---- */

static void open_locked(struct ctx *c)
{
    c->mutex.owner = c;
    c->rwlock.writer = c;
}

static void unlock_mutex(struct ctx *c)
{
    bide_mutex_unlock(&c->mutex);
}

static void check_mutex(struct ctx *c, long result)
{
    check_zero(c, result);
    CHECK_EQ(bide_mutex_try_lock(&c->mutex), cancelled(result) ? 0 : -EBUSY);
    bide_mutex_unlock(&c->mutex);
}

static void unlock_rwlock(struct ctx *c)
{
    bide_rwlock_unlock(&c->rwlock);
}

static void check_rwlock(struct ctx *c, long result)
{
    check_zero(c, result);
    CHECK_EQ(bide_rwlock_try_write(&c->rwlock), cancelled(result) ? 0 : -EBUSY);
    bide_rwlock_unlock(&c->rwlock);
    CHECK_EQ(bide_rwlock_try_write(&c->rwlock), 0);
}

static void give_permits(struct ctx *c)
{
    bide_semaphore_release(&c->semaphore, 2);
}

static void check_permits(struct ctx *c, long result)
{
    check_zero(c, result);
    CHECK_EQ(bide_semaphore_try_acquire(&c->semaphore, 2), cancelled(result) ? 0 : -EAGAIN);
    CHECK_EQ(bide_semaphore_try_acquire(&c->semaphore, 1), -EAGAIN);
}

LEAF(mutex_lock, bide_mutex_lock, &c->mutex)
LEAF(rwlock_read, bide_rwlock_read, &c->rwlock)
LEAF(rwlock_write, bide_rwlock_write, &c->rwlock)
LEAF(semaphore_acquire, bide_semaphore_acquire, &c->semaphore, 2)

/* ---- condition ---- */

static long condition_wait_plain(struct ctx *c)
{
    int error = bide_mutex_lock(&c->mutex);
    if (error)
        return error;
    while (!error && !c->resolved)
        error = bide_condition_wait(&c->condition, &c->mutex);
    bide_mutex_unlock(&c->mutex);
    return error;
}

/* Whoever drives it holds the mutex before and after. */
static struct bide_future *condition_wait_make(struct ctx *c, void *at)
{
    struct bide_condition_wait_future f = bide_async(bide_condition_wait, &c->condition, &c->mutex);
    memcpy(at, &f, sizeof(f));
    bide_mutex_try_lock(&c->mutex);
    c->calls = 1;
    return at;
}

static void signal_condition(struct ctx *c)
{
    c->resolved = 1;
    bide_condition_signal(&c->condition);
}

static void check_condition(struct ctx *c, long result)
{
    check_zero(c, result);
    CHECK_EQ(bide_mutex_try_lock(&c->mutex), c->calls ? -EBUSY : 0);
    bide_mutex_unlock(&c->mutex);
    CHECK_EQ(bide_mutex_try_lock(&c->mutex), 0);
}

/* ---- event, wait group, barrier, once ---- */

static void open_count(struct ctx *c)
{
    bide_waitgroup_add(&c->waitgroup, 1);
}

static void set_event(struct ctx *c)
{
    bide_event_set(&c->flag);
}

static void count_down(struct ctx *c)
{
    bide_waitgroup_done(&c->waitgroup);
}

static void open_barrier(struct ctx *c)
{
    c->barrier = (struct bide_barrier)BIDE_BARRIER(2);
}

static void come_too(struct ctx *c)
{
    bide_let wait = bide_async(bide_barrier_wait, &c->barrier);
    bide_within(BIDE_MS, &wait);
    c->resolved = bide_error(&wait) ? bide_error(&wait) : wait.value;
}

static void check_barrier(struct ctx *c, long result)
{
    if (cancelled(result))
        CHECK(cancelled(c->resolved));
    else
        CHECK_EQ(result + c->resolved, 1);
    CHECK_EQ(c->barrier.waiting, 0);
}

static void open_begun(struct ctx *c)
{
    c->once.runner = c;
}

static void fail_to_do_it(struct ctx *c)
{
    bide_once_end(&c->once, -EIO);
}

static void check_once(struct ctx *c, long result)
{
    if (cancelled(result)) {
        bide_shield()
            result = bide_once_begin(&c->once);
    }
    CHECK_EQ(result, 1);
    bide_once_end(&c->once, 0);
    CHECK_EQ(bide_once_begin(&c->once), 0);
}

LEAF(event_wait, bide_event_wait, &c->flag)
LEAF(waitgroup_wait, bide_waitgroup_wait, &c->waitgroup)
LEAF(barrier_wait, bide_barrier_wait, &c->barrier)
LEAF(once_begin, bide_once_begin, &c->once)
