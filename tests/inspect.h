/* inspect.h - for tests of dumps: what is shown, without the sites. */
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

/* Is " from " or " at " followed by FILE.c:LINE alone? */
static inline bool is_site(const char *at, const char *end)
{
    const char *file = strchr(at + 1, ' ') + 1;
    const char *space = memchr(file, ' ', (size_t)(end - file));
    return !space && memmem(file, (size_t)(end - file), ".c:", 3);
}

/* Cut off " from FILE:LINE" and " at FILE:LINE" at the end of each line. */
static inline void cut_sites(char *text)
{
    char *to = text;
    for (char *at = text; *at; at++) {
        char *end = strchr(at, '\n');
        for (char *c = at; c < end; c++)
            if ((strncmp(c, " from ", 6) == 0 || strncmp(c, " at ", 4) == 0) && is_site(c, end))
                *c = '\n';
        size_t size = (size_t)(strchr(at, '\n') - at);
        memmove(to, at, size + 1);
        to[size] = '\n';
        to += size + 1;
        at = end;
    }
    *to = '\0';
}

/* A brief dump; NULL: it failed. */
static inline char *shown(void)
{
    char *text = NULL;
    int error = bide_dump_with(&(struct bide_dump_options){ .brief = 1 }, &text, NULL);
    if (error < 0)
        test_fail(__FILE__, __LINE__, "bide_dump_with: %d", error);
    else
        cut_sites(text);
    return text;
}

#define CHECK_SHOWN(expected)          \
    do {                               \
        char *text_now = shown();      \
        CHECK_STR(text_now, expected); \
        free(text_now);                \
    } while (0)

#endif
