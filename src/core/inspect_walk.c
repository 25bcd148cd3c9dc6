/*
 * core/inspect_walk.c - one worker's tasks, noted down as nodes.
 *
 * No recursion, since a tree may be deeper than a stack: the nodes are the queue of what is still
 * to be looked into. On a fiber's stack stand, one above the other, its task, the futures that are
 * awaited there, and children of joins that run there; they are its chain. The groups that are open
 * on the stack are each of one of the chain; nearly in the same order, but a join may have got its
 * group after one further in.
 */
#include "core/inspect.h"
#include "platform/backtrace.h"

#include <execinfo.h>
#include <string.h>

enum { NODES_FIRST = 64, STEP = 1024 /* nodes */, STRINGS = 64 * 1024 };

/* ---- memory ---- */

/* Never moves, so that nodes point into it. */
struct bide__strings {
    struct bide__strings *older;
    size_t used;
    char bytes[STRINGS];
};

/* NULL: no memory, which is noted. */
static void *keep_bytes(struct bide__part *part, const void *bytes, size_t size, size_t alignment)
{
    struct bide__strings *strings = part->strings;
    if (strings)
        strings->used = (strings->used + alignment - 1) & -alignment;
    if (!strings || strings->used > STRINGS || size > STRINGS - strings->used) {
        strings = bide__alloc(sizeof(*strings));
        if (!strings) {
            part->no_memory = true;
            return NULL;
        }
        strings->older = part->strings;
        strings->used = 0;
        part->strings = strings;
    }
    char *kept = strings->bytes + strings->used;
    strings->used += size;
    return memcpy(kept, bytes, size);
}

static const char *keep(struct bide__part *part, const char *string)
{
    return keep_bytes(part, string, strlen(string) + 1, 1);
}

void bide__inspect_free_part(struct bide__part *part)
{
    while (part->strings) {
        struct bide__strings *strings = part->strings;
        part->strings = strings->older;
        bide__free(strings);
    }
    bide__free(part->nodes);
    bide__free(part);
}

static bool has_room(struct bide__part *part, int n)
{
    int room = part->room ? part->room : NODES_FIRST;
    while (room - part->count < n)
        room *= 2;
    if (room == part->room)
        return true;
    if (part->no_memory) /* one try is enough: there may be many tasks */
        return false;
    struct bide__node *nodes = bide__realloc(part->nodes, (size_t)room * sizeof(*nodes));
    if (!nodes) {
        part->no_memory = true;
        return false;
    }
    part->nodes = nodes;
    part->room = room;
    return true;
}

/* However many tasks there are, none of them holds the worker: the watchdog is to see a step. */
static void go_on(struct bide__worker *w)
{
    __atomic_store_n(&w->until_poll, w->until_poll - 1, __ATOMIC_RELAXED);
}

/* A node for which there is room. Its number. */
static int add(struct bide__part *part, int parent, enum bide__node_kind kind, const void *key)
{
    part->nodes[part->count] = (struct bide__node){
        .key = key, .kind = (uint8_t)kind, .parent = parent, .worker = part->index,
        .until = BIDE_FOREVER, .deadline = BIDE_FOREVER,
        .first = -1, .last = -1, .next = -1, .stands_for = -1,
    };
    if (part->count % STEP == STEP - 1)
        go_on(part->worker);
    return part->count++;
}

/* ---- what one waits for ---- */

static void describe(struct bide__part *part, struct bide__node *node, const struct bide_future *f)
{
    struct bide_description says;
    bide_leaf_describe(f, &says);
    node->state = STATE_WAITING;
    node->operation = true;
    node->wait = keep(part, says.text);
    node->until = says.until;
    node->holder = says.holder;
}

static const char *group_name(const struct bide__group *g)
{
    if (g->policy & POLICY_SCOPE)
        return "scope";
    if (g->policy & POLICY_FIRST_DONE)
        return "race";
    return g->policy & POLICY_FIRST_ERROR ? "try_join" : "join";
}

static const char *its(const struct bide__group *g)
{
    if (g->policy & POLICY_SCOPE)
        return "its scope";
    return g->policy & POLICY_FIRST_DONE ? "its race" : "its join";
}

/* One group at most waits: the innermost, when the fiber is parked for it. */
static const char *waits_for_group(const struct bide__fiber *fiber)
{
    const struct bide__list *at = fiber->groups.prev;
    for (; at != &fiber->groups; at = at->prev)
        if (bide__container(at, struct bide__group, open)->waiting)
            return its(bide__container(at, struct bide__group, open));
    return "a future that was started";
}

/* Ticks wrap around, after weeks. */
static bide_time parked_since(const struct bide__fiber *fiber)
{
    bide_time now = fiber->worker->clock;
    return now - (bide_time)((uint64_t)(bide__tick(now) - fiber->parked_at) << 20);
}

/* `node` is the innermost on fiber's stack: what the fiber does is what it does. */
static void note_state(struct bide__part *part, struct bide__node *node,
                       const struct bide__fiber *fiber, const struct bide__fiber *asks)
{
    node->deadline = fiber->deadline;
    node->cancelled |= fiber->cancelled != 0;
    if (fiber == asks) {
        node->state = STATE_RUNNING;
        return;
    }
    if (!fiber->parked) {
        node->state = STATE_READY;
        return;
    }
    if (fiber->leaf)
        describe(part, node, fiber->leaf);
    else
        node->wait = waits_for_group(fiber);
    node->state = STATE_WAITING;
    node->since = parked_since(fiber);
}

static void note_stack(struct bide__node *node, const struct bide__fiber *fiber)
{
    const char *sp = fiber == bide__self.fiber ? __builtin_frame_address(0) : fiber->context.sp;
    if (!fiber->bottom)
        return;
    node->stack_size = (size_t)((const char *)fiber - fiber->bottom);
    node->stack_used = (size_t)((const char *)fiber - sp);
}

/* A worker that is idle looks for what is new on the stack of the last fiber that it ran. */
static void note_frames(struct bide__part *part, struct bide__node *node,
                        const struct bide__fiber *fiber)
{
    void *frames[BIDE__FRAMES_MAX];
    int n = fiber == bide__self.fiber ? backtrace(frames, BIDE__FRAMES_MAX)
                                      : bide__context_backtrace(&fiber->context, frames,
                                                                BIDE__FRAMES_MAX);
    node->frames = keep_bytes(part, frames, (size_t)n * sizeof(*frames), sizeof(*frames));
    node->frame_count = node->frames ? n : 0;
}

/* ---- children ---- */

/* f is a child that this worker may read. */
static void add_child(struct bide__part *part, int parent, const struct bide_future *f)
{
    if (!has_room(part, 1))
        return;
    struct bide__node *node = &part->nodes[add(part, parent, NODE_TASK, f)];
    node->function = f->type->name;
    node->site = bide__child_site(f);
    node->cancelled = f->flags & (BIDE__CANCELLED | BIDE__TIMEDOUT);
    if (f->flags & (BIDE__HEAP | BIDE__MALLOC))
        node->spawned = bide__container(f, struct bide__spawned, future)->at;
    if (f->flags & BIDE__QUEUED) {
        node->state = f->state == BIDE_COLD ? STATE_QUEUED : STATE_READY;
    } else if (f->type->leaf) {
        describe(part, node, f);
    } else {
        node->state = STATE_WAITING;
        node->fiber = f->fiber->task == f ? f->fiber : NULL;
    }
}

/* f is a child that other workers may take: theirs to read, once one has. */
static void add_parallel(struct bide__part *part, int parent, const struct bide_future *f)
{
    const struct bide__parallel *p = bide__container(f, struct bide__parallel, spawned.future);
    const struct bide__worker *runner = bide__parallel_runner(f);
    if (runner == part->worker) {
        add_child(part, parent, f);
        return;
    }
    if (!has_room(part, 1))
        return;
    struct bide__node *node = &part->nodes[add(part, parent, NODE_TASK, f)];
    node->function = p->type->name;
    node->site = p->spawned.site;
    node->spawned = p->spawned.at;
    node->state = runner ? STATE_ELSEWHERE : STATE_QUEUED;
    node->cancelled = p->why;
    if (runner)
        node->worker = runner->index;
}

static int add_group(struct bide__part *part, int parent, const struct bide__group *g)
{
    int at = add(part, parent, NODE_GROUP, g);
    struct bide__node *node = &part->nodes[at];
    node->function = group_name(g);
    node->site = g->site;
    node->pending = g->pending;
    node->cancelled = g->cancelled;
    node->state = STATE_WAITING;
    return at;
}

/* ---- a fiber's stack ---- */

/* The members of the chain, but its outermost: numbers from..to-1 in a row. -1: no memory. */
struct chain {
    int at;       /* the member that the last group was of; -1: the outermost */
    int from, to;
    int outermost; /* its node, or -1: the thread's own stack */
};

static struct chain add_chain(struct bide__part *part, const struct bide__fiber *fiber,
                              int outermost)
{
    const struct bide_future *innermost =
        fiber == bide__self.fiber ? bide__self.current : fiber->current;
    const struct bide_future *f;
    int n = 0;
    for (f = innermost; f && f != fiber->task; f = f->parent)
        n++;
    struct chain chain = { -1, part->count, part->count, outermost };
    if (!has_room(part, n))
        return chain;
    for (int i = 0; i < n; i++)
        add(part, i ? chain.from + i - 1 : outermost, NODE_AWAITED, NULL);
    chain.to += n;
    f = innermost;
    for (int i = n; i-- > 0; f = f->parent) {
        struct bide__node *node = &part->nodes[chain.from + i];
        node->key = f;
        node->function = f->type->name;
        node->cancelled = f->flags & (BIDE__CANCELLED | BIDE__TIMEDOUT);
        node->state = STATE_WAITING;
    }
    return chain;
}

static int node_of(const struct chain *chain)
{
    return chain->at < 0 ? chain->outermost : chain->from + chain->at;
}

static const void *key_of(const struct bide__part *part, const struct chain *chain)
{
    int at = node_of(chain);
    return at >= 0 ? part->nodes[at].key : NULL;
}

/* To the member that is `frame`: most likely the last group's, or one further in. One that is none,
 * of a scope by hand whose function has returned, changes nothing. */
static void go_to(struct chain *chain, const struct bide__part *part, const void *frame)
{
    int begin = chain->at, members = chain->to - chain->from + 1;
    for (int i = 0; i < members && key_of(part, chain) != frame; i++)
        chain->at = chain->from + chain->at + 1 < chain->to ? chain->at + 1 : -1;
    if (key_of(part, chain) != frame)
        chain->at = begin;
}

/* A child may run on the same stack: then it is the next member of the chain. */
static void add_children(struct bide__part *part, struct chain *chain, int parent,
                         const struct bide__group *g)
{
    int next = chain->from + chain->at + 1;
    for (const struct bide__list *at = g->children.next; at != &g->children; at = at->next) {
        const struct bide_future *f = bide__container(at, struct bide_future, sibling);
        if (next < chain->to && part->nodes[next].key == f) {
            part->nodes[next].parent = parent;
            part->nodes[next].kind = NODE_TASK;
            part->nodes[next].site = bide__child_site(f);
            if (node_of(chain) >= 0)
                part->nodes[node_of(chain)].wait = its(g);
        } else {
            add_child(part, parent, f);
        }
    }
    for (const struct bide__list *at = g->parallel.next; at != &g->parallel; at = at->next)
        add_parallel(part, parent, bide__container(at, struct bide_future, sibling));
}

/* All but the innermost wait for what stands above them. */
static void note_chain(struct bide__part *part, const struct chain *chain,
                       const struct bide__fiber *fiber, const struct bide__fiber *asks)
{
    for (int i = chain->from - 1; i < chain->to; i++) {
        int at = i < chain->from ? chain->outermost : i;
        if (at < 0)
            continue;
        struct bide__node *node = &part->nodes[at];
        if (fiber->name[0] && (i == chain->from - 1 || (chain->outermost < 0 && i == chain->from)))
            node->name = keep(part, fiber->name);
        if (i == chain->to - 1) {
            note_state(part, node, fiber, asks);
            continue;
        }
        node->state = STATE_WAITING;
        if (!node->wait)
            node->wait = part->nodes[i + 1].function;
    }
}

/* `outermost` is the node of its task; -1: the fiber is a thread's own stack. Its children there
 * are the runtime's, in a group that nobody made. */
static void walk_fiber(struct bide__part *part, const struct bide__fiber *fiber, int outermost,
                       const struct bide__fiber *asks)
{
    struct chain chain = add_chain(part, fiber, outermost);
    for (const struct bide__list *at = fiber->groups.next; at != &fiber->groups && !part->no_memory;
         at = at->next) {
        const struct bide__group *g = bide__container(at, struct bide__group, open);
        go_to(&chain, part, g->frame);
        int parent = node_of(&chain);
        if (parent >= 0 && has_room(part, 1))
            parent = add_group(part, parent, g);
        add_children(part, &chain, parent, g);
    }
    note_chain(part, &chain, fiber, asks);
    int task = outermost >= 0 ? outermost : chain.to > chain.from ? chain.from : -1;
    if (task < 0)
        return;
    part->nodes[task].owner = fiber->bottom ? (const void *)fiber : part->worker->inspected.self;
    note_stack(&part->nodes[task], fiber);
    if (part->backtraces && fiber != asks)
        note_frames(part, &part->nodes[task], fiber);
}

/* The fibers of nodes that come up soon, and then what they wait for, which stands on their stacks:
 * of many tasks, all that is to be read is far from any cache. */
static void prefetch(const struct bide__part *part, int number)
{
    int soon = number + 8, sooner = number + 4;
    const struct bide__fiber *fiber = soon < part->count ? part->nodes[soon].fiber : NULL;
    if (fiber) {
        __builtin_prefetch(fiber);
        __builtin_prefetch((const char *)fiber + 64);
        __builtin_prefetch((const char *)fiber + 128);
    }
    fiber = sooner < part->count ? part->nodes[sooner].fiber : NULL;
    if (fiber && fiber->leaf) {
        __builtin_prefetch(fiber->leaf);
        __builtin_prefetch((const char *)fiber->leaf + 64);
    }
}

void bide__inspect_walk(struct bide__part *part, struct bide__worker *w,
                        const struct bide__fiber *asks)
{
    walk_fiber(part, &w->root, -1, asks);
    for (struct bide__list *at = w->adopted.next; at != &w->adopted; at = at->next) {
        int number = part->count;
        add_child(part, -1,
                  &bide__container(at, struct bide__parallel, adopted)->spawned.future);
        if (number < part->count)
            part->nodes[number].adopted = true;
    }
    for (int i = 0; i < part->count && !part->no_memory; i++) {
        prefetch(part, i);
        if (i % STEP == STEP - 1)
            go_on(w);
        if (part->nodes[i].fiber)
            walk_fiber(part, part->nodes[i].fiber, i, asks);
    }
}
