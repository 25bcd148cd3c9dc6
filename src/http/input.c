/*
 * http/input.c - a connection's input buffer, and receiving into it.
 */
#include "internal.h"
#include <stdlib.h>

enum { WANTED = 2048 }; /* bytes of room that a read should find */

bool bide__http_input_get(struct bide__http_connection *c)
{
    struct bide__http_input *in = &c->input;
    if (in->parser)
        return true;
    struct bide__http_block *block = bide__http_block_get(&c->share->pool);
    if (!block)
        return false;
    static_assert(sizeof(struct bide__http_parser) < BIDE__HTTP_BLOCK / 4, "room for requests");
    static_assert(offsetof(struct bide__http_block, data) % _Alignof(struct bide__http_parser) == 0,
                  "the parser is at the begin of data");
    *in = (struct bide__http_input){
        .parser = (struct bide__http_parser *)(void *)block->data,
        .block = block,
        .data = block->data + sizeof(struct bide__http_parser),
        .room = sizeof(block->data) - sizeof(struct bide__http_parser) - 1, /* a byte for a NUL */
    };
    bide__http_parser_init(in->parser, &c->server->limits);
    return true;
}

void bide__http_input_put(struct bide__http_connection *c)
{
    struct bide__http_input *in = &c->input;
    if (!in->parser)
        return;
    free(in->own);
    bide__http_block_put(&c->share->pool, in->block);
    *in = (struct bide__http_input){ 0 };
}

static int grow(struct bide__http_input *in)
{
    size_t room = 2 * in->room;
    char *data = bide__http_malloc(room + 1);
    if (!data)
        return -ENOMEM;
    memcpy(data, in->data, in->end);
    free(in->own);
    in->data = in->own = data;
    in->room = room;
    return 0;
}

int bide__http_input_room(struct bide__http_connection *c)
{
    struct bide__http_input *in = &c->input;
    if (in->room - in->end >= WANTED)
        return 0;
    if (in->head > 0) {
        memmove(in->data, in->data + in->head, in->end - in->head);
        in->parsed -= in->head;
        in->end -= in->head;
        in->head = 0;
    }
    return in->room - in->end >= WANTED ? 0 : grow(in);
}

ssize_t bide__http_receive(struct bide__http_connection *c, bide_time span)
{
    struct bide__http_input *in = &c->input;
    bide_let receive =
        bide_async(bide_recv, c->fd, in->data + in->end, in->room - in->end, 0);
    bide_within(span, &receive);
    c->now = bide_now();
    if (receive.value > 0) {
        in->end += (size_t)receive.value;
        bide__http_add(&c->share->stats.received, (uint64_t)receive.value);
    }
    return receive.value;
}
