/* core/describe.c - what leaves wait for, in words. */
#include "core/internal.h"

#include <stdarg.h>
#include <stdio.h>

void bide__say(struct bide_description *to, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(to->text, sizeof(to->text), format, args);
    va_end(args);
}

void bide_leaf_describe(const struct bide_future *f, struct bide_description *to)
{
    *to = (struct bide_description){ .until = BIDE_FOREVER };
    if (f->type->leaf->describe)
        f->type->leaf->describe(f, to);
    if (!to->text[0])
        bide__say(to, "%s", f->type->name);
}
