/*
 * core/overflow.c - a stack overflow names the fiber.
 *
 * Only where the program has no SIGSEGV handler of its own. The handler runs on an alternate
 * stack, and for any fault that is not in a guard page of this thread's stacks it puts the
 * default action back and lets the fault happen again.
 */
#include "core/internal.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ALTERNATE_SIZE = 64 * 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users; /* runtimes that want the handler; under lock */

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    struct bide__fiber *fiber = bide__self.fiber;
    char *bottom;
    if (fiber && bide__stack_guards(&fiber->worker->stacks, info->si_addr, &bottom) &&
        bottom == fiber->bottom) {
        const char *name = fiber->name[0] ? fiber->name : fiber->task ? fiber->task->type->name
                                                                       : "runner";
        bide__panic("stack overflow in fiber \"%s\", spawned at %s: its stack has %zu KiB "
                    "(bide_config.stack_size)",
                    name, fiber->site ? fiber->site : "?", fiber->worker->stacks.usable / 1024);
    }
    signal(number, SIG_DFL);
}

static void install(void)
{
    struct sigaction now, ours = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    if (sigaction(SIGSEGV, NULL, &now) < 0 || now.sa_flags & SA_SIGINFO ||
        now.sa_handler != SIG_DFL)
        return;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGSEGV, &ours, NULL);
}

static void uninstall(void)
{
    struct sigaction now;
    if (sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO &&
        now.sa_sigaction == on_fault)
        signal(SIGSEGV, SIG_DFL);
}

void bide__overflow_enter(struct bide__worker *w)
{
    stack_t old;
    if (w->config.no_overflow_report || sigaltstack(NULL, &old) < 0)
        return;
    if (old.ss_flags & SS_DISABLE) {
        w->alternate = bide__map(ALTERNATE_SIZE);
        if (!w->alternate)
            return;
        sigaltstack(&(stack_t){ .ss_sp = w->alternate, .ss_size = ALTERNATE_SIZE }, NULL);
    }
    pthread_mutex_lock(&lock);
    if (users++ == 0)
        install();
    pthread_mutex_unlock(&lock);
    w->overflow_reported = true;
}

void bide__overflow_leave(struct bide__worker *w)
{
    if (w->overflow_reported) {
        pthread_mutex_lock(&lock);
        if (--users == 0)
            uninstall();
        pthread_mutex_unlock(&lock);
    }
    if (w->alternate) {
        sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
        bide__unmap(w->alternate, ALTERNATE_SIZE);
    }
}

void bide__overflow_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

/* In a child the handler stays: those of its parent's runtimes that count do not leave any more. */
void bide__overflow_after_fork(bool child)
{
    (void)child;
    pthread_mutex_unlock(&lock);
}
