/*
 * core/timer.c - timers and sleeping.
 *
 * A hierarchical timing wheel (Varghese and Lauck, 1987) with slots of one nanosecond at its lowest
 * level: level l holds the timers whose deadline first differs from the cursor in the l-th group of
 * 6 bits. Setting and clearing are O(1) and allocate nothing. Timers fire in the order of their
 * deadlines, equal ones in the order in which they were set; never early.
 *
 * A slot remembers whether its timers are in order. Sleeps of equal length always are, and fire
 * from their slot as it stands. Otherwise, when its time comes, a wide slot is spread over the
 * level below and a narrow one is sorted.
 */
#include "core/internal.h"
#include "platform/sim.h"

#include <errno.h>
#include <time.h>

enum {
    SCAN = 32,  /* timers of one slot that bide__wheel_next looks at */
    BATCH = 64, /* timers that fire in one go: what they wake runs while it is still cached */
    SORTED_LEVEL = 2, /* up to it (slots of 4 us) a slot in disorder is sorted */
};

void bide__wheel_init(struct bide__wheel *wheel, bide_time now)
{
    wheel->cursor = now;
    wheel->count = 0;
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        wheel->occupied[level] = wheel->disordered[level] = 0;
        for (int slot = 0; slot < WHEEL_SLOTS; slot++)
            bide__list_init(&wheel->slots[level][slot]);
    }
}

static struct bide__timer *timer_of(struct bide__list *link)
{
    return bide__container(link, struct bide__timer, link);
}

static void place(struct bide__wheel *wheel, struct bide__timer *timer)
{
    bide_time at = timer->deadline < wheel->cursor ? wheel->cursor : timer->deadline;
    uint64_t differ = (uint64_t)(at ^ wheel->cursor);
    int level = differ ? (63 - __builtin_clzll(differ)) / WHEEL_BITS : 0;
    int slot = (int)((uint64_t)at >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
    struct bide__list *head = &wheel->slots[level][slot];
    if (head->prev != head && timer_of(head->prev)->deadline > timer->deadline)
        wheel->disordered[level] |= 1ULL << slot;
    wheel->occupied[level] |= 1ULL << slot;
    bide__list_push(head, &timer->link);
}

void bide__timer_set(struct bide__wheel *wheel, struct bide__timer *timer)
{
    bide__count(&wheel->count, 1);
    place(wheel, timer);
}

/* Unlinks the timer. A slot that becomes empty is found from its head, which is then the only
 * neighbour left. */
static void unlink_timer(struct bide__wheel *wheel, struct bide__timer *timer)
{
    struct bide__list *head = timer->link.next;
    if (head == timer->link.prev) {
        size_t at = (size_t)(head - &wheel->slots[0][0]);
        uint64_t others = ~(1ULL << at % WHEEL_SLOTS);
        wheel->occupied[at / WHEEL_SLOTS] &= others;
        wheel->disordered[at / WHEEL_SLOTS] &= others;
    }
    bide__list_remove(&timer->link);
    timer->link.next = NULL;
}

void bide__timer_clear(struct bide__wheel *wheel, struct bide__timer *timer)
{
    if (!timer->link.next)
        return;
    bide__count(&wheel->count, -1);
    unlink_timer(wheel, timer);
}

struct slot {
    struct bide__list *timers;
    int level;
    uint64_t bit;     /* of its level's sets */
    bide_time begin;  /* its first nanosecond */
};

/* The first slot that is occupied: lower levels come first, and in a level all slots lie ahead of
 * the cursor. */
static struct slot first_slot(struct bide__wheel *wheel)
{
    int level = 0;
    while (!wheel->occupied[level])
        level++;
    int at = __builtin_ctzll(wheel->occupied[level]);
    int shift = level * WHEEL_BITS;
    uint64_t above = shift + WHEEL_BITS < 64 ? ~0ULL << (shift + WHEEL_BITS) : 0;
    return (struct slot){
        .timers = &wheel->slots[level][at],
        .level = level,
        .bit = 1ULL << at,
        .begin = (bide_time)(((uint64_t)wheel->cursor & above) | (uint64_t)at << shift),
    };
}

/* Timers fall to lower levels: the cursor comes to the beginning of their slot. */
static void spread(struct bide__wheel *wheel, const struct slot *slot)
{
    wheel->cursor = slot->begin;
    while (!bide__list_empty(slot->timers)) {
        struct bide__timer *timer = timer_of(slot->timers->next);
        unlink_timer(wheel, timer);
        place(wheel, timer);
    }
}

/* Of two lists that end in NULL, linked by next alone; at equal deadlines a's come first. */
static struct bide__list *merge(struct bide__list *a, struct bide__list *b)
{
    struct bide__list first, *last = &first;
    while (a && b) {
        struct bide__list **from = timer_of(b)->deadline < timer_of(a)->deadline ? &b : &a;
        last->next = *from;
        last = *from;
        *from = last->next;
    }
    last->next = a ? a : b;
    return first.next;
}

/* Cut the run of timers in order from the front of *list. */
static struct bide__list *take_run(struct bide__list **list)
{
    struct bide__list *first = *list, *last = first;
    while (last->next && timer_of(last->next)->deadline >= timer_of(last)->deadline)
        last = last->next;
    *list = last->next;
    last->next = NULL;
    return first;
}

/* A natural merge sort, stable: runs[i] is of 2^i runs, and comes before what runs[i - 1] holds. */
static void sort(struct bide__wheel *wheel, const struct slot *slot)
{
    struct bide__list *head = slot->timers, *left = head->next, *runs[64] = { NULL };
    head->prev->next = NULL;
    int used = 0;
    while (left) {
        struct bide__list *run = take_run(&left);
        int i = 0;
        for (; i < used && runs[i]; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
        if (i == used)
            used++;
    }
    struct bide__list *all = NULL;
    for (int i = 0; i < used; i++)
        all = runs[i] ? merge(runs[i], all) : all;
    bide__list_init(head);
    for (struct bide__list *next; all; all = next) {
        next = all->next;
        bide__list_push(head, all);
    }
    wheel->disordered[slot->level] &= ~slot->bit;
}

/* Fire what is due of a slot in order. The cursor stays before the slot, so that timers that are
 * set meanwhile join those that stay in it. */
static void fire(struct bide__wheel *wheel, const struct slot *slot, bide_time now, int *left)
{
    if (slot->begin - 1 > wheel->cursor)
        wheel->cursor = slot->begin - 1;
    while (*left > 0 && !bide__list_empty(slot->timers)) {
        struct bide__timer *timer = timer_of(slot->timers->next);
        if (timer->deadline > now)
            break;
        __builtin_prefetch(timer->link.next->next, 1);
        --*left;
        bide__timer_clear(wheel, timer);
        timer->fire(timer);
    }
}

/* Fires what is due, up to a batch; the rest stays due. */
void bide__wheel_fire(struct bide__wheel *wheel, bide_time now)
{
    int left = BATCH;
    while (wheel->count) {
        struct slot slot = first_slot(wheel);
        if (slot.begin > now)
            break;
        if (wheel->disordered[slot.level] & slot.bit) {
            if (slot.level > SORTED_LEVEL) {
                spread(wheel, &slot);
                continue;
            }
            sort(wheel, &slot);
        }
        fire(wheel, &slot, now, &left);
        if (left == 0 || !bide__list_empty(slot.timers))
            return;
    }
    if (now > wheel->cursor)
        wheel->cursor = now;
}

/* When to look again: the first deadline, or a time shortly before it when its slot is crowded and
 * in disorder. */
bide_time bide__wheel_next(struct bide__wheel *wheel)
{
    if (!wheel->count)
        return BIDE_FOREVER;
    struct slot slot = first_slot(wheel);
    bide_time first = timer_of(slot.timers->next)->deadline;
    if (!(wheel->disordered[slot.level] & slot.bit))
        return first;
    int scanned = 0;
    for (struct bide__list *link = slot.timers->next; link != slot.timers; link = link->next) {
        if (++scanned > SCAN)
            return slot.begin;
        if (timer_of(link)->deadline < first)
            first = timer_of(link)->deadline;
    }
    return first;
}

/* ---- sleeping ---- */

bide_time bide_now(void)
{
    struct bide__reactor *reactor = bide__reactor_here();
    return reactor ? reactor->ops->ask(reactor) : bide__clock();
}

bide_time bide_wall_now(void)
{
    struct bide__reactor *reactor = bide__reactor_here();
    return reactor ? reactor->ops->wall(reactor) : bide__wall_clock();
}

bide_time bide__now(void)
{
    struct bide__reactor *reactor = bide__reactor_here();
    return reactor ? reactor->ops->now(reactor) : bide__clock();
}

/* The two futures have the same layout; the argument is a span or a deadline. */
_Static_assert(sizeof(struct bide_sleep_future) == sizeof(struct bide_sleep_until_future) &&
                   offsetof(struct bide_sleep_future, timer) ==
                       offsetof(struct bide_sleep_until_future, timer) &&
                   offsetof(struct bide_sleep_future, value) ==
                       offsetof(struct bide_sleep_until_future, value),
               "bide_sleep and bide_sleep_until share their code");
_Static_assert(sizeof(struct bide_sleep_future) <= 128, "a sleeping leaf is small");

static bide_time after(bide_time span)
{
    bide_time now = bide__now();
    return span < BIDE_FOREVER - now ? now + span : BIDE_FOREVER;
}

static void wake_sleeper(struct bide__timer *timer)
{
    struct bide_sleep_future *f = bide__container(timer, struct bide_sleep_future, timer);
    f->value = 0;
    bide_leaf_done(&f->future);
}

static enum bide_leaf_start sleep_till(struct bide_sleep_future *f, bide_time deadline)
{
    f->timer.deadline = deadline;
    f->timer.fire = wake_sleeper;
    bide__timer_set(&bide__worker()->wheel, &f->timer);
    return BIDE_LEAF_PENDING;
}

static enum bide_leaf_start sleep_start(struct bide_future *future)
{
    struct bide_sleep_future *f = (struct bide_sleep_future *)future;
    if (f->args.span > 0)
        return sleep_till(f, after(f->args.span));
    f->value = 0;
    return BIDE_LEAF_DONE;
}

static enum bide_leaf_start sleep_until_start(struct bide_future *future)
{
    struct bide_sleep_future *f = (struct bide_sleep_future *)future;
    if (f->args.span > bide__now())
        return sleep_till(f, f->args.span);
    f->value = 0;
    return BIDE_LEAF_DONE;
}

static void sleep_cancel(struct bide_future *future)
{
    struct bide_sleep_future *f = (struct bide_sleep_future *)future;
    bide__timer_clear(&bide__worker()->wheel, &f->timer);
    bide_leaf_fail(future, bide_leaf_reason(future));
}

static void block_till(bide_time deadline)
{
    if (BIDE__UNLIKELY(bide__stand_in != NULL)) {
        bide__sim_pass(bide__stand_in, deadline);
        return;
    }
    struct timespec at = { .tv_sec = deadline / BIDE_S, .tv_nsec = deadline % BIDE_S };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

static void sleep_block(struct bide_future *future)
{
    struct bide_sleep_future *f = (struct bide_sleep_future *)future;
    if (f->args.span > 0)
        block_till(after(f->args.span));
    f->value = 0;
}

static void sleep_until_block(struct bide_future *future)
{
    struct bide_sleep_future *f = (struct bide_sleep_future *)future;
    if (f->args.span > 0)
        block_till(f->args.span);
    f->value = 0;
}

static void sleep_describe(const struct bide_future *future, struct bide_description *to)
{
    const struct bide_sleep_future *f = (const struct bide_sleep_future *)future;
    bide__say(to, "sleep");
    to->until = f->timer.deadline;
}

static const struct bide_leaf_ops sleep_ops = { sleep_start, sleep_cancel, sleep_block,
                                                sleep_describe };
static const struct bide_leaf_ops sleep_until_ops = { sleep_until_start, sleep_cancel,
                                                      sleep_until_block, sleep_describe };
const struct bide_type bide_sleep_type = BIDE_LEAF_TYPE(bide_sleep, &sleep_ops);
const struct bide_type bide_sleep_until_type = BIDE_LEAF_TYPE(bide_sleep_until, &sleep_until_ops);

int bide_sleep(bide_time span)
{
    return bide_await(bide_sleep_async(span));
}

int bide_sleep_until(bide_time deadline)
{
    return bide_await(bide_sleep_until_async(deadline));
}
