/* opaque.c - functions that do next to nothing. */
#include "opaque.h"

long add(long a, long b)
{
    return a + b;
}

void nothing(void)
{
}
