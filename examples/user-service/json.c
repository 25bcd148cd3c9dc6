/* json.c - writing JSON straight into a buffer. */
#include "json.h"

#include <stdlib.h>
#include <string.h>

void json_init(struct json *json)
{
    json->data = json->first;
    json->size = 0;
    json->room = sizeof(json->first);
    json->failed = false;
}

void json_release(struct json *json)
{
    if (json->data != json->first)
        free(json->data);
}

/* Where size more bytes can be written; NULL when there is no memory. */
static char *reserve(struct json *json, size_t size)
{
    size_t room = json->room;

    if (json->failed)
        return NULL;
    if (size <= room - json->size)
        return json->data + json->size;
    while (room - json->size < size)
        room *= 2;
    char *data = realloc(json->data == json->first ? NULL : json->data, room);
    if (!data) {
        json->failed = true;
        return NULL;
    }
    if (json->data == json->first)
        memcpy(data, json->first, json->size);
    json->data = data;
    json->room = room;
    return data + json->size;
}

void json_put_n(struct json *json, const char *data, size_t size)
{
    char *to = reserve(json, size);

    if (!to)
        return;
    memcpy(to, data, size);
    json->size += size;
}

void json_int(struct json *json, int64_t value)
{
    char digits[20], *at = digits + sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        *--at = '-';
    json_put_n(json, at, (size_t)(digits + sizeof(digits) - at));
}

/* Bytes of the UTF-8 sequence at text, of size bytes at least 1; 0 when it is none (RFC 3629). */
static size_t sequence(const unsigned char *text, size_t size)
{
    unsigned char low = 0x80, high = 0xbf; /* of the second byte */
    size_t n;

    if (text[0] < 0x80)
        return 1;
    if (text[0] >= 0xc2 && text[0] <= 0xdf)
        n = 2;
    else if ((text[0] & 0xf0) == 0xe0)
        n = 3;
    else if (text[0] >= 0xf0 && text[0] <= 0xf4)
        n = 4;
    else
        return 0;
    if (text[0] == 0xe0)
        low = 0xa0; /* overlong */
    if (text[0] == 0xed)
        high = 0x9f; /* surrogates */
    if (text[0] == 0xf0)
        low = 0x90;
    if (text[0] == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    if (size < n || text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* What stands for a byte that cannot stand for itself, in at most 6 bytes. Returns how many. */
static size_t escape(unsigned char c, char *to)
{
    static const char hex[] = "0123456789abcdef";
    static const char from[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = c ? strchr(from, c) : NULL;

    to[0] = '\\';
    if (at) {
        to[1] = letters[at - from];
        return 2;
    }
    memcpy(to, "\\u00", 4);
    to[4] = hex[c >> 4];
    to[5] = hex[c & 15];
    return 6;
}

void json_text(struct json *json, const char *text, size_t size)
{
    const unsigned char *from = (const unsigned char *)text, *end = from + size;

    if (!text) {
        json_put(json, "null");
        return;
    }
    char *start = reserve(json, 6 * size + 2); /* the worst: \u0001 for each */
    if (!start)
        return;
    char *to = start;
    *to++ = '"';
    while (from < end) {
        if (*from >= 0x20 && *from < 0x80 && *from != '"' && *from != '\\') {
            *to++ = (char)*from++;
            continue;
        }
        if (*from < 0x80) {
            to += escape(*from++, to);
            continue;
        }
        size_t n = sequence(from, (size_t)(end - from));
        memcpy(to, n ? (const char *)from : "\xef\xbf\xbd", n ? n : 3);
        to += n ? n : 3;
        from += n ? n : 1;
    }
    *to++ = '"';
    json->size += (size_t)(to - start);
}
