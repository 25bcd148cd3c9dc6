/*
 * 07_signals - a service that reloads at SIGHUP and shuts down gracefully at SIGTERM.
 *
 * A signal is a future, so the end of a service is an ordinary race, and so is the time that
 * the last jobs get. No handler, no flag, no self-pipe.
 */
#include <stdio.h>
#include <unistd.h>

#include <bide/keywords.h>

static int generation = 1; /* of the configuration */

static int job(int number)
{
    int error = bide_sleep(5 * BIDE_MS);
    if (!error)
        printf("job %d: done with configuration %d\n", number, generation);
    return error;
}
ASYNC(int, job, int)

static int reload(void)
{
    while (bide_signal(SIGHUP) == SIGHUP)
        printf("SIGHUP: configuration %d\n", ++generation);
    return 0;
}
ASYNC(int, reload)

/* Takes jobs until it is cancelled. The job under way then gets another second. */
static int work(void)
{
    for (int number = 1; !bide_cancelled(); number++) {
        shield()
            if (within(BIDE_S, async(job, number)))
                printf("job %d: given up\n", number);
        if (number == 1) {
            kill(getpid(), SIGHUP); /* as an operator would, from a shell */
            while (generation == 1 && bide_sleep(BIDE_MS) == 0)
                ;
        }
        if (number == 2)
            kill(getpid(), SIGTERM);
    }
    return 0;
}
ASYNC(int, work)

static int serve(void)
{
    int first = race(async(work), async(reload), async(bide_signal, SIGTERM),
                     async(bide_signal, SIGINT));
    printf("%s: ended\n", first == 2 ? "SIGTERM" : "something else");
    return first == 2 ? 0 : 1;
}
ASYNC(int, serve)

int main(void)
{
    return bide_run(async(serve));
}
