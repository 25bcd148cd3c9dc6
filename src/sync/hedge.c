/*
 * sync/hedge.c - each copy lives on the stack of a child that runs it. The first that ends well
 * writes its value into the future, and ends the scope that they are children of.
 */
#include "sync/combine.h"

#include <bide/event.h>
#include <bide/hedge.h>

#define DELAY (100 * BIDE_MS)
enum { COPIES = 2 };

struct hedge {
    struct bide_future future;
    struct bide_hedge_options args;
};

struct contest {
    struct bide_future *f;
    struct bide_scope *scope;
    struct bide_event over; /* there is a result, or all that had begun have failed */
    unsigned running;
    bool ended, won; /* one has; well */
};

static void discard(struct bide_future *f, void *value)
{
    void (*call)(void *value) = ((struct hedge *)f)->args.discard;
    if (!call)
        return;
    bide_shield()
        call(value);
}

static void run_copy(struct contest *c)
{
    struct bide_future *room = bide__copy_room(c->f);
    bide__drive_copy(c->f, room);
    c->running--;
    bool good = room->state == BIDE_DONE && !room->error && !bide__value_error(room);
    if (c->won) {
        if (good)
            discard(c->f, bide__value_of(room));
        return;
    }
    bide__take_value(c->f, room);
    c->ended = true;
    c->won = good;
    if (good || !c->running) {
        bide_event_set(&c->over);
        bide_scope_cancel(c->scope);
    }
}
BIDE_ASYNC_VOID(run_copy, struct contest *)

static void run_copies(struct contest *c, const struct bide_hedge_options *o)
{
    bide_time delay = o->delay ? o->delay : DELAY;
    unsigned copies = o->copies ? o->copies : COPIES;
    while (!bide_event_is_set(&c->over) && !bide_spawn(c->scope, bide_async(run_copy, c))) {
        c->running++;
        if (--copies == 0)
            break;
        bide_within(delay, bide_async(bide_event_wait, &c->over));
    }
}

static void hedge_in_fiber(struct bide_future *f)
{
    struct contest c = { .f = f };
    BIDE_SCOPE(s) {
        c.scope = &s;
        run_copies(&c, &((struct hedge *)f)->args);
    }
    if (c.ended)
        return;
    if (bide_cancelled())
        bide__end_without(f, bide_cancelled());
    else /* there was no memory for a child */
        bide__drive_work(f);
}
BIDE_ASYNC_VOID(hedge_in_fiber, struct bide_future *)

void bide__hedge_run(struct bide_future *f)
{
    bide_let run = bide_async(hedge_in_fiber, f);
    bide_run(&run);
    if (bide_error(&run)) /* in a plain thread, no runtime could be made */
        bide__end_without(f, bide_error(&run));
}
