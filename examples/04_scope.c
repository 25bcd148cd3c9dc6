/*
 * 04_scope - any number of tasks that cannot outlive the block that spawned them.
 *
 * A scope waits for its children on every way out of its block. With cancel_on_error the first
 * child that fails makes its siblings end.
 */
#include <errno.h>
#include <stdio.h>

#include <bide/keywords.h>

/* `total` belongs to the caller: children may use what lives longer than their scope. They stay
 * on their parent's thread, so it needs no lock. */
static int add_up(int *total, int number)
{
    int error = bide_sleep(number * 5 * BIDE_MS);
    if (error) {
        printf("  %d: cancelled\n", number);
        return error;
    }
    *total += number;
    printf("  %d: added\n", number);
    return number == 3 ? -EDOM : 0; /* three is out of the question */
}
ASYNC(int, add_up, int *, int)

static void all_of_them(void)
{
    int total = 0;
    printf("a scope:\n");
    scope(s)
        for (int i = 1; i <= 2; i++)
            spawn(&s, async(add_up, &total, i)); /* copied into the scope; begins soon */
    printf("  total %d\n", total);
}

static int early_return(int *total)
{
    scope(s) {
        spawn(&s, async(add_up, total, 1));
        if (*total == 0)
            return 7; /* leaves the block only when the child is over */
    }
    return 0;
}

static void first_error(void)
{
    static const int numbers[] = { 1, 2, 3, 4000, 5000 };
    int total = 0, error = 0;
    printf("a scope whose third child fails:\n");
    BIDE_SCOPE_WITH(s, &(struct bide_scope_options){ .cancel_on_error = 1 }) {
        for (int i = 0; i < 5; i++)
            spawn(&s, async(add_up, &total, numbers[i]));
        error = bide_scope_wait(&s);
    }
    printf("  total %d, error is EDOM: %s\n", total, error == -EDOM ? "yes" : "no");
}

static int demo(void)
{
    int total = 0;
    all_of_them();
    printf("a scope that is left by return:\n");
    int value = early_return(&total);
    printf("  returned %d, total %d\n", value, total);
    first_error();
    return 0;
}
ASYNC(int, demo)

int main(void)
{
    return bide_run(async(demo)) ? 1 : 0;
}
