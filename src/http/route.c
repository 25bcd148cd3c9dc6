/*
 * http/route.c - the trie of routes, by path segments.
 *
 * The path "/users/{id:int}" has the segments "users" and a number; "/" has one empty segment.
 * Matching tries the children of a node in the order of the documentation and steps back where
 * it leads nowhere; the depth is that of the deepest route.
 */
#include "route.h"
#include "memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- building ------------------------------------------------------------------------------ */

/* Read "{name:type}". Returns 0 or -EINVAL. */
static int parse_param(const char *at, size_t size, struct bide__http_param *ret_param)
{
    static const char *const types[] = { "uint", "int" };
    if (size < 3 || at[0] != '{' || at[size - 1] != '}')
        return -EINVAL;
    at++;
    size -= 2;
    const char *colon = memchr(at, ':', size);
    size_t name_size = colon ? (size_t)(colon - at) : size;
    if (!name_size || memchr(at, '{', size) || memchr(at, '}', size))
        return -EINVAL;
    *ret_param = (struct bide__http_param){ { at, name_size }, BIDE__HTTP_TEXT };
    if (!colon)
        return 0;
    size -= name_size + 1;
    for (uint8_t i = 0; i < BIDE__HTTP_TEXT; i++) {
        if (strlen(types[i]) == size && !memcmp(types[i], colon + 1, size)) {
            ret_param->type = i;
            return 0;
        }
    }
    return -EINVAL;
}

static struct bide__http_node *child(struct bide__http_node **at)
{
    if (!*at)
        *at = bide__http_calloc(1, sizeof(**at));
    return *at;
}

/* The child of node for one segment of a route's path. */
static int descend(struct bide__http_node **node, struct bide__http_route *route, const char *at,
                   size_t size)
{
    if (memchr(at, '{', size) || memchr(at, '}', size)) {
        struct bide__http_param param;
        if (route->params_count == BIDE__HTTP_PARAMS_MAX || parse_param(at, size, &param) < 0)
            return -EINVAL;
        route->params[route->params_count++] = param;
        *node = child(&(*node)->params[param.type]);
        return *node ? 0 : -ENOMEM;
    }
    struct bide__http_node **link = &(*node)->literals;
    while (*link && ((*link)->text.size != size || memcmp((*link)->text.data, at, size)))
        link = &(*link)->next;
    *node = child(link);
    if (!*node)
        return -ENOMEM;
    (*node)->text = (struct bide__http_text){ at, size };
    return 0;
}

int bide__http_route_add(struct bide__http_node *root, struct bide__http_route *route)
{
    struct bide__http_node *node = root;
    const char *at = route->public.path;
    unsigned method = route->public.method, segments = 0;

    if (!at || *at != '/' || method >= BIDE__HTTP_METHODS || !route->public.handler)
        return -EINVAL;
    while (*at == '/') {
        size_t size = strcspn(++at, "/");
        if (segments++ == BIDE__HTTP_SEGMENTS_MAX || (!size && at[size]))
            return -EINVAL;
        int err = descend(&node, route, at, size);
        if (err < 0)
            return err;
        at += size;
    }
    if (node->routes[method])
        return -EINVAL;
    node->routes[method] = route;
    node->methods |= 1u << method;
    return 0;
}

void bide__http_route_seal(struct bide__http_node *node)
{
    if (node->routes[BIDE_HTTP_GET] && !node->routes[BIDE_HTTP_HEAD]) {
        node->routes[BIDE_HTTP_HEAD] = node->routes[BIDE_HTTP_GET];
        node->methods |= 1u << BIDE_HTTP_HEAD;
    }
    for (struct bide__http_node *n = node->literals; n; n = n->next)
        bide__http_route_seal(n);
    for (unsigned i = 0; i < BIDE__HTTP_PARAM_TYPES; i++)
        if (node->params[i])
            bide__http_route_seal(node->params[i]);
}

void bide__http_route_free(struct bide__http_node *root)
{
    while (root->literals) {
        struct bide__http_node *node = root->literals;
        root->literals = node->next;
        bide__http_route_free(node);
        free(node);
    }
    for (unsigned i = 0; i < BIDE__HTTP_PARAM_TYPES; i++) {
        if (!root->params[i])
            continue;
        bide__http_route_free(root->params[i]);
        free(root->params[i]);
        root->params[i] = NULL;
    }
}

/* ---- matching ------------------------------------------------------------------------------ */

struct search {
    const struct bide__http_text *segments;
    unsigned count, method;
    struct bide__http_match *match;
};

static bool parse_number(const struct bide__http_text *segment, unsigned type, int64_t *ret_number)
{
    return bide__http_parse_int(segment->data, segment->size, ret_number) == 0 &&
           (type == BIDE__HTTP_INT || (*ret_number >= 0 && segment->data[0] != '-'));
}

/* bad: a number on the way here is none, so this can only tell what would have matched. */
static bool search(const struct search *s, const struct bide__http_node *node, unsigned at,
                   unsigned values, bool bad)
{
    if (at == s->count) {
        bool has = s->method < BIDE__HTTP_METHODS && node->routes[s->method];
        if (!has)
            s->match->allowed |= node->methods;
        else if (bad)
            s->match->bad_number = true;
        else
            s->match->route = node->routes[s->method];
        return has && !bad;
    }
    const struct bide__http_text *segment = &s->segments[at];
    for (const struct bide__http_node *n = node->literals; n; n = n->next)
        if (n->text.size == segment->size && !memcmp(n->text.data, segment->data, segment->size) &&
            search(s, n, at + 1, values, bad))
            return true;
    if (!segment->size)
        return false;
    for (unsigned type = 0; type < BIDE__HTTP_PARAM_TYPES; type++) {
        if (!node->params[type])
            continue;
        int64_t number = 0;
        bool good = type == BIDE__HTTP_TEXT || parse_number(segment, type, &number);
        if (!bad && good)
            s->match->values[values] = (struct bide__http_value){ *segment, number };
        if (search(s, node->params[type], at + 1, values + 1, bad || !good))
            return true;
    }
    return false;
}

void bide__http_route_match(const struct bide__http_node *root, enum bide_http_method method,
                            const struct bide__http_text *segments, unsigned count,
                            struct bide__http_match *ret_match)
{
    struct search s = { segments, count, method, ret_match };
    ret_match->route = NULL;
    ret_match->allowed = 0;
    ret_match->bad_number = false;
    search(&s, root, 0, 0, false);
}
