/*
 * bide/combine.h - internal to bide: descriptions made of another description, as bide_retry and
 * its kin give. src/sync/combine.h has what their functions share.
 *
 * Such a future holds the description that it drives, cold, as `work`, and its value is of the same
 * type as that one's. Being made of a cold future it is a cold future: a plain value that owns
 * nothing.
 */
#ifndef BIDE_COMBINE_H
#define BIDE_COMBINE_H

#include <bide/join.h>

struct bide__combined_type {
    struct bide_type type;
    const char *site;    /* where it was made */
    uint32_t work;       /* offset of the description that it drives */
    uint32_t value_size; /* bytes, of either's value */
};

/*
 * A cold future that drives f.
 *
 * @fn     its name; bide__fn_run drives it
 * @n      __COUNTER__
 * @check  a macro that is given a variable of f's type
 * @A,...  the type of what fn is told, and its value. It has the same place in all futures of fn
 */
#define BIDE__COMBINED(fn, n, f, check, A, ...) BIDE__COMBINED_(fn, n, f, check, A, __VA_ARGS__)
#define BIDE__COMBINED_(fn, n, f, check, A, ...)                                                \
    __extension__({                                                                             \
        __auto_type bide__v##n = (f);                                                           \
        __auto_type bide__p##n = BIDE__POINTER(bide__v##n);                                     \
        __typeof__(({ *bide__p##n; })) bide__w##n = *bide__p##n; /* no longer const */          \
        check(bide__w##n)                                                                       \
        struct {                                                                                \
            struct bide_future future;                                                          \
            A args;                                                                             \
            __typeof__(bide__w##n.value) value;                                                 \
            __typeof__(bide__w##n) work;                                                        \
        } bide__c##n;                                                                           \
        static const struct bide__combined_type bide__t##n = {                                  \
            .type = BIDE__COMBINED_TYPE(bide_##fn, bide__##fn##_run, bide__c##n),               \
            .site = BIDE__SITE,                                                                 \
            .work = offsetof(__typeof__(bide__c##n), work),                                     \
            .value_size = sizeof(bide__w##n.value),                                             \
        };                                                                                      \
        bide__c##n = (__typeof__(bide__c##n)){                                                  \
            .future = { .type = &bide__t##n.type }, .args = __VA_ARGS__, .work = bide__w##n,    \
        };                                                                                      \
        bide__c##n;                                                                             \
    })

/* The struct bide_type of futures like x. */
#define BIDE__COMBINED_TYPE(fn, run_, x)                                       \
    {                                                                          \
        .name = #fn, .run = (run_), .size = sizeof(x),                         \
        .value_offset = offsetof(__typeof__(x), value),                        \
        .value_size = BIDE__ERRNO_SIZE((x).value),                             \
        .errno_value = BIDE__IS_ERRNO((x).value),                              \
    }

#endif
