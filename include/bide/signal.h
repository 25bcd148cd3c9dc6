/*
 * bide/signal.h - signals as futures.
 *
 *     bide_let stop = bide_async(bide_signal, SIGTERM);
 *     bide_race(&stop, bide_async(serve, &server));
 */
#ifndef BIDE_SIGNAL_H
#define BIDE_SIGNAL_H

#include <bide/future.h>
#include <signal.h>

/*
 * bide_signal - until the process receives signal number.
 *
 * @number  SIGINT, SIGTERM, SIGHUP, SIGUSR1, ...; not SIGKILL, SIGSTOP, SIGSEGV and their like
 *
 * The first wait for a signal takes it over from its default action, for the rest of the process's
 * life or until bide_signal_release; from then on one that arrives while nobody waits is kept
 * (once) for the next wait. All that wait for it when it arrives are told.
 *
 * Returns  number, or
 * Errors   -EINVAL, -ECANCELED, -ETIMEDOUT; -ENOMEM when too many runtimes wait for signals.
 * Cancel   on -ECANCELED and -ETIMEDOUT no signal was taken.
 */
BIDE_SUSPENDS BIDE_API int bide_signal(int number);

/* bide_signal_release - give number back its action of before the first wait. 0 or -EINVAL. */
BIDE_API int bide_signal_release(int number);

struct bide_signal_future {
    struct bide_future future;
    int value;
    struct {
        int number;
    } args;
    struct bide__list link;
    unsigned arrivals; /* of the signal, when the wait began */
};
extern BIDE_API const struct bide_type bide_signal_type;

static inline BIDE_MUST_USE struct bide_signal_future bide_signal_async(int number)
{
    return (struct bide_signal_future){ .future = { .type = &bide_signal_type },
                                        .args = { number } };
}

#endif
