/*
 * A simulated program left sockets open, and in one of them a datagram from another: when the world
 * was freed, the datagram's sender was dropped after it had been freed. ASan says so.
 */
#include "fiber.h"

#include <bide/io.h>
#include <bide/keywords.h>
#include <netinet/in.h>
#include <sys/socket.h>

static int leave_datagram(void)
{
    struct sockaddr_in where = { .sin_family = AF_INET,
                                 .sin_port = htons(7000),
                                 .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int from = bide_socket(AF_INET, SOCK_DGRAM, 0), to = bide_socket(AF_INET, SOCK_DGRAM, 0);
    if (bide_bind(to, (struct sockaddr *)&where, sizeof(where)) < 0 ||
        bide_connect(from, (struct sockaddr *)&where, sizeof(where)) < 0)
        return 1;
    ssize_t sent = bide_send(from, "abc", 3, 0);
    bide_sleep(BIDE_S);
    return sent == 3 ? 0 : 1;
}
ASYNC(int, leave_datagram)

TEST(a_datagram_that_nobody_received)
{
    struct bide_sim_result result;
    struct bide_sim sim = { .seed = 1, .result = &result };
    CHECK_EQ(bide_sim_run(&sim, async(leave_datagram)), 0);
    CHECK_EQ(result.descriptors, 2);
}

TEST_MAIN()
