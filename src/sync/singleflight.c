/*
 * sync/singleflight.c - flights that are under way, in a tree by key. It is a treap (Aragon and
 * Seidel, 1989): of random shape, whatever keys come in whatever order, so a search takes
 * O(log n). A flight lies on the stack of the task that leads it, that is, runs its work; the
 * others wait in its queue. All of it is under the lock of the struct bide_singleflight.
 */
#include "sync/combine.h"
#include "sync/wait.h"

#include <bide/random.h>
#include <bide/singleflight.h>
#include <errno.h>

/* How a wait ends that has not failed; otherwise with an error that the leader had. */
enum { SHARED, LEADS };

struct singleflight {
    struct bide_future future;
    struct bide__singleflight args;
};

struct bide__flight {
    struct bide__flight *left, *right;
    uint64_t priority; /* not above that of the flight over it */
    const void *key;
    size_t size, value_size;
    const void *leader;       /* a fiber or a thread */
    struct bide__queue queue; /* of enter_future */
};

/* The leaf in which each begins: it ends at once in the first, the leader. */
struct enter_future {
    struct bide_future future;
    int value;
    struct bide__waiter waiter;
    struct {
        struct bide_singleflight *flights;
        void *ret_value; /* where a value goes that another has got */
    } args;
    struct bide__flight own; /* once it leads */
};

static struct enter_future *enter_of(struct bide_future *f)
{
    return (struct enter_future *)f;
}

/* ---- the tree ---- */

static int compare(const struct bide__flight *a, const struct bide__flight *b)
{
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return a->size ? memcmp(a->key, b->key, a->size) : 0;
}

/* The link that leads to the flight with like's key, or to NULL. */
static struct bide__flight **find(struct bide_singleflight *flights,
                                  const struct bide__flight *like)
{
    struct bide__flight **link = &flights->flights;
    for (int order; *link && (order = compare(like, *link)) != 0;)
        link = order < 0 ? &(*link)->left : &(*link)->right;
    return link;
}

/* It takes the place of the first on its way that has a lower priority; what was there is cut along
 * its key into what is left and right of it. */
static void insert(struct bide_singleflight *flights, struct bide__flight *new)
{
    struct bide__flight **link = &flights->flights;
    while (*link && (*link)->priority >= new->priority)
        link = compare(new, *link) < 0 ? &(*link)->left : &(*link)->right;
    struct bide__flight *at = *link, **left = &new->left, **right = &new->right;
    *link = new;
    while (at) {
        if (compare(at, new) < 0) {
            *left = at;
            left = &at->right;
            at = at->right;
        } else {
            *right = at;
            right = &at->left;
            at = at->left;
        }
    }
    *left = *right = NULL;
}

static void take_out(struct bide__flight **link)
{
    struct bide__flight *left = (*link)->left, *right = (*link)->right;
    while (left && right) {
        if (left->priority >= right->priority) {
            *link = left;
            link = &left->right;
            left = left->right;
        } else {
            *link = right;
            link = &right->left;
            right = right->left;
        }
    }
    *link = left ? left : right;
}

/* ---- entering ---- */

static enum bide_leaf_start enter_start(struct bide_future *future)
{
    struct enter_future *f = enter_of(future);
    struct bide_singleflight *flights = f->args.flights;
    f->own.leader = bide__holder_of(future);
    f->own.priority = bide_random();
    f->value = LEADS;
    bide__lock(&flights->lock);
    struct bide__flight *flight = *find(flights, &f->own);
    bool leads = !flight, own = flight && flight->leader == f->own.leader;
    bool alike = !flight || flight->value_size == f->own.value_size;
    if (leads)
        insert(flights, &f->own);
    else if (alike && !own)
        bide__queue_push(&flight->queue, future);
    bide__unlock(&flights->lock);
    if (own)
        bide__panic("%s: bide_singleflight: this task runs that key already", bide_current_name());
    if (!alike)
        bide__panic("%s: bide_singleflight: a key is shared by values of different sizes",
                    bide_current_name());
    return leads ? BIDE_LEAF_DONE : BIDE_LEAF_PENDING;
}

static void enter_cancel(struct bide_future *f)
{
    bide__waiter_cancel(f, &enter_of(f)->args.flights->lock);
}

static void enter_describe(const struct bide_future *future, struct bide_description *to)
{
    const struct enter_future *f = (const struct enter_future *)future;
    struct bide_singleflight *flights = f->args.flights;
    bide__lock(&flights->lock);
    const struct bide__flight *flight = *find(flights, &f->own);
    to->holder = flight ? flight->leader : NULL;
    bide__unlock(&flights->lock);
    bide__say(to, "singleflight");
}

static const struct bide_leaf_ops enter_ops = { enter_start, enter_cancel, bide__waiter_block,
                                                enter_describe };
static const struct bide_type enter_type = BIDE_LEAF_TYPE(enter, &enter_ops);

/* ---- leaving, as the leader ---- */

/* Under the lock: those that wait get work's value. */
static void share(struct bide__flight *flight, struct bide_future *work, struct bide__list *taken)
{
    for (struct bide__wait_future *f; (f = bide__queue_first(&flight->queue));) {
        memcpy(enter_of(&f->future)->args.ret_value, bide__value_of(work), flight->value_size);
        bide__queue_take_to(f, work->error ? work->error : SHARED, taken);
    }
}

/* Under the lock: the first that waits leads the others. */
static void hand_over(struct bide_singleflight *flights, struct bide__flight *flight,
                      struct bide__list *taken)
{
    struct bide__wait_future *first = bide__queue_first(&flight->queue);
    if (!first)
        return;
    struct bide__flight *next = &enter_of(&first->future)->own;
    bide__queue_take_to(first, LEADS, taken);
    bide__list_init(&next->queue.waiting);
    bide__list_splice(&next->queue.waiting, &flight->queue.waiting);
    insert(flights, next);
}

/* Its work is over. */
static void leave(struct enter_future *f, struct bide_future *work)
{
    struct bide_singleflight *flights = f->args.flights;
    bool well = work->type->errno_value && !bide__value_error(work);
    bool counts = well || !bide_cancelled();
    struct bide__list taken;
    bide__list_init(&taken);
    bide__lock(&flights->lock);
    take_out(find(flights, &f->own));
    if (counts)
        share(&f->own, work, &taken);
    else
        hand_over(flights, &f->own, &taken);
    bide__unlock(&flights->lock);
    bide__waiters_wake(&taken);
}

void bide__singleflight_run(struct bide_future *f)
{
    const struct bide__singleflight *args = &((struct singleflight *)f)->args;
    struct enter_future enter = {
        .future = { .type = &enter_type },
        .args = { args->flights, bide__value_of(f) },
        .own = { .key = args->key, .size = args->size,
                 .value_size = bide__combined(f)->value_size },
    };
    bide_await(&enter);
    if (enter.value == LEADS) {
        bide__drive_work(f);
        leave(&enter, bide__work(f));
    } else if (enter.value < 0) {
        bide__end_without(f, enter.value);
    }
}
