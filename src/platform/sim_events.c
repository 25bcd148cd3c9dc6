/*
 * platform/sim_events.c - what is to come: a pairing heap (Fredman, Sedgewick, Sleator and Tarjan,
 * 1986) of events that allocates nothing.
 */
#include "platform/sim.h"

#include "base/panic.h"

static bool earlier(const struct bide__sim_event *a, const struct bide__sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->number < b->number;
}

/* Of two roots, of which either may be NULL. */
static struct bide__sim_event *meld(struct bide__sim_event *a, struct bide__sim_event *b)
{
    if (!a || !b)
        return a ? a : b;
    if (earlier(b, a)) {
        struct bide__sim_event *swap = a;
        a = b;
        b = swap;
    }
    b->next = a->child;
    b->before = a;
    if (a->child)
        a->child->before = b;
    a->child = b;
    a->next = a->before = NULL;
    return a;
}

/* Siblings become one heap: in pairs from the left, then all from the right. */
static struct bide__sim_event *meld_all(struct bide__sim_event *siblings)
{
    struct bide__sim_event *pairs = NULL, *all = NULL;
    while (siblings) {
        struct bide__sim_event *a = siblings, *b = a->next;
        siblings = b ? b->next : NULL;
        a->next = a->before = NULL;
        if (b)
            b->next = b->before = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct bide__sim_event *a = pairs;
        pairs = a->next;
        a->next = NULL;
        all = meld(all, a);
    }
    return all;
}

void bide__sim_set(struct bide__world *world, struct bide__sim_event *event, bide_time at)
{
    bide__assert(!event->number);
    event->at = at;
    event->number = ++world->numbers;
    event->child = event->next = event->before = NULL;
    world->first = meld(world->first, event);
}

void bide__sim_clear(struct bide__world *world, struct bide__sim_event *event)
{
    if (!event->number)
        return;
    event->number = 0;
    if (event == world->first) {
        world->first = meld_all(event->child);
        return;
    }
    struct bide__sim_event *before = event->before;
    if (before->child == event)
        before->child = event->next;
    else
        before->next = event->next;
    if (event->next)
        event->next->before = before;
    world->first = meld(world->first, meld_all(event->child));
}
