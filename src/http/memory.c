/*
 * http/memory.c - blocks of one size, recycled by each server, and the arena of a request.
 *
 * Blocks lie in chunks of address space. A few free ones stay warm; the memory of the others goes
 * back to the kernel, so that ten thousand connections that were busy and are idle hold none.
 *
 * All memory of the library comes from the functions at the top (chunks too, by their heads),
 * so that a test can make each allocation fail.
 */
#include "memory.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static_assert(sizeof(struct bide__http_block) == BIDE__HTTP_BLOCK, "whole pages");
static_assert(BIDE__HTTP_CHUNK == 64, "one bit each");

bool (*bide__http_fault)(void);

void *bide__http_malloc(size_t size)
{
    if (BIDE__UNLIKELY(bide__http_fault != NULL) && bide__http_fault())
        return NULL;
    return malloc(size);
}

void *bide__http_calloc(size_t count, size_t size)
{
    if (BIDE__UNLIKELY(bide__http_fault != NULL) && bide__http_fault())
        return NULL;
    return calloc(count, size);
}

void *bide__http_alloc_apart(size_t size)
{
    enum { LINE = 64 };
    size = (size + LINE - 1) / LINE * LINE;
    if (BIDE__UNLIKELY(bide__http_fault != NULL) && bide__http_fault())
        return NULL;
    void *p = aligned_alloc(LINE, size);
    return p ? memset(p, 0, size) : NULL;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static struct bide__http_chunk *add_chunk(struct bide__http_pool *pool)
{
    struct bide__http_chunk *chunk = bide__http_malloc(sizeof(*chunk));
    if (!chunk)
        return NULL;
    void *blocks = mmap(NULL, BIDE__HTTP_CHUNK * sizeof(*chunk->blocks), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (blocks == MAP_FAILED) {
        free(chunk);
        return NULL;
    }
    chunk->blocks = blocks;
    chunk->cold = UINT64_MAX;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    return chunk;
}

struct bide__http_block *bide__http_block_get(struct bide__http_pool *pool)
{
    struct bide__http_block *block = pool->free;
    if (BIDE__LIKELY(block != NULL)) {
        pool->free = block->next;
        pool->count--;
        return block;
    }
    struct bide__http_chunk *chunk = pool->chunks;
    while (chunk && !chunk->cold)
        chunk = chunk->next;
    if (!chunk)
        chunk = add_chunk(pool);
    if (!chunk)
        return NULL;
    block = &chunk->blocks[__builtin_ctzll(chunk->cold)];
    chunk->cold &= chunk->cold - 1;
    block->chunk = chunk;
    return block;
}

void bide__http_block_put(struct bide__http_pool *pool, struct bide__http_block *block)
{
    if (BIDE__UNLIKELY(pool->count == BIDE__HTTP_BLOCKS_KEPT)) {
        struct bide__http_chunk *chunk = block->chunk;
        madvise(block, sizeof(*block), MADV_DONTNEED);
        chunk->cold |= 1ull << (block - chunk->blocks);
        return;
    }
    block->next = pool->free;
    pool->free = block;
    pool->count++;
}

void bide__http_pool_release(struct bide__http_pool *pool)
{
    while (pool->chunks) {
        struct bide__http_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        munmap(chunk->blocks, BIDE__HTTP_CHUNK * sizeof(*chunk->blocks));
        free(chunk);
    }
    pool->free = NULL;
    pool->count = 0;
}

/* ---- arenas ---------------------------------------------------------------------------------- */

void *bide__http_arena_alloc(struct bide__http_arena *arena, size_t size)
{
    size_t align = _Alignof(max_align_t);
    if (size > BIDE__HTTP_BLOCK / 4) {
        struct bide__http_large *large =
            size < PTRDIFF_MAX ? bide__http_malloc(sizeof(*large) + size) : NULL;
        if (!large)
            return NULL;
        large->next = arena->large;
        arena->large = large;
        return large->data;
    }
    size = (size + align - 1) & ~(align - 1);
    if (!arena->blocks || size > sizeof(arena->blocks->data) - arena->used) {
        struct bide__http_block *block = bide__http_block_get(arena->pool);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        arena->blocks = block;
        arena->used = -(uintptr_t)block->data & (align - 1);
    }
    void *p = arena->blocks->data + arena->used;
    arena->used += size;
    return p;
}

void bide__http_arena_reset_slow(struct bide__http_arena *arena)
{
    while (arena->blocks) {
        struct bide__http_block *block = arena->blocks;
        arena->blocks = block->next;
        bide__http_block_put(arena->pool, block);
    }
    while (arena->large) {
        struct bide__http_large *large = arena->large;
        arena->large = large->next;
        free(large);
    }
    arena->used = 0;
}
