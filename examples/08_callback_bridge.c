/*
 * 08_callback_bridge - a callback library as a future, with cancellation.
 *
 * The library has a thread of its own and calls back from it. A promise is the future that the
 * callback completes; its hook stops the library when nobody waits any longer.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

#include <bide/keywords.h>

/* The library. It knows nothing of bide. */
struct lookup {
    int key;
    void (*done)(void *user, int value);
    void *user;
    sem_t stop;
    pthread_t thread;
};

static void *lookup_thread(void *arg)
{
    struct lookup *l = arg;
    if (l->key < 0)
        sem_wait(&l->stop); /* would look for ever for what is not there */
    else
        l->done(l->user, l->key * l->key);
    return NULL;
}

static int lookup_start(struct lookup *l)
{
    sem_init(&l->stop, 0, 0);
    return -pthread_create(&l->thread, NULL, lookup_thread, l);
}

static void lookup_stop(void *lookup)
{
    sem_post(&((struct lookup *)lookup)->stop);
}

/* The bridge. */
typedef BIDE_PROMISE(int) int_promise;

static void on_done(void *user, int value)
{
    bide_resolve((int_promise *)user, value); /* from any thread */
}

static int look_up(int key)
{
    int_promise found;
    struct lookup l = { .done = on_done, .user = &found, .key = key };
    bide_promise_init_with(&found, lookup_stop, &l); /* called when nobody waits any longer */
    int value = lookup_start(&l);
    if (value < 0)
        return value;
    value = await(&found);
    pthread_join(l.thread, NULL); /* ends at once; then the promise may go out of use */
    return value;
}
ASYNC(int, look_up, int)

static int demo(void)
{
    let three = async(look_up, 3);
    let four = async(look_up, 4);
    join(&three, &four);
    printf("%d and %d\n", three.value, four.value);
    if (within(10 * BIDE_MS, async(look_up, -1)) < 0)
        printf("what is not there: stopped by the time-out\n");
    return 0;
}
ASYNC(int, demo)

int main(void)
{
    return bide_run(async(demo)) ? 1 : 0;
}
