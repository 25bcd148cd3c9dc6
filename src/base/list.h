/* base/list.h - intrusive, circular, doubly linked lists. A head is a struct bide__list too. */
#ifndef BIDE_BASE_LIST_H
#define BIDE_BASE_LIST_H

#include <bide/base.h>
#include <stdbool.h>

#define bide__container(link, type, member) \
    ((type *)((char *)(link) - offsetof(type, member)))

static inline void bide__list_init(struct bide__list *head)
{
    head->next = head->prev = head;
}

static inline bool bide__list_empty(const struct bide__list *head)
{
    return head->next == head;
}

static inline void bide__list_insert(struct bide__list *prev, struct bide__list *next,
                                     struct bide__list *link)
{
    link->prev = prev;
    link->next = next;
    prev->next = link;
    next->prev = link;
}

/* At the end of head's list. */
static inline void bide__list_push(struct bide__list *head, struct bide__list *link)
{
    bide__list_insert(head->prev, head, link);
}

/* At its beginning. */
static inline void bide__list_push_front(struct bide__list *head, struct bide__list *link)
{
    bide__list_insert(head, head->next, link);
}

static inline void bide__list_remove(struct bide__list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
}

/* The first link, removed; NULL when there is none. */
static inline struct bide__list *bide__list_pop(struct bide__list *head)
{
    struct bide__list *link = head->next;
    if (link == head)
        return NULL;
    bide__list_remove(link);
    return link;
}

/* All of from's links to the end of to; from is empty afterwards. */
static inline void bide__list_splice(struct bide__list *to, struct bide__list *from)
{
    if (bide__list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    bide__list_init(from);
}

#endif
