/*
 * bide/map.h - the same function for every element of an array, a few at a time.
 *
 *     int fetch(const char *url, struct cache *cache);
 *     BIDE_ASYNC(int, fetch, const char *, struct cache *)
 *
 *     const char *urls[1000];
 *     int status[1000];
 *     bide_let all = bide_map(fetch, urls, 1000, status, 20, &cache);
 *     int error = bide_await(all);                   // status[i] is fetch(urls[i], &cache)
 */
#ifndef BIDE_MAP_H
#define BIDE_MAP_H

#include <bide/combine.h>

/*
 * bide_map     - a description: out[i] = fn(in[i], extra...) for every i below n.
 * bide_try_map - the same, unless one fails: the first value below 0 cancels the rest.
 *
 * @fn       an async function (BIDE_ASYNC). For bide_try_map its value is an int, long or ssize_t
 * @in       n elements of the type of its first parameter; borrowed until it is over
 * @out      room for n of its values, or NULL; borrowed until it is over. out[i] is written when
 *           fn has returned; for what never began it is left as it was
 * @at_once  the most that run at once; 0: 16
 * @extra... the other arguments, for all alike
 *
 * The types are checked by the compiler. They begin in the order of the array.
 *
 * Its value is an int: 0; for bide_try_map the first value below 0;
 *   -ECANCELED, -ETIMEDOUT  it was cancelled meanwhile, those under way too, and no other began
 *   -ENOMEM, -EMFILE, ...   outside a runtime none could be made; nothing began
 * Context  fiber, or a plain thread. All stay on the caller's worker. It takes at_once stacks and
 *          copies of fn's future, whatever n is; where memory is short, fewer run at once.
 */
#define bide_map(fn, in, n, out, at_once, ...) \
    BIDE__MAP(map, BIDE__NO_CHECK, __COUNTER__, fn, in, n, out, at_once, ##__VA_ARGS__)
#define bide_try_map(fn, in, n, out, at_once, ...) \
    BIDE__MAP(try_map, BIDE__CHECK_TRY_MAP, __COUNTER__, fn, in, n, out, at_once, ##__VA_ARGS__)

/* ---- internal ----------------------------------------------------------------------------- */

struct bide__map {
    const void *in;
    void *out;
    size_t n, at_once;
};

struct bide__map_type {
    struct bide__combined_type combined; /* value_size: of an element of out */
    uint32_t argument, argument_size;    /* where in the work an element of in goes */
};

BIDE_API void bide__map_run(struct bide_future *f);
BIDE_API void bide__try_map_run(struct bide_future *f);

#define BIDE__CHECK_TRY_MAP(x)                    \
    _Static_assert(BIDE__IS_ERRNO((x).value),     \
                   "try_map takes a function whose value is an int or ssize_t");

/* Two expressions of the same type, or pointers of which the compiler takes one for the other. */
#define BIDE__ALIKE(x, y)                                               \
    (__builtin_types_compatible_p(__typeof__(x), __typeof__(y)) ||      \
     (BIDE__IS_POINTER(x) && BIDE__IS_POINTER(y)))

#define BIDE__MAP(name, check, u, fn, in, n, out, k, ...) \
    BIDE__MAP_(name, check, u, fn, in, n, out, k, ##__VA_ARGS__)
#define BIDE__MAP_(name_, check, u, fn, in_, n_, out_, k, ...)                                    \
    __extension__({                                                                               \
        __auto_type bide__i##u = (in_);                                                           \
        __auto_type bide__o##u = (out_);                                                          \
        size_t bide__n##u = (n_);                                                                 \
        static const __typeof__(*bide__i##u) bide__none##u[1]; /* read where there is no first */ \
        struct {                                                                                  \
            struct bide_future future;                                                            \
            struct bide__map args;                                                                \
            int value;                                                                            \
            struct fn##_future work;                                                              \
        } bide__m##u = {                                                                          \
            .args = { bide__i##u, bide__o##u, bide__n##u, (k) },                                  \
            .work = fn##_async(*(bide__n##u ? bide__i##u : bide__none##u), ##__VA_ARGS__),        \
        };                                                                                        \
        check(bide__m##u.work)                                                                    \
        _Static_assert(BIDE__ALIKE(*bide__i##u, bide__m##u.work.args.a1),                         \
                       "map: elements of in[] are not of the type of the first parameter");       \
        _Static_assert(__builtin_types_compatible_p(__typeof__(bide__o##u), void *) ||            \
                           __builtin_types_compatible_p(__typeof__(bide__o##u),                   \
                                                        __typeof__(&bide__m##u.work.value)),      \
                       "map: elements of out[] are not of the type of the value");                \
        static const struct bide__map_type bide__t##u = {                                         \
            .combined = {                                                                         \
                .type = BIDE__COMBINED_TYPE(bide_##name_, bide__##name_##_run, bide__m##u),       \
                .site = BIDE__SITE,                                                               \
                .work = offsetof(__typeof__(bide__m##u), work),                                   \
                .value_size = sizeof(bide__m##u.work.value),                                      \
            },                                                                                    \
            .argument = offsetof(struct fn##_future, args.a1),                                    \
            .argument_size = sizeof(bide__m##u.work.args.a1),                                     \
        };                                                                                        \
        bide__m##u.future.type = &bide__t##u.combined.type;                                       \
        bide__m##u;                                                                               \
    })

#endif
