/* service.h - the benches of bench-service, and the HTTP server on bide that one of them measures.
 */
#ifndef SERVICE_H
#define SERVICE_H

void bench_http(void);  /* service_http.c */
void bench_users(void); /* service_users.c */
void bench_users_scale(void);

/* What the HTTP server is told: where to listen, on which reactor. */
struct hello {
    int port;
    int reactor; /* enum bide_reactor */
};

/* Body of bench_fork: answers GET / in plain text until killed. */
int hello_serve(void *hello);

#endif
