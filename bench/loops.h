/* loops.h - the loops that core_calls.c measures, and cost.c with one library and another. */
#ifndef LOOPS_H
#define LOOPS_H

enum { BATCH = 1000 }; /* children of a scope */

/* Two tasks yield to each other, n times in all. */
void yield_in_turns(void *unused, long n);

/* n tasks that do nothing, BATCH in a scope. */
void spawn_nothings(void *unused, long n);

#endif
