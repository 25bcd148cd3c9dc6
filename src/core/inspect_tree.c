/*
 * core/inspect_tree.c - the nodes of all workers become one tree.
 *
 * A child that went to another worker is a node of that worker's, and has a stand-in among its
 * siblings. The two have the same key. Where that worker has not answered the stand-in is shown;
 * where the owner has not, the child stands among the tasks that are nobody's.
 */
#include "core/inspect.h"

#include <errno.h>

/* ---- an index by pointer: open addressing, never full ---- */

struct bide__index {
    size_t mask;
    struct {
        const void *key;
        int node;
    } slots[];
};

static size_t slot_of(const struct bide__index *index, const void *key)
{
    size_t at = (size_t)(((uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15) >> 20) & index->mask;
    while (index->slots[at].key && index->slots[at].key != key)
        at = (at + 1) & index->mask;
    return at;
}

static void put(struct bide__index *index, const void *key, int node)
{
    size_t at = slot_of(index, key);
    index->slots[at].key = key;
    index->slots[at].node = node;
}

/* -1: there is none. */
static int get(const struct bide__index *index, const void *key)
{
    size_t at = slot_of(index, key);
    return index->slots[at].key ? index->slots[at].node : -1;
}

static struct bide__index *make_index(const struct bide__tree *tree)
{
    size_t entries = 0, slots = 16;
    for (int i = 0; i < tree->count; i++)
        entries += tree->nodes[i].adopted + (tree->nodes[i].owner != NULL);
    while (slots < 2 * entries)
        slots *= 2;
    struct bide__index *index = bide__alloc_zero(sizeof(*index) + slots * sizeof(index->slots[0]));
    if (!index)
        return NULL;
    index->mask = slots - 1;
    for (int i = 0; i < tree->count; i++) {
        if (tree->nodes[i].adopted)
            put(index, tree->nodes[i].key, i);
        if (tree->nodes[i].owner)
            put(index, tree->nodes[i].owner, i);
    }
    return index;
}

/* ---- the tree ---- */

/* The first part's grow: when there is no other one, as so often, they stay as they are. */
static int gather(struct bide__tree *tree)
{
    size_t count = 0;
    for (const struct bide__part *part = tree->parts; part; part = part->next)
        count += (size_t)part->count;
    if (!count)
        return 0;
    struct bide__part *first = tree->parts;
    tree->nodes = first->nodes;
    first->nodes = NULL;
    if (count > (size_t)first->room) {
        struct bide__node *nodes = bide__realloc(tree->nodes, count * sizeof(*nodes));
        if (!nodes)
            return -ENOMEM;
        tree->nodes = nodes;
    }
    tree->count = first->count;
    for (struct bide__part *part = first->next; part; part = part->next) {
        part->first = tree->count;
        for (int i = 0; i < part->count; i++) {
            struct bide__node *node = &tree->nodes[tree->count++];
            *node = part->nodes[i];
            if (node->parent >= 0)
                node->parent += part->first;
        }
        bide__free(part->nodes);
        part->nodes = NULL;
    }
    return 0;
}

/* The node itself is to be shown where its stand-in is. By chance the memory of one that is over
 * may have become another's in between: that one was spawned elsewhere. */
static void replace_stand_ins(struct bide__tree *tree)
{
    for (int i = 0; i < tree->count; i++) {
        struct bide__node *node = &tree->nodes[i];
        if (node->kind != NODE_TASK || node->adopted || !node->key ||
            (node->state != STATE_ELSEWHERE && node->state != STATE_QUEUED))
            continue;
        int real = get(tree->index, node->key);
        if (real < 0 || !tree->nodes[real].adopted || tree->nodes[real].parent >= 0 ||
            tree->nodes[real].site != node->site)
            continue;
        tree->nodes[real].parent = node->parent;
        node->stands_for = real;
    }
}

/* Children in the order of their numbers, but each in the place of its stand-in. */
static void link_children(struct bide__tree *tree)
{
    for (int i = 0; i < tree->count; i++) {
        struct bide__node *node = &tree->nodes[i];
        int at = node->stands_for >= 0 ? node->stands_for : i;
        if (node->parent < 0 || (node->adopted && node->parent >= 0))
            continue;
        struct bide__node *parent = &tree->nodes[node->parent];
        if (parent->last < 0)
            parent->first = at;
        else
            tree->nodes[parent->last].next = at;
        parent->last = at;
    }
}

int bide__tree_make(struct bide__tree *tree)
{
    int error = gather(tree);
    if (error)
        return error;
    tree->index = make_index(tree);
    if (!tree->index)
        return -ENOMEM;
    replace_stand_ins(tree);
    link_children(tree);
    return 0;
}

void bide__tree_free(struct bide__tree *tree)
{
    bide__free(tree->nodes);
    bide__free(tree->index);
}

const struct bide__node *bide__tree_holder(const struct bide__tree *tree,
                                           const struct bide__node *node)
{
    int at = node->holder ? get(tree->index, node->holder) : -1;
    return at >= 0 ? &tree->nodes[at] : NULL;
}

/* ---- going through it ---- */

bool bide__tree_step(const struct bide__tree *tree, struct bide__visit *at)
{
    const struct bide__node *node = &tree->nodes[at->node];
    if (!at->leaving && node->first >= 0) {
        at->node = node->first;
        at->depth++;
    } else if (!at->leaving) {
        at->leaving = true;
    } else if (at->depth > 0 && node->next >= 0) {
        at->node = node->next;
        at->leaving = false;
    } else if (at->depth > 0) {
        at->node = node->parent;
        at->depth--;
    } else {
        return false;
    }
    return true;
}
