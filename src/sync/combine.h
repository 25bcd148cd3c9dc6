/*
 * sync/combine.h - what the functions of bide_retry and its kin share. They are async functions
 * like a user's, but for what include/bide/combine.h tells them of the types they meet.
 */
#ifndef BIDE_SYNC_COMBINE_H
#define BIDE_SYNC_COMBINE_H

#include "core/internal.h"

#include <bide/combine.h>
#include <string.h>

static inline const struct bide__combined_type *bide__combined(const struct bide_future *f)
{
    return bide__container(f->type, struct bide__combined_type, type);
}

/* The description that f drives: cold until f drives it. Of a future that ran when it was copied
 * into f it aborts. */
static inline struct bide_future *bide__work(struct bide_future *f)
{
    struct bide_future *work = (struct bide_future *)((char *)f + bide__combined(f)->work);
    bide__check_cold(work, f->type->name, bide__combined(f)->site);
    return work;
}

/* Room for a copy of f's work, on the caller's stack until the caller returns. */
#define bide__copy_room(f) \
    ((struct bide_future *)__builtin_alloca_with_align(bide__work(f)->type->size, 128))

/* Make a copy of f's work there, and drive it. */
static inline void bide__drive_copy(struct bide_future *f, struct bide_future *room)
{
    memcpy(room, bide__work(f), bide__work(f)->type->size);
    bide__await(room, bide__combined(f)->site);
}

static inline void *bide__value_of(struct bide_future *f)
{
    return (char *)f + f->type->value_offset;
}

/* work, which f has driven, is over: its value is f's, and so is the reason why it has none. */
static inline void bide__take_value(struct bide_future *f, struct bide_future *work)
{
    memcpy(bide__value_of(f), bide__value_of(work), bide__combined(f)->value_size);
    f->error = work->error;
}

/* Drive f's work itself, once: its value is f's. */
static inline void bide__drive_work(struct bide_future *f)
{
    struct bide_future *work = bide__work(f);
    bide__await(work, bide__combined(f)->site);
    bide__take_value(f, work);
}

/* f ends without a value of its work's. */
static inline void bide__end_without(struct bide_future *f, int error)
{
    f->error = error;
    bide__write_errno(f, error);
}

#endif
