/*
 * 09_leaf - a leaf future of one's own: a gate that tasks wait at until it opens.
 *
 * A leaf is a future that needs no stack: start begins it in its own struct, cancel asks it to
 * end, bide_leaf_done says that it has ended. All of it runs on one thread: no locks, no atomics.
 */
#include <stdio.h>

#include <bide/keywords.h>

struct gate {
    int open;
    struct pass_future *waiting; /* latest first */
};

struct pass_future {
    struct bide_future future; /* first */
    int value;
    struct {
        struct gate *gate;
    } args;
    struct pass_future *next; /* in gate->waiting */
};

static enum bide_leaf_start pass_start(struct bide_future *future)
{
    struct pass_future *f = (struct pass_future *)future;
    f->value = 0;
    if (f->args.gate->open)
        return BIDE_LEAF_DONE;
    f->next = f->args.gate->waiting;
    f->args.gate->waiting = f;
    return BIDE_LEAF_PENDING;
}

static void pass_cancel(struct bide_future *future)
{
    struct pass_future *f = (struct pass_future *)future;
    struct pass_future **at = &f->args.gate->waiting;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    bide_leaf_fail(future, bide_leaf_reason(future)); /* -ECANCELED or -ETIMEDOUT */
}

static const struct bide_leaf_ops pass_ops = { .start = pass_start, .cancel = pass_cancel };
static const struct bide_type pass_type = BIDE_LEAF_TYPE(pass, &pass_ops);

static struct pass_future pass_async(struct gate *gate)
{
    return (struct pass_future){ .future = { .type = &pass_type }, .args = { gate } };
}

static void gate_open(struct gate *gate)
{
    gate->open = 1;
    for (struct pass_future *f; (f = gate->waiting);) {
        gate->waiting = f->next;
        bide_leaf_done(&f->future); /* f may be gone now */
    }
}
ASYNC_VOID(gate_open, struct gate *)

static int demo(void)
{
    struct gate gate = { 0 };
    printf("a closed gate: %s\n", within(BIDE_MS, async(pass, &gate)) ? "timed out" : "passed");
    let first = async(pass, &gate);
    let second = async(pass, &gate);
    int error = join(&first, &second, async(gate_open, &gate));
    printf("an opened gate: %s\n", error || first.value ? "failed" : "both passed");
    printf("an open gate: %s\n", await(async(pass, &gate)) ? "failed" : "passed at once");
    return 0;
}
ASYNC(int, demo)

int main(void)
{
    return bide_run(async(demo)) ? 1 : 0;
}
