/*
 * core/inspect_circle.c - a circle of tasks that wait for each other.
 *
 * A task that waits for a lock waits for its holder, one that waits for its children or for what it
 * has called waits for those. Depth first, without recursion: what comes to a node that is on the
 * path has found a circle.
 */
#include "core/inspect.h"

enum { NEW, ON_PATH, DONE };

struct search {
    const struct bide__tree *tree;
    uint8_t *seen; /* a node each */
    int *path;     /* nodes */
    int *tried;    /* and which of its edges each is at; -1: none yet */
    int depth;
};

/* The next node that `node` waits for, after `last`; -1: there is none more. */
static int next_edge(const struct bide__tree *tree, int node, int last)
{
    const struct bide__node *n = &tree->nodes[node];
    if (n->state != STATE_WAITING)
        return -1;
    if (!n->operation)
        return last < 0 ? n->first : tree->nodes[last].next;
    const struct bide__node *holder = last < 0 ? bide__tree_holder(tree, n) : NULL;
    return holder ? (int)(holder - tree->nodes) : -1;
}

static void enter(struct search *s, int node)
{
    s->seen[node] = ON_PATH;
    s->path[s->depth] = node;
    s->tried[s->depth++] = -1;
}

/* A node of the path to which its end leads back; -1: from `root` none is found. */
static int search_from(struct search *s, int root)
{
    enter(s, root);
    while (s->depth) {
        int at = s->depth - 1;
        int next = next_edge(s->tree, s->path[at], s->tried[at]);
        s->tried[at] = next;
        if (next < 0) {
            s->seen[s->path[at]] = DONE;
            s->depth--;
        } else if (s->seen[next] == ON_PATH) {
            return next;
        } else if (s->seen[next] == NEW) {
            enter(s, next);
        }
    }
    return -1;
}

static void print(const struct search *s, int first, struct bide__text *text)
{
    int at = 0;
    while (s->path[at] != first)
        at++;
    bide__text_print(text, "in a circle:\n");
    for (; at < s->depth; at++)
        if (s->tree->nodes[s->path[at]].kind != NODE_GROUP)
            bide__tree_line(s->tree, text, &s->tree->nodes[s->path[at]], 1);
}

void bide__tree_circle(const struct bide__tree *tree, struct bide__text *text)
{
    size_t n = (size_t)tree->count;
    struct search s = { .tree = tree,
                        .seen = bide__alloc_zero(n + 1),
                        .path = bide__alloc((n + 1) * sizeof(int)),
                        .tried = bide__alloc((n + 1) * sizeof(int)) };
    int first = -1;
    for (int i = 0; i < tree->count && first < 0 && s.seen && s.path && s.tried; i++)
        if (s.seen[i] == NEW)
            first = search_from(&s, i);
    if (first >= 0)
        print(&s, first, text);
    bide__free(s.seen);
    bide__free(s.path);
    bide__free(s.tried);
}
