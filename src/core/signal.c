/*
 * core/signal.c - signals as futures.
 *
 * The handler counts the arrival and wakes the workers that wait for signals; they compare
 * counts. All that handler and workers share is atomic.
 */
#include "core/internal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

enum { LISTENERS = 64, SIGNALS = 65 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before[SIGNALS]; /* under lock */
static bool taken[SIGNALS];              /* under lock */
static unsigned arrivals[SIGNALS];       /* atomic */
static unsigned consumed[SIGNALS];       /* atomic: arrivals that somebody was told of */
static struct bide__reactor *listeners[LISTENERS]; /* atomic */
static int in_handler;                   /* atomic: a listener that leaves waits for 0 */

static void on_signal(int number)
{
    __atomic_add_fetch(&in_handler, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&arrivals[number], 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < LISTENERS; i++) {
        struct bide__reactor *reactor = __atomic_load_n(&listeners[i], __ATOMIC_SEQ_CST);
        if (reactor)
            reactor->ops->wake(reactor);
    }
    __atomic_sub_fetch(&in_handler, 1, __ATOMIC_SEQ_CST);
}

static bool waitable(int number)
{
    switch (number) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
        return false;
    default:
        return number > 0 && number < SIGNALS && number <= SIGRTMAX;
    }
}

static int take(int number)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigfillset(&action.sa_mask);
    int error = 0;
    pthread_mutex_lock(&lock);
    if (!taken[number]) {
        if (sigaction(number, &action, &before[number]) < 0)
            error = -errno;
        else
            taken[number] = true;
    }
    pthread_mutex_unlock(&lock);
    return error;
}

int bide_signal_release(int number)
{
    if (!waitable(number))
        return -EINVAL;
    pthread_mutex_lock(&lock);
    if (taken[number]) {
        sigaction(number, &before[number], NULL);
        taken[number] = false;
        __atomic_store_n(&consumed[number], __atomic_load_n(&arrivals[number], __ATOMIC_SEQ_CST),
                         __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

void bide__signals_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

/* A child wakes none of its parent's workers. */
void bide__signals_after_fork(bool child)
{
    for (int i = 0; child && i < LISTENERS; i++)
        __atomic_store_n(&listeners[i], NULL, __ATOMIC_SEQ_CST);
    if (child)
        __atomic_store_n(&in_handler, 0, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&lock);
}

static int listen_for_signals(struct bide__worker *w)
{
    for (int i = 0; w->signal_slot < 0 && i < LISTENERS; i++) {
        struct bide__reactor *none = NULL;
        if (__atomic_compare_exchange_n(&listeners[i], &none, w->reactor, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
            w->signal_slot = i;
    }
    return w->signal_slot < 0 ? -ENOMEM : 0;
}

void bide__signals_leave(struct bide__worker *w)
{
    if (w->signal_slot < 0)
        return;
    __atomic_store_n(&listeners[w->signal_slot], NULL, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&in_handler, __ATOMIC_SEQ_CST))
        sched_yield();
    w->signal_slot = -1;
}

static void tell(struct bide_signal_future *f, unsigned count)
{
    __atomic_store_n(&consumed[f->args.number], count, __ATOMIC_SEQ_CST);
    f->value = f->args.number;
}

void bide__signals_deliver(struct bide__worker *w)
{
    struct bide__list waiting;
    bide__list_init(&waiting);
    bide__list_splice(&waiting, &w->signals);
    /* One that ends may cancel another, which then leaves whichever list it is in. */
    for (struct bide__list *link; (link = bide__list_pop(&waiting));) {
        struct bide_signal_future *f = bide__container(link, struct bide_signal_future, link);
        unsigned count = __atomic_load_n(&arrivals[f->args.number], __ATOMIC_SEQ_CST);
        if (count == f->arrivals) {
            bide__list_push(&w->signals, link);
            continue;
        }
        bide__list_init(link);
        tell(f, count);
        bide_leaf_done(&f->future);
    }
}

static enum bide_leaf_start signal_start(struct bide_future *future)
{
    struct bide_signal_future *f = (struct bide_signal_future *)future;
    struct bide__worker *w = bide__worker();
    int number = f->args.number;
    f->value = !waitable(number) ? -EINVAL : listen_for_signals(w);
    if (!f->value)
        f->value = take(number);
    if (f->value < 0)
        return BIDE_LEAF_DONE;
    f->arrivals = __atomic_load_n(&consumed[number], __ATOMIC_SEQ_CST);
    unsigned count = __atomic_load_n(&arrivals[number], __ATOMIC_SEQ_CST);
    if (count != f->arrivals) {
        tell(f, count);
        return BIDE_LEAF_DONE;
    }
    bide__list_push(&w->signals, &f->link);
    return BIDE_LEAF_PENDING;
}

static void signal_cancel(struct bide_future *future)
{
    struct bide_signal_future *f = (struct bide_signal_future *)future;
    bide__list_remove(&f->link);
    bide_leaf_fail(future, bide_leaf_reason(future));
}

static void signal_describe(const struct bide_future *future, struct bide_description *to)
{
    int number = ((const struct bide_signal_future *)future)->args.number;
    const char *name = sigabbrev_np(number);
    if (name)
        bide__say(to, "signal SIG%s", name);
    else
        bide__say(to, "signal %d", number);
}

static const struct bide_leaf_ops signal_ops = {
    .start = signal_start,
    .cancel = signal_cancel,
    .describe = signal_describe,
};
const struct bide_type bide_signal_type = BIDE_LEAF_TYPE(bide_signal, &signal_ops);

int bide_signal(int number)
{
    return bide_await(bide_signal_async(number));
}
