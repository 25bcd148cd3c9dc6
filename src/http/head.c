/*
 * http/head.c - what a request head must satisfy beyond the grammar that llhttp checks.
 *
 * Whatever two implementations could understand differently is refused: that is how requests are
 * smuggled past a proxy.
 */
#include "parser.h"
#include "text.h"
#include <string.h>

/* Every line ends with CR LF, and none begins with a space: no bare LF, no folded header. llhttp
 * refuses a bare CR. */
static bool lines_are_clean(const char *head, size_t size)
{
    const char *end = head + size, *at = head;
    const char *lf;
    for (; *at == '\r'; at += 2) /* empty lines before the request; llhttp would take any */
        if (at[1] != '\n')
            return false;
    while ((lf = memchr(at, '\n', (size_t)(end - at)))) {
        if (lf == head || lf[-1] != '\r')
            return false;
        at = lf + 1;
        if (at < end && (*at == ' ' || *at == '\t'))
            return false;
    }
    return true;
}

static bool host_is_clean(const char *host, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)host[i];
        if (byte <= ' ' || byte >= 0x7f || strchr(",/?#@\\\"<>^`{|}", byte))
            return false;
    }
    return true;
}

static struct bide__http_text value_of(const struct bide__http_parser *p,
                                       struct bide__http_field *field)
{
    const char *value = p->head + field->value;
    while (field->value_size &&
           (value[field->value_size - 1] == ' ' || value[field->value_size - 1] == '\t'))
        field->value_size--;
    return (struct bide__http_text){ value, field->value_size };
}

static bool value_is(struct bide__http_text value, const char *text)
{
    return bide__http_same_name(value.data, value.size, text, strlen(text));
}

static bool name_is(const char *name, size_t size, const char *text)
{
    return bide__http_same_name(name, size, text, size);
}

void bide__http_check_head(struct bide__http_parser *p)
{
    unsigned hosts = 0, codings = 0;
    bool http11 = p->minor == 1;

    p->chunked = 0;
    p->expects_continue = 0;
    p->content_length = 0;
    if (p->major != 1) {
        bide__http_refuse(p, 505, "HTTP version not supported");
        return;
    }
    if (!lines_are_clean(p->head, p->head_size)) {
        bide__http_refuse(p, 400, "malformed header line");
        return;
    }
    for (unsigned i = 0; i < p->fields_count; i++) {
        struct bide__http_field *field = &p->fields[i];
        const char *name = p->head + field->name;
        struct bide__http_text value = value_of(p, field);
        switch (field->name_size) {
        case 0:
            bide__http_refuse(p, 400, "a header has no name");
            return;
        case 4:
            if (!name_is(name, 4, "host"))
                break;
            hosts++;
            if (!host_is_clean(value.data, value.size)) {
                bide__http_refuse(p, 400, "malformed Host");
                return;
            }
            break;
        case 6:
            if (!name_is(name, 6, "expect") || !http11)
                break;
            if (!value_is(value, "100-continue")) {
                bide__http_refuse(p, 417, "unknown expectation");
                return;
            }
            p->expects_continue = 1;
            break;
        case 17:
            if (!name_is(name, 17, "transfer-encoding"))
                break;
            codings++;
            if (!value_is(value, "chunked")) {
                bide__http_refuse(p, value.size ? 501 : 400, "unknown transfer coding");
                return;
            }
            break;
        }
    }
    if (hosts != 1 && (http11 || hosts > 1)) {
        bide__http_refuse(p, 400, hosts ? "more than one Host" : "no Host");
        return;
    }
    if (codings && (codings > 1 || !http11 || p->has_length)) {
        bide__http_refuse(p, 400, "the length of the body is ambiguous");
        return;
    }
    if (codings) {
        p->chunked = 1;
        p->content_length = -1;
    } else if (p->length > INT64_MAX) {
        bide__http_refuse(p, 413, "the body is too large");
    } else {
        p->content_length = (int64_t)p->length;
    }
}
