/*
 * 11_process - other programs: run to their end, talked to while they run, and ended in time.
 *
 * A process belongs to a block or a call, and has ended when that is left, however it is left: by
 * its own end, an error, a deadline, a cancellation.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bide/keywords.h>

static void report(const char *name, int status)
{
    if (status < 0)
        printf("%s: %s\n", name, strerror(-status));
    else if (WIFSIGNALED(status))
        printf("%s: ended by signal %d\n", name, WTERMSIG(status));
    else
        printf("%s: exit code %d\n", name, WEXITSTATUS(status));
}

/* Input, output and errors at once: whatever their sizes, nobody waits for the other. */
static int sort(const char *lines)
{
    char sorted[64];
    struct bide_process_output out = { .data = sorted, .capacity = sizeof(sorted) };
    struct bide_process_options options = { .argv = BIDE_STRINGS("sort", "-r") };
    int status = bide_process_run(&options, lines, strlen(lines), &out, NULL);
    if (status == 0)
        printf("sorted:\n%s", sorted);
    return status;
}

/* Talks to a process that stays. Returning ends it, by SIGTERM. */
static int converse(int *ret_status)
{
    struct bide_process_options options = { .argv = BIDE_STRINGS("cat"), .in = BIDE_STDIO_PIPE,
                                            .out = BIDE_STDIO_PIPE };
    BIDE_PROCESS(cat, &options) {
        for (int i = 1; i <= 2; i++) {
            char line[16];
            int size = snprintf(line, sizeof(line), "line %d\n", i);
            if (bide_write_all(cat.in, line, (size_t)size) < 0)
                break;
            if (bide_read_all(cat.out, line, (size_t)size) == size)
                printf("it answered: %s", line);
        }
        bide_process_kill(&cat, SIGINT);
        *ret_status = bide_process_wait(&cat);
    }
    return 0;
}

static int demo(void)
{
    int status;
    report("sort", sort("apple\npear\nfig\n"));
    converse(&status);
    report("cat", status);

    struct bide_process_options failing = { .argv = BIDE_STRINGS("sh", "-c", "exit 3") };
    report("sh", bide_process_run(&failing, NULL, 0, NULL, NULL));
    struct bide_process_options missing = { .argv = BIDE_STRINGS("no-such-program") };
    report("no-such-program", bide_process_run(&missing, NULL, 0, NULL, NULL));

    struct bide_process_options slow = { .argv = BIDE_STRINGS("sleep", "3600") };
    let run = async(bide_process_run, &slow, NULL, 0, NULL, NULL);
    within(20 * BIDE_MS, &run); /* it has ended when this returns */
    report("sleep", run.value);
    return 0;
}
ASYNC(int, demo)

int main(void)
{
    return bide_run(async(demo));
}
