/*
 * 02_cancel - asking a task to end, and cleaning up although one was asked to.
 *
 * After cancel(&f) the operation that f is in returns -ECANCELED, and so does every later one,
 * until f's function has returned. Under shield() operations work again, for the clean-up.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bide/keywords.h>

static const char *result(int value)
{
    return value ? strerror(-value) : "done";
}

/* Ends only when it is cancelled. */
static int hold_the_line(const char *peer)
{
    int error = 0;
    printf("%s: connected\n", peer);
    while (!error)
        error = bide_sleep(3600 * BIDE_S);
    printf("%s: woken early: %s\n", peer, result(error));
    printf("%s: one more sleep: %s\n", peer, result(bide_sleep(BIDE_MS)));
    shield()
        printf("%s: saying goodbye, shielded: %s\n", peer, result(bide_sleep(BIDE_MS)));
    return error;
}
ASYNC(int, hold_the_line, const char *)

static int demo(void)
{
    scope(s) {
        let line = async(hold_the_line, "peer");
        bide_start(&line); /* a child of the scope; it runs when we wait */
        bide_sleep(10 * BIDE_MS);
        cancel(&line); /* asks, and does not wait */
        printf("demo: asked; is it over? %s\n", bide_done(&line) ? "yes" : "no");
        int value = await(&line); /* waits for its end */
        printf("demo: it returned: %s\n", result(value));
    }

    let never = async(hold_the_line, "nobody");
    cancel(&never); /* before anything drives it: it will not begin */
    await(&never);
    printf("demo: still cold: %s; why: %s\n", bide_state(&never) == BIDE_COLD ? "yes" : "no",
           result(bide_error(&never)));
    return 0;
}
ASYNC(int, demo)

int main(void)
{
    return bide_run(async(demo)) ? 1 : 0;
}
