/*
 * core/inspect_sigquit.c - SIGQUIT writes all tasks to stderr.
 *
 * The handler wakes a thread that does nothing else: the workers may all be held, and a handler may
 * do next to nothing. Both are there while a runtime runs whose configuration asks for it.
 */
#include "core/internal.h"

#include <bide/inspect.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <semaphore.h>
#include <unistd.h>

enum { PATIENCE_MS = 100 };

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

static bool is_ending(void)
{
    return __atomic_load_n(&ending, __ATOMIC_ACQUIRE);
}

/* The end of the last runtime does not wait for somebody who reads: so no call blocks for long. A
 * pipe that is writable takes PIPE_BUF bytes at once (pipe(7)). */
static void write_out(const char *text, size_t size)
{
    struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
    while (size && !is_ending()) {
        int ready = poll(&out, 1, PATIENCE_MS);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        ssize_t n = write(STDERR_FILENO, text, size < PIPE_BUF ? size : PIPE_BUF);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return;
        text += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
}

static void dump(void)
{
    static const char sorry[] = "bide: no memory for a dump\n";
    char *text;
    size_t size;
    if (bide_dump_with(NULL, &text, &size) < 0) {
        write_out(sorry, sizeof(sorry) - 1);
        return;
    }
    write_out(text, size);
    bide__free(text);
}

static void *thread_main(void *unused)
{
    for (;;) {
        while (sem_wait(&asked) < 0)
            ;
        if (is_ending())
            return unused;
        dump();
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
