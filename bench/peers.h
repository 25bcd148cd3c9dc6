/* peers.h - the rows of bench-peers, and how one program is measured in each. */
#ifndef PEERS_H
#define PEERS_H

enum { PEERS_ROWS = 14, PEERS_ROUNDS = 5, PEERS_ROUNDS_QUICK = 2 };

struct peers_row {
    const char *name;
    const char *about;
    const char *unit; /* lower is better in all */

    /* Runs the program. Returns 0, above 0 when it does not offer the row, or -1 when it failed. */
    int (*measure)(const struct peers_row *row, const char *program, double *ret_value);

    long n;       /* operations, sleeps, connections, or requests in a packet */
    double scale; /* of the unit in what the program prints */
    int rounds;   /* PEERS_ROUNDS at most */
    int core;
    int needs_wrk;
};

extern const struct peers_row peers_rows[PEERS_ROWS];

#endif
