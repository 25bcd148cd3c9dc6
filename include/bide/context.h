/*
 * bide/context.h - values that everything below sees, without being handed down as arguments: whose
 * request it is, what its log lines begin with, which transaction it belongs to.
 *
 *     static BIDE_KEY(const char) request_id = { "-" };      // "-": where none is bound
 *
 *     BIDE_WITH(&request_id, header(request, "X-Request-Id")) {
 *         serve(request);                                    // and all that it calls and spawns
 *     }
 *
 *     printf("%s: not found\n", bide_get(&request_id));      // somewhere below
 */
#ifndef BIDE_CONTEXT_H
#define BIDE_CONTEXT_H

#include <bide/base.h>

/*
 * BIDE_KEY(T) - the type of a key whose values are pointers to T.
 *
 * A key is an object of static storage; its address is what counts. Its one member is what bide_get
 * returns where nothing is bound; all zeros is NULL. To name the type, in a header, use typedef.
 */
#define BIDE_KEY(T)                \
    struct {                       \
        __typeof__(T) *if_unbound; \
    }

/*
 * BIDE_WITH(key, value) { ... } - a block in which bide_get(key) is value.
 *
 * @key    pointer to a key
 * @value  pointer of the key's type; what it points to is borrowed until the block's end. NULL is a
 *         value too
 *
 * Seen by all that the block drives: calls and futures that it awaits, joins or races, those that
 * it spawns into scopes that it opens, on this worker or another, and what it offloads. A future
 * that is spawned into a scope sees what was bound where the scope was opened, for that is still
 * bound when it runs. Of two bindings of one key the inner one is seen.
 *
 * A binding ends on every way out of the block (return, break, goto); `continue` in the block, as
 * `break`, leaves it. A scope by hand (bide_scope_init) that was opened in the block must have been
 * waited for at its end; else it aborts. No allocation, and no cost where nothing is bound.
 * Context: fiber, or a plain thread; a runtime that is run in the block sees it too.
 */
#define BIDE_WITH(key, value) BIDE__WITH(key, value, __COUNTER__)

/*
 * bide_get - what is bound to the key here; the key's if_unbound when nothing is.
 *
 * @key  pointer to a key
 *
 * Looks through the bindings that are seen here, innermost first. Not in the hooks of leaves and
 * promises: these run wherever the worker happens to be.
 */
#define bide_get(key) BIDE__GET(key, __COUNTER__)

/* ---- internal ----------------------------------------------------------------------------- */

/* In the frame of the block; src/core/context.c. */
struct bide__binding {
    struct bide__binding *outer;
    const void *key, *value;
};

BIDE_API struct bide__binding *bide__bind(struct bide__binding *binding)
    __attribute__((returns_nonnull));
BIDE_API void bide__unbind(struct bide__binding *binding);
BIDE_API const struct bide__binding *bide__find_binding(const void *key);

#define BIDE__WITH(key, value, n) BIDE__WITH_(key, value, n)
#define BIDE__WITH_(key_, value_, n)                                                   \
    for (struct bide__binding bide__binding##n __attribute__((cleanup(bide__unbind))) = \
             {                                                                         \
                 .key = (key_),                                                        \
                 .value = __extension__({                                              \
                     __typeof__((key_)->if_unbound) bide__v##n = (value_);             \
                     bide__v##n;                                                       \
                 }),                                                                   \
             },                                                                        \
             *bide__once##n = bide__bind(&bide__binding##n);                           \
         bide__once##n; bide__once##n = NULL)

#define BIDE__GET(key, n) BIDE__GET_(key, n)
#define BIDE__GET_(key, n)                                                  \
    __extension__({                                                         \
        __auto_type bide__k##n = (key);                                     \
        const struct bide__binding *bide__b##n = bide__find_binding(bide__k##n); \
        bide__b##n ? (__typeof__(bide__k##n->if_unbound))(uintptr_t)bide__b##n->value \
                   : bide__k##n->if_unbound;                                \
    })

#endif
