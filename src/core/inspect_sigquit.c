/*
 * core/inspect_sigquit.c - SIGQUIT writes all tasks to stderr.
 *
 * The handler wakes a thread that does nothing else: the workers may all be held, and a handler may
 * do next to nothing. Both are there while a runtime runs whose configuration asks for it.
 */
#include "core/internal.h"

#include <bide/inspect.h>
#include <errno.h>
#include <semaphore.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users;          /* runtimes that ask for it; under lock */
static bool there;              /* the thread and the handler are; under lock */
static pthread_t thread;        /* under lock */
static struct sigaction before; /* of SIGQUIT; under lock */
static sem_t asked;
static bool ending;             /* atomic */

static void on_signal(int number)
{
    (void)number;
    int saved = errno;
    sem_post(&asked);
    errno = saved;
}

static void *thread_main(void *unused)
{
    for (;;) {
        while (sem_wait(&asked) < 0)
            ;
        if (__atomic_load_n(&ending, __ATOMIC_ACQUIRE))
            return unused;
        if (bide_dump(STDERR_FILENO) == -ENOMEM)
            bide_write_all(STDERR_FILENO, "bide: no memory for a dump\n", 27);
    }
}

/* With all signals blocked, so that they reach the threads that the program made. */
static bool start_thread(void)
{
    sigset_t all, mask;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    bool started = !bide__faulted() && pthread_create(&thread, NULL, thread_main, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return started;
}

static void begin(void)
{
    struct sigaction ours = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigfillset(&ours.sa_mask);
    __atomic_store_n(&ending, false, __ATOMIC_RELAXED);
    sem_init(&asked, 0, 0);
    there = start_thread();
    if (there)
        sigaction(SIGQUIT, &ours, &before);
}

/* Another action than ours is the program's, which has changed its mind meanwhile. */
static void restore(void)
{
    struct sigaction now;
    if (sigaction(SIGQUIT, NULL, &now) == 0 && now.sa_handler == on_signal)
        sigaction(SIGQUIT, &before, NULL);
}

/* A handler that is under way on another thread may still post: `asked` stays as it is. */
static void end(void)
{
    restore();
    __atomic_store_n(&ending, true, __ATOMIC_RELEASE);
    sem_post(&asked);
    pthread_join(thread, NULL);
    there = false;
}

void bide__sigquit_enter(struct bide__worker *w)
{
    if (!w->config.dump_on_sigquit)
        return;
    pthread_mutex_lock(&lock);
    if (users++ == 0)
        begin();
    pthread_mutex_unlock(&lock);
}

void bide__sigquit_leave(struct bide__worker *w)
{
    if (!w->config.dump_on_sigquit)
        return;
    pthread_mutex_lock(&lock);
    if (--users == 0 && there)
        end();
    pthread_mutex_unlock(&lock);
}

unsigned bide__sigquit_threads(void)
{
    pthread_mutex_lock(&lock);
    unsigned threads = there;
    pthread_mutex_unlock(&lock);
    return threads;
}

void bide__sigquit_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

/* A child has no such thread. */
void bide__sigquit_after_fork(bool child)
{
    if (child && there)
        restore();
    if (child) {
        users = 0;
        there = false;
    }
    pthread_mutex_unlock(&lock);
}
