// expect: ignored_future\.c:[0-9]+:.*(unused-result|ignoring return value)
#include <bide/bide.h>

int send_mail(const char *to);
BIDE_ASYNC(int, send_mail, const char *)

void greet(void)
{
#ifdef CONTROL
    bide_run(bide_async(send_mail, "a@example.org"));
#else
    bide_async(send_mail, "a@example.org");
#endif
}
