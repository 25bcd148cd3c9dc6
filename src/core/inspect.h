/*
 * core/inspect.h - the parts of a dump: each worker walks its tasks and notes them down as nodes
 * (inspect_walk.c); who asks collects these (inspect.c), makes one tree of them (inspect_tree.c)
 * and prints it (inspect_text.c, inspect_json.c).
 */
#ifndef BIDE_CORE_INSPECT_H
#define BIDE_CORE_INSPECT_H

#include "core/internal.h"

#include <bide/inspect.h>

enum bide__node_kind { NODE_TASK, NODE_AWAITED, NODE_GROUP };

enum bide__node_state {
    STATE_QUEUED,    /* it has not begun */
    STATE_READY,     /* it will go on soon */
    STATE_RUNNING,   /* it is the one that asks */
    STATE_WAITING,   /* `wait` says for what */
    STATE_ELSEWHERE, /* it was begun by another worker, whose own node of it is not there */
};

/* A task, a future that it awaits, or a group, as it was when it was walked. */
struct bide__node {
    const void *key;      /* its future or group */
    const void *owner;    /* who a lock's holder is, when this one is (bide__holder); or NULL */
    const struct bide__fiber *fiber; /* while walking: whose stack is its own; or NULL */
    const char *function, *site; /* static; site may be NULL */
    const char *name;     /* of bide_name; NULL: none */
    const char *wait;     /* what it waits for, in words; NULL: nothing */
    const void *holder;   /* and who has it; NULL: not known */
    bide_time until;      /* the end of the wait, or BIDE_FOREVER */
    bide_time deadline;   /* or BIDE_FOREVER */
    bide_time since;      /* it waits; 0: not known */
    bide_time spawned;    /* when it was; 0: not known */
    size_t stack_used, stack_size; /* bytes; 0: no stack of its own, or a thread's */
    void *const *frames;  /* return addresses, innermost first; NULL: not asked for, or it runs */
    int frame_count;
    size_t pending;       /* of a group: children that are not over */
    int parent, first, last, next; /* nodes; -1: none. All but the parent are inspect_tree.c's */
    int stands_for;       /* the node of another worker that is to be shown for it, or -1 */
    unsigned worker;
    uint8_t kind, state;
    bool operation;       /* `wait` is a leaf's, not a task of its own */
    bool cancelled;
    bool adopted;         /* its parent is another worker's */
};

/* What one worker has to say. */
struct bide__part {
    struct bide__part *next;
    struct bide__post post; /* to the worker */
    struct bide__dump *dump;
    struct bide__worker *worker; /* gone, perhaps, once the message is delivered */
    /* Constant. */
    bool own; /* of the thread that asks, which would wait for itself */
    unsigned index;
    const char *reactor;
    const void *runtime; /* the same for all workers of one */
    bool backtraces;
    /* The worker's, then who asks's. */
    struct bide__node *nodes;
    int count, room;
    int first;           /* of its nodes in the tree's */
    struct bide__strings *strings; /* newest first */
    bool no_memory;      /* not all tasks are there */
    /* Under the lock of inspect.c. */
    bool delivered, answered;
    char holder[64], holder_site[128]; /* the task that holds it, when it has not answered */
};

/* The first part of the runtime after part's; NULL: there is none more. */
static inline const struct bide__part *bide__next_runtime(const struct bide__part *part)
{
    const void *runtime = part->runtime;
    while (part && part->runtime == runtime)
        part = part->next;
    return part;
}

/* What is printed. It may come from several runtimes. */
struct bide__tree {
    struct bide__part *parts; /* in the order of the workers, those of a runtime together */
    struct bide__node *nodes; /* of all, in the same order */
    int count;
    struct bide__index *index; /* by key and by owner; NULL: no memory */
    bide_time now;
    bool brief;
};

/* ---- inspect_walk.c ---- */

/* Note down all that is on w, which is the calling thread's. @asks: the fiber that asks, when it is
 * w's and running; else NULL. */
void bide__inspect_walk(struct bide__part *part, struct bide__worker *w,
                        const struct bide__fiber *asks);
void bide__inspect_free_part(struct bide__part *part);

/* ---- inspect_tree.c ---- */

/* Make a tree of the parts' nodes; 0 or -ENOMEM. */
int bide__tree_make(struct bide__tree *tree);
void bide__tree_free(struct bide__tree *tree);

/* A walk from a node that is nobody's child through all below it: each is entered, then its
 * children are, then it is left. Begins with { .node = root }; false: it is at its end. */
struct bide__visit {
    int node, depth;
    bool leaving;
};
bool bide__tree_step(const struct bide__tree *tree, struct bide__visit *at);

/* Who holds what `node` waits for; NULL: not known. */
const struct bide__node *bide__tree_holder(const struct bide__tree *tree,
                                           const struct bide__node *node);

/* ---- printing ---- */

struct bide__text {
    char *bytes; /* owned; NULL: none yet */
    size_t size, room;
    bool no_memory;
};

void bide__text_add(struct bide__text *text, const char *bytes, size_t size);
void bide__text_print(struct bide__text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bide__text_number(struct bide__text *text, long long number); /* decimal; quicker than print */
void bide__text_pause(int printed); /* after so many nodes: may suspend */

void bide__tree_text(const struct bide__tree *tree, struct bide__text *text);
void bide__tree_line(const struct bide__tree *tree, struct bide__text *text,
                     const struct bide__node *node, int depth);
void bide__tree_circle(const struct bide__tree *tree, struct bide__text *text); /* if there is */
void bide__tree_json(const struct bide__tree *tree, struct bide__text *text);

#endif
