/* opaque.h - functions of which their callers know nothing: they stand in a file of their own. */
#ifndef OPAQUE_H
#define OPAQUE_H

long add(long a, long b);
void nothing(void);

#endif
