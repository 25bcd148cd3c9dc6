/* have_uring.c - exits 0 when this kernel gives us an io_uring. Tests on io_uring ask it first. */
#include <liburing.h>

int main(void)
{
    struct io_uring ring;

    return io_uring_queue_init(8, &ring, 0) < 0;
}
