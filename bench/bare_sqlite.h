/* bare_sqlite.h - what GET /users/ID costs without a server: both queries and the JSON. */
#ifndef BARE_SQLITE_H
#define BARE_SQLITE_H

/*
 * bare_sqlite - answer requests for random users.
 *
 * @path   of the user service's database
 * @ids    users are 1..ids
 * @n      how many requests
 *
 * Returns nanoseconds of CPU time for one, or -1 when a query fails.
 */
double bare_sqlite(const char *path, long ids, long n);

#endif
