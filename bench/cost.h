/*
 * cost.h - what cost.c measures: a program of its own, since it is linked with one library or with
 * another.
 *
 *   PROGRAM calls         prints the ns of a yield and of a spawn and join, and ends
 *   PROGRAM echo REACTOR  prints the port that it serves echoes at, and serves
 */
#ifndef COST_H
#define COST_H

/* enum bide_reactor on the command line. */
#define COST_EPOLL "epoll"
#define COST_URING "uring"

#endif
