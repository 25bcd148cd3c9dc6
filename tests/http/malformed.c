/* What is malformed or ambiguous is refused, the connection closed, and the server goes on. */
#include "service.h"

static int length(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    const char *body;
    ssize_t n = bide_http_body(req, &body);
    (void)user;
    return n < 0 ? (int)n : bide_http_sendf(res, 200, NULL, "%zd", n);
}

static const struct bide_http_route routes[] = {
    {BIDE_HTTP_GET, "/", length, NULL, 0},
    {BIDE_HTTP_POST, "/", length, NULL, 0},
};

#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define TE "Transfer-Encoding: chunked\r\n"
#define LAST "0\r\n\r\n"
#define NEXT "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static const struct {
    const char *name, *request;
    int status;
} cases[] = {
    {"length and coding", POST "Content-Length: 3\r\n" TE "\r\n" LAST, 400},
    {"coding and length", POST TE "Content-Length: 3\r\n\r\n" LAST, 400},
    {"two lengths", POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
    {"the same length twice", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
    {"a list of lengths", POST "Content-Length: 3, 3\r\n\r\nabc", 400},
    {"a signed length", POST "Content-Length: +3\r\n\r\nabc", 400},
    {"a negative length", POST "Content-Length: -3\r\n\r\nabc", 400},
    {"a hexadecimal length", POST "Content-Length: 0x3\r\n\r\nabc", 400},
    {"an empty length", POST "Content-Length:\r\n\r\n", 400},
    {"a length of 65 bits", POST "Content-Length: 36893488147419103232\r\n\r\n", 400},
    {"a length of 64 bits", POST "Content-Length: 18446744073709551615\r\n\r\n", 413},
    {"two codings", POST TE TE "\r\n" LAST, 400},
    {"chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400},
    {"chunked and identity", POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400},
    {"identity", POST "Transfer-Encoding: identity\r\n\r\n", 501},
    {"gzip", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
    {"xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
    {"an empty coding", POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400},
    {"a coding with a tab", POST "Transfer-Encoding:\x0b" "chunked\r\n\r\n0\r\n\r\n", 400},
    {"a coding in HTTP/1.0", "POST / HTTP/1.0\r\n" TE "\r\n" LAST, 400},
    {"a folded header", POST "X: a\r\n b\r\n\r\n", 400},
    {"a folded empty header", POST "X:\r\n b\r\n\r\n", 400},
    {"a fold of nothing", POST "X:\r\n \r\n\r\n", 400},
    {"a folded length", POST "Content-Length:\r\n 3\r\n\r\nabc", 400},
    {"a folded coding", POST "Transfer-Encoding: chunked\r\n , x\r\n\r\n0\r\n\r\n", 400},
    {"a fold by tab", POST "X: a\r\n\tb\r\n\r\n", 400},
    {"a fold behind the request line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"a bare CR in a value", POST "X: a\rb\r\n\r\n", 400},
    {"a bare CR ends a line", POST "X: a\rY: b\r\n\r\n", 400},
    {"a bare CR in the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", 400},
    {"a bare CR in front", "\r" NEXT, 400},
    {"a bare LF ends a header", POST "X: a\n\r\n", 400},
    {"a bare LF ends the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
    {"bare LFs end the head", "GET / HTTP/1.1\nHost: a\n\n", 400},
    {"a bare LF in front", "\n" NEXT, 400},
    {"CR CR LF", POST "X: a\r\r\n\r\n", 400},
    {"CR LF CR x", POST "X: a\r\n\rX\r\n\r\n", 400},
    {"a space before a colon", POST "X : a\r\n\r\n", 400},
    {"a space before the length's colon", POST "Content-Length : 3\r\n\r\nabc", 400},
    {"a space before the coding's colon", POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
    {"a tab before a colon", POST "Content-Length\t: 3\r\n\r\nabc", 400},
    {"a name with a space", POST "X Y: a\r\n\r\n", 400},
    {"no name", POST ": a\r\n\r\n", 400},
    {"no colon", POST "X\r\n\r\n", 400},
    {"a control byte in a value", POST "X: a\x01\r\n\r\n", 400},
    {"a byte above 127 in a name", POST "X\xe4: a\r\n\r\n", 400},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
    {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400},
    {"a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"a list of Hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
    {"a target with a space", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"a target above 127", "GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"a target without a slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"no version", "GET /\r\nHost: a\r\n\r\n", 400},
    {"an unknown version", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
    {"version 3", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
    {"a long version", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
    {"no protocol", "GET / XTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"a control byte in front", "\x01GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"an expectation", POST "Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc", 417},
#define CHUNKED POST TE "\r\n"
    {"a chunk without a size", CHUNKED "\r\nabc\r\n0\r\n\r\n", 400},
    {"a chunk with a signed size", CHUNKED "+3\r\nabc\r\n0\r\n\r\n", 400},
    {"a chunk with 0x", CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", 400},
    {"a chunk of 68 bits", CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n", 400},
    {"a chunk that is too short", CHUNKED "4\r\nabc\r\n0\r\n\r\n", 400},
    {"a chunk that is too long", CHUNKED "2\r\nabc\r\n0\r\n\r\n", 400},
    {"a chunk size with a bare LF", CHUNKED "3\nabc\r\n0\r\n\r\n", 400},
    {"a chunk with a bare LF", CHUNKED "3\r\nabc\n0\r\n\r\n", 400},
    {"a chunk with a bare CR", CHUNKED "3\r\nabc\r0\r\n\r\n", 400},
    {"a chunk size with a space", CHUNKED "3 \r\nabc\r\n0\r\n\r\n", 400},
    {"an extension with a control byte", CHUNKED "3;a=\x01\r\nabc\r\n0\r\n\r\n", 400},
    {"a trailer with a space", CHUNKED "0\r\nX : a\r\n\r\n", 400},
    {"a trailer with a bare CR", CHUNKED "0\r\nX: a\rb\r\n\r\n", 400},
    {"a folded trailer", CHUNKED "0\r\nX: a\r\n b\r\n\r\n", 400},
    {"a trailer with a bare LF", CHUNKED "0\r\nX: a\r\n\n", 400},
};

/* The rest of the case, if the request was taken for a shorter one, would be another request. */
static void check_case(const struct service *s, size_t i, bool cut)
{
    struct client c;
    struct answer a = {0};
    char text[4096];
    int count = 0, first = 0;
    snprintf(text, sizeof(text), "%s" NEXT, cases[i].request);
    CHECK(client_open(&c, s));
    for (const char *at = text; cut && *at; at++)
        if (!client_send(&c, at, 1))
            break;
    if (!cut)
        client_say(&c, text);
    shutdown(c.fd, SHUT_WR);
    while (client_answer(&c, &a)->status > 0) {
        if (!count++)
            first = a.status;
    }
    if (first != cases[i].status || count != 1 || a.status != 0)
        test_fail(__FILE__, __LINE__, "%s%s: %d answers, the first %d", cases[i].name,
                  cut ? ", byte by byte" : "", count, first);
    free(a.body);
    client_close(&c);
}

TEST(each_is_refused_and_closed)
{
    struct service s;
    struct answer a = {0};
    struct bide_http_options options = {.header_timeout = 5 * BIDE_S, .body_timeout = 5 * BIDE_S};
    CHECK_EQ(service_start(&s, &options, routes, 2), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_case(&s, i, false);
        check_case(&s, i, true);
    }
    CHECK_EQ(ask_text(&s, NEXT, &a), 200);
    free(a.body);
    service_stop(&s);
}

TEST(a_refusal_has_the_one_form)
{
    struct service s;
    struct answer a = {0};
    CHECK_EQ(service_start(&s, NULL, routes, 2), 0);
    CHECK_EQ(ask_text(&s, "GET / HTTP/1.1\r\n\r\n", &a), 400);
    CHECK_STR(answer_header(&a, "Content-Type"), "application/json");
    CHECK_STR(answer_header(&a, "Connection"), "close");
    CHECK_STR(a.body, "{\"error\":{\"status\":400,\"message\":\"no Host\"}}\n");
    free(a.body);
    service_stop(&s);
}

/* Unusual, but allowed. */
TEST(what_is_fine_is_taken)
{
    static const char *const fine[] = {
        "\r\n\r\n" NEXT,
        "GET / HTTP/1.1\r\nhOST:\t a.example:80 \t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:80\r\nX:\r\nY: \xe4\tb\r\n\r\n",
        POST "Transfer-Encoding: CHUNKED\r\n\r\n00003;a;b=\"c d\"\r\nabc\r\n0;x\r\nT: 1\r\n\r\n",
        POST "Content-Length: 003\r\n\r\nabc",
        POST "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.0\r\nExpect: anything\r\nContent-Length: 3\r\n\r\nabc",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    };
    struct service s;
    struct answer a = {0};
    CHECK_EQ(service_start(&s, NULL, routes, 2), 0);
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        if (ask_text(&s, fine[i], &a) != 200)
            test_fail(__FILE__, __LINE__, "fine[%zu]: %d %s", i, a.status, a.body);
    }
    free(a.body);
    service_stop(&s);
}

TEST_MAIN()
