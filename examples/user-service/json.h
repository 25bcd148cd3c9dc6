/*
 * json.h - writing JSON straight into a buffer.
 *
 * The caller puts the punctuation, these functions the values. A buffer that could not grow
 * keeps what it has and is failed: look once, at the end.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
    char *data;
    size_t size, room; /* bytes */
    bool failed;       /* no memory */
    char first[4096];  /* data, until more is needed */
};

void json_init(struct json *json);
void json_release(struct json *json);

/* Punctuation, as it is: a string literal. */
#define json_put(json, literal) json_put_n(json, "" literal, sizeof(literal) - 1)
void json_put_n(struct json *json, const char *data, size_t size);

void json_int(struct json *json, int64_t value);

/* A string in quotes, escaped. What is not UTF-8 in it becomes U+FFFD. NULL: null. */
void json_text(struct json *json, const char *text, size_t size);

#endif
