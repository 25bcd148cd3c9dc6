#include "platform/lock.h"

#include "platform/context.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPINS = 100 }; /* before sleeping: longer than a lock is held by a thread that runs */

__thread struct bide__privilege bide__own_privilege;

/* ---- who is alone ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct bide__privilege *privileged; /* under mutex; NULL: nobody */
static bool may_be_alone = true;           /* under mutex: false once two threads were seen */
static bool registered;                    /* under mutex: for membarrier, if it is there */
static bool others_seen;                   /* atomic: nobody will be alone any more */

static bool membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

static void end_privilege(void)
{
    may_be_alone = false;
    struct bide__privilege *other = privileged;
    privileged = NULL;
    if (!other)
        return;
    __atomic_store_n(&other->alone, 0, __ATOMIC_SEQ_CST);
    membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    while (__atomic_load_n(&other->inside, __ATOMIC_ACQUIRE))
        sched_yield();
}

void bide__worker_thread_enter(void)
{
    pthread_mutex_lock(&mutex);
    if (!registered) {
        registered = true;
        if (!membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
            may_be_alone = false;
    }
    if (privileged || !may_be_alone) {
        end_privilege();
    } else {
        privileged = &bide__own_privilege;
        __atomic_store_n(&bide__own_privilege.alone, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&mutex);
}

void bide__worker_thread_leave(void)
{
    pthread_mutex_lock(&mutex);
    if (privileged == &bide__own_privilege) {
        privileged = NULL;
        __atomic_store_n(&bide__own_privilege.alone, 0, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&mutex);
}

void bide__lock_before_fork(void)
{
    pthread_mutex_lock(&mutex);
}

void bide__lock_after_fork(bool child)
{
    if (child && privileged != &bide__own_privilege)
        privileged = NULL; /* its thread is not here */
    pthread_mutex_unlock(&mutex);
}

/* A thread that has no privilege is at a lock. Nobody may have it from now on, unless there is no
 * other thread: then a plain program uses the lock before it has a runtime. */
static void see_another_thread(void)
{
    if (__atomic_load_n(&others_seen, __ATOMIC_ACQUIRE) || __libc_single_threaded)
        return;
    pthread_mutex_lock(&mutex);
    end_privilege();
    pthread_mutex_unlock(&mutex);
    __atomic_store_n(&others_seen, true, __ATOMIC_RELEASE);
}

/* ---- the lock: 0 free, 1 taken, 2 taken and perhaps slept on ---- */

static bool try_lock(struct bide__lock *lock)
{
    int free = 0;
    return __atomic_compare_exchange_n(&lock->word, &free, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

void bide__lock_shared(struct bide__lock *lock)
{
    see_another_thread();
    if (BIDE__LIKELY(try_lock(lock)))
        return;
    for (int i = 0; i < SPINS; i++) {
        bide__relax();
        if (!__atomic_load_n(&lock->word, __ATOMIC_RELAXED) && try_lock(lock))
            return;
    }
    while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE))
        bide__futex_wait(&lock->word, 2);
}

void bide__unlock_shared(struct bide__lock *lock)
{
    if (BIDE__UNLIKELY(__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2))
        bide__futex_wake(&lock->word, 1);
}

/* ---- futex(2) ---- */

void bide__futex_wait(int *word, int value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

/* The word's memory may be gone by now: then this wakes nobody, or somebody for nothing. */
void bide__futex_wake(int *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}
