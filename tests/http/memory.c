/* Each allocation of the library fails in turn: a clean answer or a clean end, and no leak. */
#include "http/memory.h"
#include "service.h"

static atomic_int countdown; /* the allocation that brings it from 1 to 0 fails */

static bool fails(void)
{
    return atomic_fetch_sub(&countdown, 1) == 1;
}

static int echo(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    const char *body, *q = bide_http_query(req, "q");
    ssize_t n = bide_http_body(req, &body);
    (void)user;
    if (n < 0)
        return (int)n;
    char *large = bide_http_alloc(req, 100000);
    if (!large || !q)
        return -ENOMEM;
    int err = bide_http_add_headerf(res, "X-Name", "%s %s", bide_http_param(req, "name"), q);
    return err < 0 ? err : bide_http_sendf(res, 200, NULL, "%0800d %zd", 0, n);
}

static const struct bide_http_route routes[] = {
    {BIDE_HTTP_POST, "/echo/{name}", echo, NULL, 0},
};

/* Head larger than a block, chunked body larger than one, decoding. */
static size_t make_request(char *to)
{
    size_t n = (size_t)sprintf(to,
                               "POST /echo/a%%20b?q=1 HTTP/1.1\r\nHost: a\r\nX: %020000d\r\n"
                               "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n", 0);
    for (int i = 0; i < 20; i++)
        n += (size_t)sprintf(to + n, "3e8\r\n%01000d\r\n", i);
    return n + (size_t)sprintf(to + n, "0\r\n\r\n");
}

/* The k-th allocation fails. For k of 0 none does; returns how many there were. */
static int run(int k)
{
    static char text[60000];
    struct service s;
    struct answer a = {0};
    atomic_store(&countdown, k ? k : INT32_MAX);
    int err = service_start(&s, NULL, routes, 1);
    if (k && err == -ENOMEM)
        return 0;
    CHECK_OR(err == 0, 0);
    size_t size = make_request(text);
    int status = ask(&s, text, size, &a);
    CHECK_OR(status == 200 || (k && (status == 503 || status <= 0)), 0);
    CHECK_OR(status != 200 || a.size == 806, 0);
    if (status != 200)
        status = ask(&s, text, size, &a);
    free(a.body);
    err = service_stop(&s);
    CHECK_OR(status == 200 || err == -ENOMEM, 0); /* it could not begin to serve */
    return k ? 0 : INT32_MAX - atomic_load(&countdown);
}

TEST(each_allocation_fails_in_turn)
{
    bide__http_fault = fails;
    int count = run(0);
    CHECK(count > 10);
    for (int k = 1; k <= count; k++)
        run(k);
    bide__http_fault = NULL;
}

TEST_MAIN()
