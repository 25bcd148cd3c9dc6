/* threads.h - for tests that need to be alone: a sanitizer or an emulator may have threads of its
 * own in the process. */
#ifndef TEST_THREADS_H
#define TEST_THREADS_H

#include <sys/stat.h>

static nlink_t threads_at_start; /* 0: not known, or not all of them are there yet */

__attribute__((constructor)) static void count_threads(void)
{
    struct stat st; /* proc(5): a link for each, and two more */
    threads_at_start = stat("/proc/self/task", &st) == 0 ? st.st_nlink - 2 : 0;
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) /* it makes its thread with the first of the program's */
    threads_at_start = 0;
#endif
#elif defined(__SANITIZE_THREAD__)
    threads_at_start = 0;
#endif
}

#define SKIP_UNLESS_ALONE()                                                  \
    do {                                                                     \
        if (threads_at_start != 1)                                           \
            SKIP("a sanitizer or an emulator has threads in this process"); \
    } while (0)

#endif
