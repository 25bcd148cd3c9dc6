/* scale.h - figures of a server on one worker and on two. */
#ifndef SCALE_H
#define SCALE_H

enum { SCALE_ROUNDS = 7, SCALE_WORKERS = 2 };

/* Of one number of workers: a sample a round. */
struct scale {
    double cpu[SCALE_ROUNDS];      /* us of the server's CPU time a request */
    double load_cpu[SCALE_ROUNDS]; /* us of the load's */
    double rate[SCALE_ROUNDS];     /* requests a second */
};

/* NAME_1w, NAME_1w_rate, NAME_2w and NAME_2w_rate, those of two with their ratio to those of one;
 * and a note of what all cores can do at most, which server and load share. */
void scale_report(const char *name, const struct scale samples[SCALE_WORKERS], int rounds);

#endif
