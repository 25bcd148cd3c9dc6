/*
 * http/text.c - names, dates, numbers and escapes. No state, no allocation.
 */
#include "text.h"
#include <errno.h>
#include <string.h>
#include <time.h>

/* ---- methods and statuses ------------------------------------------------------------------ */

static const char *const method_names[] = {
    [BIDE_HTTP_GET] = "GET",       [BIDE_HTTP_HEAD] = "HEAD",   [BIDE_HTTP_POST] = "POST",
    [BIDE_HTTP_PUT] = "PUT",       [BIDE_HTTP_DELETE] = "DELETE", [BIDE_HTTP_PATCH] = "PATCH",
    [BIDE_HTTP_OPTIONS] = "OPTIONS", [BIDE_HTTP_OTHER] = "",
};

const char *bide_http_method_name(enum bide_http_method method)
{
    return (unsigned)method <= BIDE_HTTP_OTHER ? method_names[method] : "";
}

#define STATUSES(X)                       \
    X(200, "OK")                          \
    X(201, "Created")                     \
    X(202, "Accepted")                    \
    X(204, "No Content")                  \
    X(206, "Partial Content")             \
    X(301, "Moved Permanently")           \
    X(302, "Found")                       \
    X(303, "See Other")                   \
    X(304, "Not Modified")                \
    X(307, "Temporary Redirect")          \
    X(308, "Permanent Redirect")          \
    X(400, "Bad Request")                 \
    X(401, "Unauthorized")                \
    X(403, "Forbidden")                   \
    X(404, "Not Found")                   \
    X(405, "Method Not Allowed")          \
    X(406, "Not Acceptable")              \
    X(408, "Request Timeout")             \
    X(409, "Conflict")                    \
    X(410, "Gone")                        \
    X(411, "Length Required")             \
    X(412, "Precondition Failed")         \
    X(413, "Content Too Large")           \
    X(414, "URI Too Long")                \
    X(415, "Unsupported Media Type")      \
    X(416, "Range Not Satisfiable")       \
    X(417, "Expectation Failed")          \
    X(422, "Unprocessable Content")       \
    X(426, "Upgrade Required")            \
    X(429, "Too Many Requests")           \
    X(431, "Request Header Fields Too Large") \
    X(500, "Internal Server Error")       \
    X(501, "Not Implemented")             \
    X(502, "Bad Gateway")                 \
    X(503, "Service Unavailable")         \
    X(504, "Gateway Timeout")             \
    X(505, "HTTP Version Not Supported")

const char *bide_http_status_text(int status)
{
    switch (status) {
#define X(code, text) \
    case code:        \
        return text;
        STATUSES(X)
#undef X
    default:
        return "Unknown";
    }
}

struct bide__http_text bide__http_status_line(int status)
{
    switch (status) {
#define X(code, text)                                                \
    case code:                                                       \
        return (struct bide__http_text){ "HTTP/1.1 " #code " " text "\r\n", \
                                         sizeof("HTTP/1.1 " #code " " text "\r\n") - 1 };
        STATUSES(X)
#undef X
    default:
        return (struct bide__http_text){ "", 0 };
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

void bide__http_format_date(char *ret_line, int64_t unix_seconds)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)unix_seconds;
    struct tm tm;

    memcpy(ret_line, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", BIDE__HTTP_DATE_SIZE + 1);
    if (!gmtime_r(&seconds, &tm))
        return;
    memcpy(ret_line + 6, days + 3 * tm.tm_wday, 3);
    memcpy(ret_line + 14, months + 3 * tm.tm_mon, 3);
    const struct {
        int at, value;
    } numbers[] = {
        { 11, tm.tm_mday }, { 18, tm.tm_year / 100 + 19 }, { 20, tm.tm_year % 100 },
        { 23, tm.tm_hour }, { 26, tm.tm_min },             { 29, tm.tm_sec },
    };
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        ret_line[numbers[i].at] = (char)('0' + numbers[i].value / 10 % 10);
        ret_line[numbers[i].at + 1] = (char)('0' + numbers[i].value % 10);
    }
}

char *bide__http_format_decimal(char *to, uint64_t n)
{
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    while (count)
        *to++ = digits[--count];
    return to;
}

char *bide__http_format_hex(char *to, uint64_t n)
{
    char digits[16];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[n & 15];
        n >>= 4;
    } while (n);
    while (count)
        *to++ = digits[--count];
    return to;
}

/* The size of the UTF-8 sequence at s, or 0 when it is none. */
static size_t utf8_size(const unsigned char *s, size_t size)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3
                                                         : s[0] < 0xf5 ? 4 : 0;
    if (n > size)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

char *bide__http_format_json(char *to, const char *s, size_t size)
{
    for (size_t i = 0; i < size;) {
        unsigned char byte = (unsigned char)s[i];
        size_t n = utf8_size((const unsigned char *)s + i, size - i);
        if (byte == '"' || byte == '\\') {
            *to++ = '\\';
            *to++ = (char)byte;
        } else if (byte < ' ' || byte == 0x7f) {
            memcpy(to, "\\u00", 4);
            to[4] = "0123456789abcdef"[byte >> 4];
            to[5] = "0123456789abcdef"[byte & 15];
            to += 6;
        } else if (!n) {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
        } else {
            memcpy(to, s + i, n);
            to += n;
        }
        i += n ? n : 1;
    }
    return to;
}

/* ---- reading --------------------------------------------------------------------------------- */

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool bide__http_same_name(const char *a, size_t a_size, const char *b, size_t b_size)
{
    if (a_size != b_size)
        return false;
    for (size_t i = 0; i < a_size; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

bool bide__http_is_token(const char *s, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = s[i];
        if (!((c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
              (c && strchr("!#$%&'*+-.^_`|~", c))))
            return false;
    }
    return size > 0;
}

int bide__http_parse_int(const char *s, size_t size, int64_t *ret_value)
{
    bool negative = size && *s == '-';
    int64_t value = 0;
    bool overflow = false;
    if (size == negative)
        return -EINVAL;
    for (size_t i = negative; i < size; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -EINVAL;
        int digit = s[i] - '0';
        overflow |= __builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, negative ? -digit : digit, &value);
    }
    if (overflow)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ssize_t bide__http_decode(char *to, const char *s, size_t size, bool plus)
{
    char *out = to;
    for (size_t i = 0; i < size; i++) {
        if (s[i] == '%') {
            int high = size - i > 2 ? hex_digit(s[i + 1]) : -1;
            int low = size - i > 2 ? hex_digit(s[i + 2]) : -1;
            if (high < 0 || low < 0 || !(high | low))
                return -EINVAL;
            *out++ = (char)(high << 4 | low);
            i += 2;
        } else {
            *out++ = plus && s[i] == '+' ? ' ' : s[i];
        }
    }
    return out - to;
}
