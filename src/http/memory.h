/*
 * http/memory.h - where libbide-http's memory comes from; blocks and arenas.
 */
#ifndef BIDE_HTTP_MEMORY_H
#define BIDE_HTTP_MEMORY_H

#include <bide/base.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BIDE__HTTP_BLOCK = 16384,     /* bytes of a block: an input or output buffer, or arena space */
    BIDE__HTTP_BLOCKS_KEPT = 128, /* free ones that keep their memory */
    BIDE__HTTP_CHUNK = 64,        /* blocks */
};

struct bide__http_block {
    struct bide__http_block *next;
    struct bide__http_chunk *chunk; /* that it is in */
    char data[BIDE__HTTP_BLOCK - 2 * sizeof(void *)];
};

/* Address space of many blocks. */
struct bide__http_chunk {
    struct bide__http_chunk *next;
    struct bide__http_block *blocks; /* BIDE__HTTP_CHUNK of them */
    uint64_t cold;                   /* bits: free, and without memory */
};

struct bide__http_pool {
    struct bide__http_block *free; /* warm, last in first out */
    unsigned count;                /* of those */
    struct bide__http_chunk *chunks;
};

struct bide__http_large {
    struct bide__http_large *next;
    max_align_t data[];
};

/* Memory that is released all at once. */
struct bide__http_arena {
    struct bide__http_pool *pool;
    struct bide__http_block *blocks; /* the first is in use */
    size_t used;                     /* of its data */
    struct bide__http_large *large;
};

/* NULL, or a test's: asked before each allocation; true makes it fail. */
extern bool (*bide__http_fault)(void);

/* As malloc and calloc; free(3) releases. */
void *bide__http_malloc(size_t size);
void *bide__http_calloc(size_t count, size_t size);

/* Zeroed, and on cache lines of its own: what a worker does there slows down no other. */
void *bide__http_alloc_apart(size_t size);

struct bide__http_block *bide__http_block_get(struct bide__http_pool *pool); /* or NULL */
void bide__http_block_put(struct bide__http_pool *pool, struct bide__http_block *block);

/* All blocks have been put back. */
void bide__http_pool_release(struct bide__http_pool *pool);

/* Aligned for any type; or NULL. */
void *bide__http_arena_alloc(struct bide__http_arena *arena, size_t size);
void bide__http_arena_reset_slow(struct bide__http_arena *arena);

static inline void bide__http_arena_reset(struct bide__http_arena *arena)
{
    if (arena->blocks || arena->large)
        bide__http_arena_reset_slow(arena);
}

#endif
