/*
 * core/context.c - values bound for a block and all that it drives.
 *
 * Bindings are in the frames of their blocks, linked from the innermost outwards. Each fiber points
 * to the innermost of what runs on it. They come and go with the frames of its stack, so whatever
 * ends has put that pointer back. A group notes it when it is opened, as it notes the deadline, and
 * children that get a stack of their own begin with it. The group is waited for before the block is
 * left, so no binding goes before those that see it.
 */
#include "core/internal.h"

static __thread struct bide__binding *outside; /* any runtime: the thread's innermost */

struct bide__binding **bide__bindings(void)
{
    struct bide__fiber *fiber = bide__self.fiber;
    return fiber ? &fiber->bindings : &outside;
}

/* What a leaf sees: that it is driven with, and that stays until its end. */
struct bide__binding *bide__bindings_of(const struct bide_future *leaf)
{
    while (!leaf->group && leaf->flags & BIDE__PART)
        leaf = leaf->parent;
    return leaf->group ? leaf->group->bindings : leaf->fiber->bindings;
}

struct bide__binding *bide__bind(struct bide__binding *binding)
{
    struct bide__binding **innermost = bide__bindings();
    binding->outer = *innermost;
    *innermost = binding;
    return binding;
}

/* Only scopes by hand can still be open: they are what the fiber opened last. */
static void check_scopes(const struct bide__fiber *fiber, const struct bide__binding *binding)
{
    const struct bide__list *at = fiber->groups.prev;
    for (; at != &fiber->groups; at = at->prev) {
        const struct bide__group *g = bide__container(at, const struct bide__group, open);
        if (!(g->policy & POLICY_BY_HAND))
            break;
        if (g->bindings == binding)
            bide__panic("the scope opened at %s outlives the BIDE_WITH that it was opened in",
                        g->site);
    }
}

void bide__unbind(struct bide__binding *binding)
{
    struct bide__binding **innermost = bide__bindings();
    bide__assert(*innermost == binding);
    *innermost = binding->outer;
    if (bide__self.fiber)
        check_scopes(bide__self.fiber, binding);
}

const struct bide__binding *bide__find_binding(const void *key)
{
    const struct bide__binding *binding = *bide__bindings();
    while (binding && binding->key != key)
        binding = binding->outer;
    return binding;
}
