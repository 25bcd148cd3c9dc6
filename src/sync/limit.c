#include "sync/combine.h"

#include <bide/limit.h>

struct limited {
    struct bide_future future;
    struct bide_semaphore *semaphore;
};

void bide__concurrency_limit_run(struct bide_future *f)
{
    struct bide_semaphore *semaphore = ((struct limited *)f)->semaphore;
    int error = bide_semaphore_acquire(semaphore, 1);
    if (error) {
        bide__end_without(f, error);
        return;
    }
    bide__drive_work(f);
    bide_semaphore_release(semaphore, 1);
}
