// expect: incompatible pointer type
#include <bide/bide.h>

static BIDE_KEY(const char) request_id;

void serve(void);

void handle(int *number)
{
#ifdef CONTROL
    (void)number;
    BIDE_WITH(&request_id, "7")
        serve();
#else
    BIDE_WITH(&request_id, number)
        serve();
#endif
}
