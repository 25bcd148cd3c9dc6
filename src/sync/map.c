/*
 * sync/map.c - lanes: children that each take the next element, until there is none. Each has one
 * copy of the work on its stack, into which it writes its element.
 */
#include "sync/combine.h"

#include <bide/map.h>
#include <errno.h>

enum { AT_ONCE = 16 };

struct map {
    struct bide_future future;
    struct bide__map args;
    int value;
};

struct lanes {
    struct bide_future *f;
    const struct bide__map *map;
    const struct bide__map_type *type;
    size_t next, ended; /* elements that have begun; that are over */
    struct run_lane_future *lane;
    size_t count;
    bool until_error;
    int error; /* the first, when until_error */
};

static void run_lane(struct lanes *lanes);
BIDE_ASYNC_VOID(run_lane, struct lanes *)

static void run_element(struct lanes *lanes, struct bide_future *room, size_t i)
{
    const struct bide__map_type *type = lanes->type;
    const struct bide_future *work = bide__work(lanes->f);
    const struct bide__map *map = lanes->map;
    size_t in_size = type->argument_size, out_size = type->combined.value_size;
    memcpy(room, work, work->type->size);
    memcpy((char *)room + type->argument, (const char *)map->in + i * in_size, in_size);
    bide__await(room, type->combined.site);
    if (map->out)
        memcpy((char *)map->out + i * out_size, bide__value_of(room), out_size);
    lanes->ended++;
}

/* The first error ends all. */
static void fail(struct lanes *lanes, int error)
{
    lanes->error = error;
    for (size_t i = 0; i < lanes->count; i++)
        bide_cancel(&lanes->lane[i]);
}

static void run_lane(struct lanes *lanes)
{
    struct bide_future *room = bide__copy_room(lanes->f);
    while (lanes->next < lanes->map->n && !bide_cancelled()) {
        run_element(lanes, room, lanes->next++);
        int error = lanes->until_error ? bide__value_error(room) : 0;
        if (error && !lanes->error)
            fail(lanes, error);
    }
}

static int run_lanes(struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->count; i++)
        lanes->lane[i] = bide_async(run_lane, lanes);
    int why = bide_join_all(lanes->lane, lanes->count);
    if (lanes->error)
        return lanes->error;
    bool fewer = why == -ENOMEM && lanes->ended == lanes->map->n; /* some lanes had no stack */
    return fewer ? 0 : why;
}

/* Of map->n, which is not 0. */
static int map_some(struct lanes *lanes)
{
    const struct bide__map *map = lanes->map;
    struct run_lane_future one, *many = NULL;
    lanes->count = map->at_once ? map->at_once : AT_ONCE;
    if (lanes->count > map->n)
        lanes->count = map->n;
    if (lanes->count > 1)
        many = bide__alloc(lanes->count * sizeof(*many));
    if (!many)
        lanes->count = 1;
    lanes->lane = many ? many : &one;
    int error = run_lanes(lanes);
    bide__free(many);
    return error;
}

static void map_all(struct bide_future *future, bool until_error)
{
    struct map *f = (struct map *)future;
    struct lanes lanes = { .f = future, .map = &f->args, .until_error = until_error };
    lanes.type = bide__container(bide__combined(future), struct bide__map_type, combined);
    f->value = f->args.n ? map_some(&lanes) : 0;
}

void bide__map_run(struct bide_future *f)
{
    map_all(f, false);
}

void bide__try_map_run(struct bide_future *f)
{
    map_all(f, true);
}
