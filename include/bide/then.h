/*
 * bide/then.h - bind: go on with a future's value, without a stack while it is awaited.
 *
 *     static int parse(ssize_t size, struct request *request);
 *     BIDE_ASYNC(int, parse, ssize_t, struct request *)
 *
 *     bide_let text = bide_async(bide_recv, fd, request->text, SIZE, 0);
 *     bide_let parsed = bide_then(text, parse, request);
 *     int error = bide_await(parsed);
 */
#ifndef BIDE_THEN_H
#define BIDE_THEN_H

#include <bide/leaf.h>

/*
 * bide_then - a future: first, then fn of its value.
 *
 * @first    a cold future, by value or by pointer; copied
 * @fn       an async function whose first parameter is of the type of first's value
 * @args...  fn's other arguments, 0 to 7
 *
 * Gives a cold future whose value is fn's: a struct of a type of its own, which holds both.
 * While first is a leaf that waits, so is the whole: a million of them are a million structs. A
 * stack is taken when fn runs. Where first is an async function the two run on one stack.
 * Cancel   fn runs when first has done its work, whatever its value, also when the cancellation
 *          came meanwhile (then fn's operations are cancelled): nothing is lost. When first did not
 *          do its work (bide_error), fn does not run, and the whole ends with that error.
 */
#define bide_then(first, fn, ...) BIDE__THEN(first, fn, __COUNTER__, ##__VA_ARGS__)

/*
 * BIDE_THEN(name, first, fn, T...) - gives the same a name, and its future a type that can be
 * spelt, for arrays, members and functions: struct name_future and its constructor.
 *
 * @first  an async function or operation
 * @T...   the types of fn's parameters after the first; 0 to 7
 *
 *     BIDE_THEN(parse_next, bide_recv, parse, struct request *)
 *
 *     struct parse_next_future next[10];
 *     next[i] = bide_async(parse_next, bide_async(bide_recv, fd, text, size, 0), &request[i]);
 */
#define BIDE_THEN(name, first, fn, ...) \
    BIDE__NAMED_THEN(BIDE__NARGS(_, ##__VA_ARGS__), name, first, fn, ##__VA_ARGS__)

/* ---- internal ------------------------------------------------------------------------------- */

/* One static const object for each bide_then in a program. Offsets are from the whole's begin. */
struct bide__then_type {
    struct bide_type leaf, function; /* of the same future, at different times */
    uint32_t first, second;
    uint32_t argument, argument_size; /* fn's first argument */
    uint32_t result, result_size;     /* fn's value in second */
};

extern BIDE_API const struct bide_parts_ops bide__then_ops;
BIDE_API void bide__then_run(struct bide_future *f);

/* T is the whole's type, A the first's. */
#define BIDE__THEN_STRUCT(T, A, fn)                              \
    T {                                                          \
        struct bide_future future;                               \
        __typeof__(((struct fn##_future *)0)->value) value;      \
        A first;                                                 \
        struct fn##_future second;                               \
    };                                                           \
    _Static_assert(__builtin_types_compatible_p(                 \
                       __typeof__(((T *)0)->first.value),        \
                       __typeof__(((T *)0)->second.args.a1)),    \
                   "then: the function's first parameter is not of the value's type");

#define BIDE__THEN_CONST(t, T, fn)                                             \
    static const struct bide__then_type t = {                                  \
        .leaf = BIDE__THEN_TYPE(fn, T, NULL, &bide__then_ops.leaf),            \
        .function = BIDE__THEN_TYPE(fn, T, bide__then_run, NULL),              \
        .first = offsetof(T, first),                                           \
        .second = offsetof(T, second),                                         \
        .argument = offsetof(T, second.args.a1),                               \
        .argument_size = sizeof(((struct fn##_future *)0)->args.a1),           \
        .result = offsetof(T, second.value),                                   \
        .result_size = sizeof(((struct fn##_future *)0)->value),               \
    };

/* One that is cold, of a first and a second future. */
#define BIDE__THEN_MAKE(t, T, a, b)                                              \
    (T)                                                                          \
    {                                                                            \
        .future = { .type = (a).future.type->leaf ? &(t).leaf : &(t).function }, \
        .first = (a), .second = (b),                                             \
    }

#define BIDE__THEN(first, fn, n, ...) BIDE__THEN_(first, fn, n, ##__VA_ARGS__)
#define BIDE__THEN_(first_, fn, n, ...)                                                          \
    __extension__({                                                                              \
        __auto_type bide__v##n = (first_);                                                       \
        __auto_type bide__p##n = BIDE__POINTER(bide__v##n);                                      \
        BIDE__THEN_STRUCT(struct bide__then##n, __typeof__(*bide__p##n), fn)                     \
        BIDE__THEN_CONST(bide__t##n, struct bide__then##n, fn)                                   \
        BIDE__THEN_MAKE(bide__t##n, struct bide__then##n, *bide__p##n,                           \
                        fn##_async(bide__p##n->value, ##__VA_ARGS__));                           \
    })

#define BIDE__NAMED_THEN(n, name, first, fn, ...) \
    BIDE__NAMED_THEN_(n, name, first, fn, ##__VA_ARGS__)
#define BIDE__NAMED_THEN_(n, name, first_, fn, ...)                                              \
    BIDE__THEN_STRUCT(struct name##_future, struct first_##_future, fn)                          \
    BIDE__THEN_CONST(name##_type, struct name##_future, fn)                                      \
    static BIDE__INLINE BIDE_MUST_USE struct name##_future name##_async(                         \
        BIDE__THEN_PARAMS##n(struct first_##_future bide__first, ##__VA_ARGS__))                 \
    {                                                                                            \
        return BIDE__THEN_MAKE(name##_type, struct name##_future, bide__first,                   \
                               fn##_async(bide__first.value BIDE__THEN_INIT##n));                \
    }

#define BIDE__THEN_PARAMS0(first) first
#define BIDE__THEN_PARAMS1(first, ...) first, BIDE__PARAMS1(__VA_ARGS__)
#define BIDE__THEN_PARAMS2(first, ...) first, BIDE__PARAMS2(__VA_ARGS__)
#define BIDE__THEN_PARAMS3(first, ...) first, BIDE__PARAMS3(__VA_ARGS__)
#define BIDE__THEN_PARAMS4(first, ...) first, BIDE__PARAMS4(__VA_ARGS__)
#define BIDE__THEN_PARAMS5(first, ...) first, BIDE__PARAMS5(__VA_ARGS__)
#define BIDE__THEN_PARAMS6(first, ...) first, BIDE__PARAMS6(__VA_ARGS__)
#define BIDE__THEN_PARAMS7(first, ...) first, BIDE__PARAMS7(__VA_ARGS__)

#define BIDE__THEN_INIT0
#define BIDE__THEN_INIT1 , BIDE__INIT1
#define BIDE__THEN_INIT2 , BIDE__INIT2
#define BIDE__THEN_INIT3 , BIDE__INIT3
#define BIDE__THEN_INIT4 , BIDE__INIT4
#define BIDE__THEN_INIT5 , BIDE__INIT5
#define BIDE__THEN_INIT6 , BIDE__INIT6
#define BIDE__THEN_INIT7 , BIDE__INIT7

#define BIDE__THEN_TYPE(fn, T, run_, leaf_)                                              \
    {                                                                                    \
        .name = #fn, .run = (run_), .leaf = (leaf_), .size = sizeof(T),                  \
        .value_offset = offsetof(T, value),                                              \
        .value_size = BIDE__ERRNO_SIZE(((T *)0)->value),                                 \
        .errno_value = BIDE__IS_ERRNO(((T *)0)->value),                                  \
    }

#endif
