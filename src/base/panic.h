/* base/panic.h - the end of a program that misused bide: one clear line, then abort(3). */
#ifndef BIDE_BASE_PANIC_H
#define BIDE_BASE_PANIC_H

void bide__panic(const char *format, ...) __attribute__((noreturn, cold, format(printf, 1, 2)));

/* What only a bug in bide can break. On in release builds too. */
#define bide__assert(condition)                                                          \
    do {                                                                                 \
        if (__builtin_expect(!(condition), 0))                                           \
            bide__panic("bug: %s:%d: %s: %s", __FILE__, __LINE__, __func__, #condition); \
    } while (0)

#endif
