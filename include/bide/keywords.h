/*
 * bide/keywords.h - short names for the words of bide. Include it last, in C files only: it
 * defines lower-case macros.
 */
#ifndef BIDE_KEYWORDS_H
#define BIDE_KEYWORDS_H

#include <bide/bide.h>

#define ASYNC(...) BIDE_ASYNC(__VA_ARGS__)
#define ASYNC_VOID(...) BIDE_ASYNC_VOID(__VA_ARGS__)
#define async(...) bide_async(__VA_ARGS__)
#define await(f) bide_await(f)
#define let bide_let
#define join(...) bide_join(__VA_ARGS__)
#define try_join(...) bide_try_join(__VA_ARGS__)
#define race(...) bide_race(__VA_ARGS__)
#define within(span, f) bide_within(span, f)
#define scope(s) BIDE_SCOPE(s)
#define spawn(scope, f) bide_spawn(scope, f)
#define spawn_parallel(scope, f) bide_spawn_parallel(scope, f)
#define spawn_spread(scope, f) bide_spawn_spread(scope, f)
#define cancel(f) bide_cancel(f)
#define shield() bide_shield()

#endif
