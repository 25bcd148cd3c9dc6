/*
 * http/parser.h - one request at a time out of a stream of bytes; no I/O.
 */
#ifndef BIDE_HTTP_PARSER_H
#define BIDE_HTTP_PARSER_H

#include <bide/http.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BIDE__HTTP_HEADERS_MAX = 100,
    BIDE__HTTP_FRAMING_MAX = 16384, /* bytes of chunk headers and trailers; see parser.c */
};

/* A header; offsets in bytes from the head's begin. */
struct bide__http_field {
    uint32_t name, name_size;
    uint32_t value, value_size;
};

struct bide__http_limits {
    size_t uri_max, head_max;
    unsigned headers_max;
};

enum bide__http_phase {
    BIDE__HTTP_HEAD,   /* more bytes are needed for the head */
    BIDE__HTTP_BODY,   /* the head is there; a body follows */
    BIDE__HTTP_DONE,   /* the request is complete */
    BIDE__HTTP_FAILED, /* status and message say why; the parser is of no further use */
};

/* The head must stay in one piece in memory, which may move between two calls. */
struct bide__http_parser {
    union {
        max_align_t align;
        char room[160];
    } llhttp;                  /* first; an llhttp_t, which only parser.c knows */
    const struct bide__http_limits *limits;
    const char *head;          /* its first byte; valid during a call */
    uint8_t phase;             /* enum bide__http_phase */
    uint8_t in_name, in_value; /* of the last field */
    uint8_t method;            /* enum bide_http_method; from here on valid after the head */
    uint8_t connect;           /* it is CONNECT */
    uint8_t major, minor;      /* of HTTP */
    uint8_t keep_alive;        /* the client's wish */
    uint8_t has_length;        /* there is a Content-Length */
    uint8_t expects_continue;
    uint8_t chunked;
    int status;                /* to refuse the request with, when FAILED */
    const char *message;
    uint32_t url, url_size;
    uint32_t head_size;        /* bytes, the empty line included */
    uint64_t length;           /* as Content-Length has it */
    int64_t content_length;    /* of the body; -1: chunked */
    const char *body;          /* what the last call found of the body */
    size_t body_size;
    uint64_t body_total;       /* found so far */
    uint64_t framing;          /* bytes of the body's framing so far */
    char trailing;             /* in the trailers: the byte before; else 0 */
    unsigned fields_count;
    struct bide__http_field fields[BIDE__HTTP_HEADERS_MAX];
};

void bide__http_parser_init(struct bide__http_parser *p, const struct bide__http_limits *limits);

/* Get ready for the next request, once the last is DONE. */
void bide__http_parser_next(struct bide__http_parser *p);

/*
 * Parse on. head is where the request begins; [from, end), which is not empty, follows what has
 * been parsed. Returns how many bytes were used: all, unless the phase came to BODY, DONE or
 * FAILED.
 */
size_t bide__http_parse_head(struct bide__http_parser *p, const char *head, const char *from,
                             const char *end);

/* The same for the body. Stops behind each part of the body, which is then p->body, and at the
 * end of the request; p->body_size is 0 when there was no part. */
size_t bide__http_parse_body(struct bide__http_parser *p, const char *from, const char *end);

/* Make p FAILED, unless it is. */
void bide__http_refuse(struct bide__http_parser *p, int status, const char *message);

/* head.c. Check a head that is complete. Sets expects_continue, chunked, content_length, or
 * refuses. */
void bide__http_check_head(struct bide__http_parser *p);

#endif
