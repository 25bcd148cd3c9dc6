/*
 * core/inspect.c - asking the workers what they do.
 *
 * All workers of the process are in a list. Who asks sends each of them a message, and waits until
 * they have answered, or until one that has not begun to has had its time. A message that comes too
 * late finds the dump closed. The last that knows a dump frees it: who asked, or such a message.
 *
 * All that both sides share is under one lock, but for a part's nodes, which are the worker's until
 * it has answered.
 */
#include "core/inspect.h"

#include <bide/scope.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

bide_time bide__inspect_patience = 100 * BIDE_MS;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER; /* a part has been answered */
static struct bide__list workers = { &workers, &workers }; /* bide__inspected.link; under lock */

/* Under the lock, but for the list of the parts. */
struct bide__dump {
    struct bide__part *parts;
    unsigned users;         /* who asked, and messages on their way */
    unsigned asked, begun;  /* parts that have not been answered, and those of them under way */
    bool late;              /* who has not begun has had its time */
    bool closed;            /* nobody waits any more */
    struct wait_future *waiting; /* who asked, when it is a fiber that waits */
    struct bide__post post; /* to its worker */
};

/* A fiber's wait: a leaf. */
struct wait_future {
    struct bide_future future;
    struct bide_void value;
    struct bide__dump *dump;
    struct bide__worker *worker;
    struct bide__timer timer;
};

/* ---- the list of workers ---- */

void bide__inspect_enter(struct bide__worker *w)
{
    w->inspected.self = &bide__self;
    pthread_mutex_lock(&lock);
    bide__list_push(&workers, &w->inspected.link);
    pthread_mutex_unlock(&lock);
}

void bide__inspect_leave(struct bide__worker *w)
{
    pthread_mutex_lock(&lock);
    bide__list_remove(&w->inspected.link);
    while (w->inspected.asked) { /* it is in the inbox: it was posted under the lock */
        pthread_mutex_unlock(&lock);
        w->callbacks++;
        bide__read_inbox(w);
        w->callbacks--;
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
}

void bide__inspect_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

/* A child has none of the workers, and none of the threads that wait. */
void bide__inspect_after_fork(bool child)
{
    if (child) {
        bide__list_init(&workers);
        changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    }
    pthread_mutex_unlock(&lock);
}

/* ---- the life of a dump ---- */

static void free_parts(struct bide__part *parts)
{
    while (parts) {
        struct bide__part *part = parts;
        parts = part->next;
        bide__inspect_free_part(part);
    }
}

/* Gives back the lock. */
static void leave_and_unlock(struct bide__dump *dump)
{
    bool last = --dump->users == 0;
    pthread_mutex_unlock(&lock);
    if (!last)
        return;
    free_parts(dump->parts);
    bide__free(dump);
}

/* Under the lock. */
static bool is_over(const struct bide__dump *dump)
{
    return !dump->asked || (dump->late && !dump->begun);
}

static void deliver_over(struct bide__post *post)
{
    struct bide__dump *dump = bide__container(post, struct bide__dump, post);
    struct wait_future *f = dump->waiting;
    bide__timer_clear(&f->worker->wheel, &f->timer);
    bide_leaf_done(&f->future);
}

/* Under the lock: it may be over. Once it is, it stays so, and is told once. */
static void tell(struct bide__dump *dump)
{
    if (!is_over(dump) || dump->closed)
        return;
    dump->closed = true;
    pthread_cond_broadcast(&changed);
    if (dump->waiting)
        bide__post_to(dump->waiting->worker, &dump->post);
}

/* ---- the worker's side ---- */

static void deliver_question(struct bide__post *post)
{
    struct bide__part *part = bide__container(post, struct bide__part, post);
    struct bide__dump *dump = part->dump;
    pthread_mutex_lock(&lock);
    part->worker->inspected.asked--;
    part->delivered = true;
    if (!dump->closed) {
        dump->begun++;
        pthread_mutex_unlock(&lock);
        bide__inspect_walk(part, part->worker, NULL);
        pthread_mutex_lock(&lock);
        part->answered = true;
        dump->begun--;
        dump->asked--;
        tell(dump);
    }
    leave_and_unlock(dump);
}

/* ---- asking ---- */

/* NULL: no memory. */
static struct bide__part *add_part(struct bide__dump *dump, struct bide__worker *w,
                                   bool backtraces)
{
    struct bide__part *part = bide__alloc_zero(sizeof(*part));
    if (!part)
        return NULL;
    part->dump = dump;
    part->worker = w;
    part->own = w->inspected.self == &bide__self;
    part->index = w->index;
    part->reactor = w->stats.reactor;
    part->runtime = w->pool;
    part->backtraces = backtraces;
    part->post.deliver = deliver_question;
    /* In the order of the workers, after those of the same runtime. */
    struct bide__part **at = &dump->parts;
    while (*at && (*at)->runtime != part->runtime)
        at = &(*at)->next;
    while (*at && (*at)->runtime == part->runtime && (*at)->index < part->index)
        at = &(*at)->next;
    part->next = *at;
    *at = part;
    return part;
}

/* Under the lock. */
static int add_parts(struct bide__dump *dump, const struct bide__worker *of, bool backtraces)
{
    for (struct bide__list *at = workers.next; at != &workers; at = at->next) {
        struct bide__worker *w = bide__container(at, struct bide__worker, inspected.link);
        if ((!of || w->pool == of->pool) && !add_part(dump, w, backtraces))
            return -ENOMEM;
    }
    return 0;
}

/* Those of one worker's runtime, or of all. */
static struct bide__dump *ask(const struct bide__worker *of, bool backtraces)
{
    struct bide__dump *dump = bide__alloc_zero(sizeof(*dump));
    if (!dump)
        return NULL;
    dump->users = 1;
    dump->post.deliver = deliver_over;
    pthread_mutex_lock(&lock);
    if (add_parts(dump, of, backtraces) < 0) {
        leave_and_unlock(dump);
        return NULL;
    }
    for (struct bide__part *part = dump->parts; part; part = part->next) {
        if (part->own)
            continue;
        dump->users++;
        dump->asked++;
        part->worker->inspected.asked++;
        bide__post_to(part->worker, &part->post);
    }
    pthread_mutex_unlock(&lock);
    return dump;
}

/* ---- waiting, in a fiber ---- */

static void run_out(struct bide__timer *timer)
{
    struct wait_future *f = bide__container(timer, struct wait_future, timer);
    pthread_mutex_lock(&lock);
    f->dump->late = true;
    tell(f->dump);
    pthread_mutex_unlock(&lock);
}

static enum bide_leaf_start wait_start(struct bide_future *future)
{
    struct wait_future *f = (struct wait_future *)future;
    f->worker = bide__worker();
    f->timer.deadline = bide__now() + bide__inspect_patience;
    f->timer.fire = run_out;
    pthread_mutex_lock(&lock);
    bool over = is_over(f->dump);
    if (!over)
        f->dump->waiting = f;
    pthread_mutex_unlock(&lock);
    if (over)
        return BIDE_LEAF_DONE;
    bide__timer_set(&f->worker->wheel, &f->timer);
    return BIDE_LEAF_PENDING;
}

/* It is bounded in any case. */
static void wait_cancel(struct bide_future *future)
{
    (void)future;
}

static void wait_describe(const struct bide_future *future, struct bide_description *to)
{
    bide__say(to, "the workers, for a dump");
    to->until = ((const struct wait_future *)future)->timer.deadline;
}

static const struct bide_leaf_ops wait_ops = { wait_start, wait_cancel, NULL, wait_describe };
static const struct bide_type wait_type = BIDE_LEAF_TYPE(wait, &wait_ops);

static void wait_in_fiber(struct bide__dump *dump)
{
    struct wait_future f = { .future = { .type = &wait_type }, .dump = dump };
    bide__await(&f.future, BIDE__SITE);
}

/* ---- waiting, in a plain thread ---- */

static void wait_in_thread(struct bide__dump *dump)
{
    bide_time until = bide__clock() + bide__inspect_patience;
    struct timespec at = { .tv_sec = until / BIDE_S, .tv_nsec = until % BIDE_S };
    pthread_mutex_lock(&lock);
    while (!is_over(dump)) {
        if (dump->late)
            pthread_cond_wait(&changed, &lock);
        else if (pthread_cond_clockwait(&changed, &lock, CLOCK_MONOTONIC, &at) == ETIMEDOUT)
            dump->late = true;
    }
    dump->closed = true;
    pthread_mutex_unlock(&lock);
}

/* ---- those that have not answered ---- */

/* A worker with a message on its way does not leave; so what is looked at is there. */
static void look_at_silent(struct bide__dump *dump)
{
    pthread_mutex_lock(&lock);
    for (struct bide__part *part = dump->parts; part; part = part->next)
        if (!part->delivered && !part->own)
            bide__peek_task(part->worker->inspected.self, part->holder, part->holder_site);
    pthread_mutex_unlock(&lock);
}

/* ---- the whole ---- */

static int print(struct bide__dump *dump, const struct bide_dump_options *options, bool circle,
                 struct bide__text *text)
{
    struct bide__tree tree = { .parts = dump->parts, .now = bide__now(), .brief = options->brief };
    int error = bide__tree_make(&tree);
    if (!error && options->json) {
        bide__tree_json(&tree, text);
    } else if (!error) {
        if (circle)
            bide__tree_circle(&tree, text);
        bide__tree_text(&tree, text);
    }
    bide__tree_free(&tree);
    return error ? error : text->no_memory ? -ENOMEM : 0;
}

/* The dump is over for who asked. */
static int finish(struct bide__dump *dump, const struct bide_dump_options *options, bool circle,
                  struct bide__text *text)
{
    look_at_silent(dump);
    int error = print(dump, options, circle, text);
    pthread_mutex_lock(&lock);
    leave_and_unlock(dump);
    if (error < 0) {
        bide__free(text->bytes);
        *text = (struct bide__text){ 0 };
    }
    return error;
}

/* Outside a runtime the thread may have one of a foreign loop, which is at rest then. */
static void answer_own(struct bide__dump *dump, struct bide__fiber *fiber)
{
    if (fiber && fiber->lazy) /* groups are what is walked */
        bide__join_publish(fiber);
    for (struct bide__part *part = dump->parts; part; part = part->next) {
        if (!part->own)
            continue;
        bide__inspect_walk(part, part->worker, fiber);
        part->answered = true;
    }
}

static int dump_with(const struct bide_dump_options *options, struct bide__text *text)
{
    struct bide__fiber *fiber = bide__self.fiber;
    struct bide__dump *dump = ask(fiber ? fiber->worker : NULL, options->backtraces);
    if (!dump)
        return -ENOMEM;
    answer_own(dump, fiber);
    if (fiber)
        wait_in_fiber(dump);
    else
        wait_in_thread(dump);
    return finish(dump, options, false, text);
}

/* The first worker waits as a thread does: the others are idle, and answer. */
char *bide__dump_deadlock(struct bide__worker *w)
{
    struct bide__text text = { 0 };
    struct bide__dump *dump = ask(w, false);
    if (!dump)
        return NULL;
    answer_own(dump, NULL);
    wait_in_thread(dump);
    int error = finish(dump, &(struct bide_dump_options){ 0 }, true, &text);
    return error < 0 ? NULL : text.bytes;
}

int bide_dump_with(const struct bide_dump_options *options, char **ret_text, size_t *ret_size)
{
    struct bide__text text = { 0 };
    int error = 0;
    if (bide__stand_in) /* the stack is a task's, which does not know how far it has come */
        return -EOPNOTSUPP;
    bide_shield()
        error = dump_with(options ? options : &(struct bide_dump_options){ 0 }, &text);
    if (error < 0)
        return error;
    *ret_text = text.bytes;
    if (ret_size)
        *ret_size = text.size;
    return 0;
}

int bide_dump(int fd)
{
    char *text;
    size_t size;
    int error = bide_dump_with(NULL, &text, &size);
    if (error < 0)
        return error;
    ssize_t written = 0;
    bide_shield()
        written = bide_write_all(fd, text, size);
    bide__free(text);
    return written < 0 ? (int)written : 0;
}
