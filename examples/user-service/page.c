/* page.c - GET /: page.html, which the assembler puts into the program as it is. */
#include "app.h"

extern const char page_begin[], page_end[];

__asm__(".pushsection .rodata\n"
        ".global page_begin, page_end\n"
        "page_begin: .incbin \"page.html\"\n"
        "page_end: .byte 0\n"
        ".popsection\n");

int get_page(struct bide_http_request *req, struct bide_http_response *res, void *arg)
{
    static const char *const headers[][2] = {
        { "Cache-Control", "no-cache" },
        { "X-Content-Type-Options", "nosniff" },
        { "Content-Security-Policy",
          "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
          "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
          "frame-ancestors 'none'" },
    };

    (void)req;
    (void)arg;
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
        int r = bide_http_add_header(res, headers[i][0], headers[i][1]);
        if (r < 0)
            return r;
    }
    return bide_http_send(res, 200, "text/html; charset=utf-8", page_begin,
                          (size_t)(page_end - page_begin));
}
