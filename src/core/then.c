/*
 * core/then.c - bind. The future's type says where it stands: it is a leaf while its first part may
 * wait, and a function from then on.
 */
#include "core/internal.h"

#include <bide/then.h>
#include <string.h>

static const struct bide__then_type *type_of(const struct bide_future *f)
{
    return f->type->leaf ? bide__container(f->type, struct bide__then_type, leaf)
                         : bide__container(f->type, struct bide__then_type, function);
}

static struct bide_future *first_of(struct bide_future *f)
{
    return (struct bide_future *)((char *)f + type_of(f)->first);
}

/* The first part is over, or wants a stack itself. */
static void part_ended(struct bide_future *f, struct bide_future *first)
{
    if (first->error)
        bide_leaf_fail(f, first->error);
    else
        bide_leaf_run(f, &type_of(f)->function);
}

static enum bide_leaf_start then_start(struct bide_future *f)
{
    if (bide_leaf_begin(f, first_of(f)) == BIDE_LEAF_DONE)
        part_ended(f, first_of(f));
    return BIDE_LEAF_PENDING;
}

static void then_cancel(struct bide_future *f)
{
    bide_leaf_cancel(f, first_of(f));
}

static void then_describe(const struct bide_future *f, struct bide_description *to)
{
    bide_leaf_describe((const struct bide_future *)((const char *)f + type_of(f)->first), to);
}

void bide__then_run(struct bide_future *f)
{
    const struct bide__then_type *type = type_of(f);
    struct bide_future *first = first_of(f), *second = (void *)((char *)f + type->second);
    bide__await(first, f->type->name);
    if (first->error) {
        f->error = first->error;
        bide__write_errno(f, first->error);
        return;
    }
    memcpy((char *)f + type->argument, (char *)first + first->type->value_offset,
           type->argument_size);
    second->type->run(second);
    memcpy((char *)f + f->type->value_offset, (char *)f + type->result, type->result_size);
}

const struct bide_parts_ops bide__then_ops = {
    .leaf = { then_start, then_cancel, bide__then_run, then_describe },
    .part_ended = part_ended,
};
