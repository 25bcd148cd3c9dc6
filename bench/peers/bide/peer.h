/* peer.h - the rows of bench-peers on bide, by the file that they are in. */
#ifndef PEER_H
#define PEER_H

#include <bide/bide.h>

enum { NOT_OFFERED = 77 }; /* exit status: there is no such row here */

#define SLEEP (2 * BIDE_S) /* of each of a million */

/* serve.c: until they are killed, on 127.0.0.1 */
int serve_echo(int port);
BIDE_ASYNC(int, serve_echo, int)
int serve_http(int port);

#endif
