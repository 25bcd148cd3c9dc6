/* process.h - between bench.c and process.c. */
#ifndef PROCESS_H
#define PROCESS_H

/*
 * Runs fn(arg) in a child with a process group and a directory of its own, and waits for it.
 * However that ends (also by Ctrl-C, SIGTERM or the time limit), the whole group is killed and the
 * directory removed. Returns the exit status to give.
 */
int process_supervise(int (*fn)(void *arg), void *arg);

#endif
