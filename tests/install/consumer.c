/* consumer.c - what a user of an installed bide writes. */
#include <bide/bide.h>

static int answer(int n)
{
    bide_sleep(BIDE_MS);
    return n;
}
BIDE_ASYNC(int, answer, int)

int main(void)
{
    return bide_run(bide_async(answer, 42)) == 42 ? 0 : 1;
}
