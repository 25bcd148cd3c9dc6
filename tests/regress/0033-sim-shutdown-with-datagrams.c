/*
 * In a simulation a shutdown for reading dropped what had arrived, which on Linux can be read. It
 * counted datagrams as bytes, so that a later receive read memory that was no datagram.
 */
#include "fiber.h"

#include <bide/io.h>
#include <netinet/in.h>
#include <sys/socket.h>

static void check_pair(int type, const int ends[2])
{
    char text[8];
    CHECK_EQ(bide_send(ends[0], "abc", 3, 0), 3);
    CHECK_EQ(bide_sleep(BIDE_S), 0);
    CHECK_EQ(bide_shutdown(ends[1], SHUT_RD), 0);
    CHECK_EQ(bide_recv(ends[1], text, sizeof(text), 0), 3);
    CHECK(memcmp(text, "abc", 3) == 0);
    CHECK_EQ(bide_recv(ends[1], text, sizeof(text), 0), 0);
    CHECK(type == SOCK_STREAM || bide_recv(ends[1], text, sizeof(text), 0) == 0);
    CHECK_EQ(bide_close(ends[0]), 0);
    CHECK_EQ(bide_close(ends[1]), 0);
}

SIM_TEST(of_a_pair)
{
    int types[] = { SOCK_STREAM, SOCK_DGRAM };
    for (int i = 0; i < 2; i++) {
        int ends[2];
        CHECK_EQ(bide_socketpair(AF_UNIX, types[i], 0, ends), 0);
        check_pair(types[i], ends);
        CHECK_EQ(bide_socketpair(AF_UNIX, types[i], 0, ends), 0);
        CHECK_EQ(bide_shutdown(ends[1], SHUT_RD), 0);
        CHECK_EQ(bide_send(ends[0], "abc", 3, 0), -EPIPE);
        CHECK_EQ(bide_close(ends[0]), 0);
        CHECK_EQ(bide_close(ends[1]), 0);
    }
}

SIM_TEST(of_the_network)
{
    struct sockaddr_in where = { .sin_family = AF_INET,
                                 .sin_port = htons(7000),
                                 .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int ends[2] = { bide_socket(AF_INET, SOCK_DGRAM, 0), bide_socket(AF_INET, SOCK_DGRAM, 0) };
    CHECK_EQ(bide_bind(ends[1], (struct sockaddr *)&where, sizeof(where)), 0);
    CHECK_EQ(bide_connect(ends[0], (struct sockaddr *)&where, sizeof(where)), 0);
    check_pair(SOCK_DGRAM, ends);
}

TEST_MAIN()
