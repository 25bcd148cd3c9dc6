/*
 * core/local.c - storage of a task's own.
 *
 * The values of all tasks whose functions stand on a fiber's stack are in one list of the fiber,
 * newest first. Tasks begin and end on a stack like calls, so those of the task that runs are at
 * the front. A task that has any is marked with BIDE__LOCALS, so that the end of others costs
 * nothing.
 */
#include "core/internal.h"

#include <bide/local.h>
#include <pthread.h>
#include <string.h>

struct bide__local {
    struct bide__local *older;
    const struct bide_future *task; /* NULL outside a runtime */
    const void *key;
    void (*destroy)(void *value);
    size_t size; /* of the whole */
    char value[] __attribute__((aligned(16)));
};

static __thread struct bide__local *outside; /* any runtime: the thread's */

struct bide__local **bide__locals(void)
{
    return bide__self.fiber ? &bide__self.fiber->locals : &outside;
}

/* ---- memory: the worker's, or outside a runtime the program's ---- */

static struct bide__local *get(size_t size)
{
    return bide__self.fiber ? bide__slab_get(&bide__worker()->slab, size) : bide__alloc(size);
}

static void put(struct bide__local *local)
{
    if (bide__self.fiber)
        bide__slab_put(&bide__worker()->slab, local, local->size);
    else
        bide__free(local);
}

/* ---- the end of a task ---- */

/* What a destructor asks for anew goes too. task is NULL outside a runtime. */
void bide__locals_end(struct bide_future *task)
{
    struct bide__local **newest = bide__locals();
    for (struct bide__local *local; (local = *newest) && local->task == task;) {
        *newest = local->older;
        if (local->destroy)
            local->destroy(local->value);
        put(local);
    }
    if (task)
        task->flags &= (uint8_t)~BIDE__LOCALS;
}

static pthread_key_t thread_end;
static int no_thread_end; /* the error of making it */

static void end_thread(void *unused)
{
    (void)unused;
    bide__locals_end(NULL);
}

static void make_thread_end(void)
{
    no_thread_end = pthread_key_create(&thread_end, end_thread);
}

/* The calling thread's values will be destroyed at its end. */
static bool will_end(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_thread_end);
    return !no_thread_end && !pthread_setspecific(thread_end, &outside);
}

/* ---- asking for one ---- */

/* The innermost future that something drives as one of several. */
static struct bide_future *current_task(const struct bide__fiber *fiber)
{
    const struct bide_future *joined = bide__join_running(fiber);
    struct bide_future *f = bide__self.current;
    while (f && !f->group && f != joined)
        f = f->parent;
    if (!f)
        bide__panic("bide_local: no task runs here");
    return f;
}

static void *make(const void *key, void (*destroy)(void *value), size_t size,
                  struct bide_future *task)
{
    struct bide__local **newest = bide__locals(), *local;
    size_t whole;
    if (__builtin_add_overflow(sizeof(*local), size, &whole) || (!task && !will_end()))
        return NULL;
    local = get(whole);
    if (!local)
        return NULL;
    *local = (struct bide__local){ *newest, task, key, destroy, whole };
    memset(local->value, 0, size);
    *newest = local;
    if (task)
        task->flags |= BIDE__LOCALS;
    return local->value;
}

void *bide__local(const void *key, void (*destroy)(void *value), size_t size)
{
    struct bide_future *task = bide__self.fiber ? current_task(bide__self.fiber) : NULL;
    struct bide__local *local = *bide__locals();
    for (; local && local->task == task; local = local->older)
        if (local->key == key)
            return local->value;
    return make(key, destroy, size, task);
}
