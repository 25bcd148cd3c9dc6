/*
 * http/route.h - the trie of routes.
 */
#ifndef BIDE_HTTP_ROUTE_H
#define BIDE_HTTP_ROUTE_H

#include "text.h"

enum {
    BIDE__HTTP_PARAMS_MAX = 8,    /* in one route */
    BIDE__HTTP_SEGMENTS_MAX = 16, /* in one route */
    BIDE__HTTP_METHODS = BIDE_HTTP_OTHER,
};

/* In the order in which they are tried. */
enum bide__http_param_type {
    BIDE__HTTP_UINT,
    BIDE__HTTP_INT,
    BIDE__HTTP_TEXT,
    BIDE__HTTP_PARAM_TYPES,
};

struct bide__http_param {
    struct bide__http_text name;
    uint8_t type; /* enum bide__http_param_type */
};

struct bide__http_route {
    struct bide_http_route public;
    struct bide__http_param params[BIDE__HTTP_PARAMS_MAX];
    unsigned params_count;
};

/* A place in the trie of path segments. */
struct bide__http_node {
    struct bide__http_node *next;     /* sibling, of a literal */
    struct bide__http_node *literals; /* first literal child */
    struct bide__http_node *params[BIDE__HTTP_PARAM_TYPES];
    struct bide__http_text text;      /* of a literal */
    struct bide__http_route *routes[BIDE__HTTP_METHODS]; /* HEAD: GET's where it has none */
    unsigned methods;                 /* bits: those of routes that are not NULL */
};

/* A parameter's value in a request. */
struct bide__http_value {
    struct bide__http_text text;
    int64_t number; /* of an int or uint */
};

struct bide__http_match {
    struct bide__http_route *route; /* NULL: none, and then */
    unsigned allowed;               /* the methods of the routes that match the path */
    bool bad_number;                /* a route would match but for a number */
    struct bide__http_value values[BIDE__HTTP_PARAMS_MAX]; /* route->params_count of them */
};

/* Add a route to the trie, and fill its params. Returns 0, -EINVAL or -ENOMEM. After the last one
 * call seal. */
int bide__http_route_add(struct bide__http_node *root, struct bide__http_route *route);
void bide__http_route_seal(struct bide__http_node *root);
void bide__http_route_free(struct bide__http_node *root);

/* Find the route for a path that was split at its slashes, each segment decoded. */
void bide__http_route_match(const struct bide__http_node *root, enum bide_http_method method,
                            const struct bide__http_text *segments, unsigned count,
                            struct bide__http_match *ret_match);

#endif
