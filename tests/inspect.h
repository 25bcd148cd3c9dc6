/* inspect.h - for tests of dumps: what is shown, in brief. */
#ifndef TEST_INSPECT_H
#define TEST_INSPECT_H

#include "fiber.h"

#include <bide/bide.h>
#include <bide/keywords.h>

extern bide_time bide__inspect_patience;

/* No busy machine is to make a worker look as if it were held. */
__attribute__((constructor)) static void be_patient(void)
{
    bide__inspect_patience = 60 * BIDE_S;
}

/* A brief dump; NULL: it failed. */
static inline char *shown(void)
{
    char *text = NULL;
    int error = bide_dump_with(&(struct bide_dump_options){ .brief = 1 }, &text, NULL);
    if (error < 0)
        test_fail(__FILE__, __LINE__, "bide_dump_with: %d", error);
    return text;
}

#define CHECK_SHOWN(expected)          \
    do {                               \
        char *text_now = shown();      \
        CHECK_STR(text_now, expected); \
        free(text_now);                \
    } while (0)

#endif
