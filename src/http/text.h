/*
 * http/text.h - names, dates, numbers and escapes of HTTP. No state, no allocation.
 */
#ifndef BIDE_HTTP_TEXT_H
#define BIDE_HTTP_TEXT_H

#include <bide/http.h>
#include <stdbool.h>

struct bide__http_text {
    const char *data;
    size_t size;
};

#define BIDE__HTTP_DATE_SIZE 37 /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */

/* "HTTP/1.1 404 Not Found\r\n"; size 0 for a status without a name. */
struct bide__http_text bide__http_status_line(int status);

/* A whole header line, and a NUL. */
void bide__http_format_date(char *ret_line, int64_t unix_seconds);

/* They return the end: at most 20 and 16 bytes on. */
char *bide__http_format_decimal(char *to, uint64_t n);
char *bide__http_format_hex(char *to, uint64_t n);

/* Write s as the inside of a JSON string. Returns the end; to has room for 6 * size bytes. Bytes
 * that are not UTF-8 become U+FFFD. */
char *bide__http_format_json(char *to, const char *s, size_t size);

/* Are they equal but for case (ASCII)? */
bool bide__http_same_name(const char *a, size_t a_size, const char *b, size_t b_size);

/* A token of RFC 9110; not empty. */
bool bide__http_is_token(const char *s, size_t size);

/* All of s as a decimal int64_t. Returns 0, -EINVAL or -ERANGE. */
int bide__http_parse_int(const char *s, size_t size, int64_t *ret_value);

/* Percent-decode s to to, which may be s; plus: '+' is a space. Returns the size; -EINVAL for
 * a bad escape or an encoded NUL. */
ssize_t bide__http_decode(char *to, const char *s, size_t size, bool plus);

#endif
