/* bide_config.dump_on_sigquit. */
#include "inspect.h"

static struct sigaction action_now(void)
{
    struct sigaction now;
    sigaction(SIGQUIT, NULL, &now);
    return now;
}

/* stderr goes into a pipe meanwhile. */
struct capture {
    int ends[2], before;
};

static struct capture capture(void)
{
    struct capture c = { .before = dup(STDERR_FILENO) };
    if (pipe2(c.ends, O_CLOEXEC | O_NONBLOCK) < 0)
        abort();
    dup2(c.ends[1], STDERR_FILENO);
    return c;
}

static void end_capture(const struct capture *c)
{
    dup2(c->before, STDERR_FILENO);
    close(c->before);
    bide_close(c->ends[0]);
    close(c->ends[1]);
}

/* Read until `end` has come; false: something else did. */
static bool read_until(const struct capture *c, const char *end)
{
    char text[4096] = "";
    size_t size = 0;
    while (!strstr(text, end)) {
        ssize_t n = bide_read(c->ends[0], text + size, sizeof(text) - 1 - size);
        if (n <= 0)
            return false;
        size += (size_t)n;
        text[size] = '\0';
    }
    return strstr(text, "quit_twice: ");
}

static int quit_twice(const struct capture *c)
{
    for (int i = 0; i < 2; i++) {
        kill(getpid(), SIGQUIT);
        CHECK_OR(read_until(c, "\n"), -1);
    }
    return 0;
}
ASYNC(int, quit_twice, const struct capture *)

TEST(dumps_and_goes_on)
{
    struct capture c = capture();
    struct bide_config config = { .dump_on_sigquit = 1 };
    int result = bide_run_with(&config, async(quit_twice, &c));
    end_capture(&c);
    CHECK_EQ(result, 0);
    CHECK(action_now().sa_handler == SIG_DFL);
}

/* Nobody reads, and the pipe is full. */
static int quit_in_vain(void)
{
    kill(getpid(), SIGQUIT);
    return bide_sleep(20 * BIDE_MS);
}
ASYNC(int, quit_in_vain)

TEST(a_reader_that_does_not_read_holds_nobody)
{
    struct capture c = capture();
    struct bide_config config = { .dump_on_sigquit = 1 };
    char junk[4096] = "";
    while (write(c.ends[1], junk, sizeof(junk)) > 0)
        continue;
    fcntl(c.ends[1], F_SETFL, 0); /* from now on a write waits */
    int result = bide_run_with(&config, async(quit_in_vain));
    end_capture(&c);
    CHECK_EQ(result, 0);
}

static int handler_is_there(void)
{
    return action_now().sa_handler != SIG_DFL;
}
ASYNC(int, handler_is_there)

TEST(only_when_asked_for)
{
    struct bide_config config = { .dump_on_sigquit = 1 };
    CHECK_EQ(bide_run(async(handler_is_there)), 0);
    CHECK_EQ(bide_run_with(&config, async(handler_is_there)), 1);
    CHECK_EQ(bide_run(async(handler_is_there)), 0);
}

static int change_action(void)
{
    signal(SIGQUIT, SIG_IGN);
    return 0;
}
ASYNC(int, change_action)

TEST(the_programs_own_action_stays)
{
    struct bide_config config = { .dump_on_sigquit = 1 };
    CHECK_EQ(bide_run_with(&config, async(change_action)), 0);
    CHECK(action_now().sa_handler == SIG_IGN);
    CHECK_EQ(bide_run_with(&config, async(handler_is_there)), 1);
    CHECK(action_now().sa_handler == SIG_IGN);
    signal(SIGQUIT, SIG_DFL);
}

static int fork_a_child(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(action_now().sa_handler == SIG_DFL ? 0 : 1);
    waitpid(pid, &status, 0);
    return status;
}
ASYNC(int, fork_a_child)

TEST(a_child_has_the_action_before)
{
    struct bide_config config = { .dump_on_sigquit = 1 };
    CHECK_EQ(bide_run_with(&config, async(fork_a_child)), 0);
    CHECK_EQ(bide_run_with(&config, async(handler_is_there)), 1);
}

TEST(in_a_foreign_loop)
{
    struct bide_config config = { .dump_on_sigquit = 1 };
    struct bide_runtime *rt;
    CHECK_EQ(bide_runtime_open(&config, &rt), 0);
    CHECK(action_now().sa_handler != SIG_DFL);
    bide_runtime_close(rt);
    CHECK(action_now().sa_handler == SIG_DFL);
}

static bool fail_all(void)
{
    return true;
}

static int no_thread(void)
{
    struct bide__worker fake = { .config.dump_on_sigquit = 1 };
    bide__fault = fail_all;
    bide__sigquit_enter(&fake);
    bide__fault = NULL;
    int there = handler_is_there();
    bide__sigquit_leave(&fake);
    return there;
}

TEST(without_a_thread_nothing_changes)
{
    CHECK_EQ(no_thread(), 0);
}

TEST_MAIN()
