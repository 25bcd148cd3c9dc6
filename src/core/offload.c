/*
 * core/offload.c - work on the blocking pool.
 *
 * A call lives in its future, and so does the job that runs its cancel hook: the future is over
 * only when both are.
 */
#include "core/internal.h"

/* What this thread of the pool runs for somebody; NULL in all others. */
static __thread struct bide_offload_call_future *offloaded;

int bide__offload_cancelled(void)
{
    return offloaded ? __atomic_load_n(&offloaded->cancelled, __ATOMIC_ACQUIRE) : 0;
}

struct bide__worker *bide__offload_worker(void)
{
    return offloaded ? offloaded->job.worker : NULL;
}

/* ---- bide_offload_call ---- */

static struct bide_offload_call_future *call_of(struct bide__job *job)
{
    return bide__container(job, struct bide_offload_call_future, job);
}

static void call_work(struct bide__job *job)
{
    struct bide_offload_call_future *f = call_of(job);
    struct bide__binding **bindings = bide__bindings(); /* of this thread, which is the task now */
    offloaded = f;
    *bindings = f->bindings;
    f->value = f->args.call(f->args.arg);
    bide__locals_end(NULL);
    *bindings = NULL;
    offloaded = NULL;
    if (f->args.options.cancel)
        bide__pool_over(&f->job, &f->hook);
}

static void hook_work(struct bide__job *job)
{
    struct bide_offload_call_future *f =
        bide__container(job, struct bide_offload_call_future, hook);
    f->args.options.cancel(f->args.options.user);
}

static void call_done(struct bide__post *post)
{
    bide_leaf_done(&call_of(bide__container(post, struct bide__job, post))->future);
}

static enum bide_leaf_start call_start(struct bide_future *future)
{
    struct bide_offload_call_future *f = (struct bide_offload_call_future *)future;
    f->job = (struct bide__job){ .work = call_work, .post.deliver = call_done };
    f->hook = (struct bide__job){ .work = hook_work };
    f->bindings = bide__bindings_of(future);
    f->cancelled = 0;
    int error = bide__pool_submit(bide__worker(), &f->job,
                                  f->args.options.brief ? BIDE__LANE_SHORT : BIDE__LANE_LONG);
    if (!error)
        return BIDE_LEAF_PENDING;
    f->value = error;
    future->error = error;
    return BIDE_LEAF_DONE;
}

static void call_cancel(struct bide_future *future)
{
    struct bide_offload_call_future *f = (struct bide_offload_call_future *)future;
    if (bide__pool_withdraw(&f->job)) {
        bide_leaf_fail(future, bide_leaf_reason(future));
        return;
    }
    __atomic_store_n(&f->cancelled, bide_leaf_reason(future), __ATOMIC_RELEASE);
    if (f->args.options.cancel)
        bide__pool_interrupt(&f->job, &f->hook);
}

static void call_block(struct bide_future *future)
{
    struct bide_offload_call_future *f = (struct bide_offload_call_future *)future;
    f->value = f->args.call(f->args.arg);
}

static int drive_there(void *arg);

static void call_describe(const struct bide_future *future, struct bide_description *to)
{
    const struct bide_offload_call_future *f = (const struct bide_offload_call_future *)future;
    const struct bide_future *driven = f->args.call == drive_there ? f->args.arg : NULL;
    bide__say(to, "offloaded %s, %s", driven ? driven->type->name : "call",
              bide__pool_begun(&f->job) ? "which a thread runs" : "which queues for a thread");
}

static const struct bide_leaf_ops call_ops = { call_start, call_cancel, call_block, call_describe };
const struct bide_type bide_offload_call_type = BIDE_LEAF_TYPE(bide_offload_call, &call_ops);

int bide_offload_call(int (*call)(void *arg), void *arg)
{
    return bide_await(bide_offload_call_async(call, arg));
}

int bide_offload_call_with(const struct bide_offload_options *options, int (*call)(void *arg),
                           void *arg)
{
    return bide_await(bide_offload_call_with_async(options, call, arg));
}

/* ---- bide_offload ---- */

/* On a thread of the pool, which is outside any runtime: operations block. */
static int drive_there(void *arg)
{
    struct bide_future *f = arg;
    bide__await(f, "bide_offload");
    return 0;
}

void bide__offload(struct bide_future *f, const struct bide_offload_options *options,
                   const char *site)
{
    if (!bide__self.fiber || f->flags & WHY) {
        bide__await(f, site);
        return;
    }
    if (!bide__check_cold(f, "offload", site))
        return;
    bide_let call = bide_async(bide_offload_call_with, options, drive_there, f);
    bide_await(&call);
    if (bide_error(&call))
        bide__fail(f, bide_error(&call));
}
