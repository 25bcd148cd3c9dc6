/* Dumps as JSON: whether they are, by a reader of RFC 8259's grammar, and what is in them. */
#include "inspect.h"

/* ---- a reader that only says whether it is well formed ---- */

static const char *value(const char *at);

static const char *expect(const char *at, char c)
{
    return at && *at == c ? at + 1 : NULL;
}

static const char *string(const char *at)
{
    at = expect(at, '"');
    while (at && *at != '"') {
        if ((unsigned char)*at < 0x20)
            return NULL;
        if (*at == '\\') {
            at++;
            if (*at == 'u' && strspn(at + 1, "0123456789abcdefABCDEF") >= 4)
                at += 4;
            else if (!*at || !strchr("\"\\/bfnrt", *at))
                return NULL;
        }
        at++;
    }
    return expect(at, '"');
}

static const char *list(const char *at, char end, bool named)
{
    at++;
    if (*at == end)
        return at + 1;
    for (;;) {
        if (named)
            at = expect(string(at), ':');
        at = at ? value(at) : NULL;
        if (!at || *at == end)
            return expect(at, end);
        at = expect(at, ',');
    }
}

static const char *value(const char *at)
{
    size_t digits = strspn(at + (*at == '-'), "0123456789");
    if (*at == '{')
        return list(at, '}', true);
    if (*at == '[')
        return list(at, ']', false);
    if (*at == '"')
        return string(at);
    if (strncmp(at, "true", 4) == 0)
        return at + 4;
    if (strncmp(at, "false", 5) == 0)
        return at + 5;
    return digits ? at + (*at == '-') + digits : NULL;
}

static bool well_formed(const char *text)
{
    const char *end = value(text);
    return end && strcmp(end, "\n") == 0;
}

/* ---- dumps ---- */

static char *json(unsigned brief)
{
    char *text = NULL;
    int error =
        bide_dump_with(&(struct bide_dump_options){ .json = 1, .brief = brief }, &text, NULL);
    if (error < 0)
        test_fail(__FILE__, __LINE__, "bide_dump_with: %d", error);
    else if (!well_formed(text))
        test_fail(__FILE__, __LINE__, "not JSON: %s", text);
    return text;
}

FIBER_TEST(brief)
{
    scope(s) {
        bide_spawn(&s, async(bide_sleep, BIDE_S));
        char *text = json(1);
        CHECK_STR(text, "{\"runtimes\":[{\"tasks\":["
                        "{\"kind\":\"task\",\"function\":\"brief_fiber\",\"state\":\"running\","
                        "\"children\":["
                        "{\"kind\":\"group\",\"function\":\"scope\",\"pending\":1,\"children\":["
                        "{\"kind\":\"task\",\"function\":\"bide_sleep\",\"state\":\"waiting\","
                        "\"waits_for\":\"sleep\",\"children\":[]}"
                        "]}]}]}]}\n");
        free(text);
        bide_scope_cancel(&s);
    }
}

static int hold(struct bide_mutex *mutex, struct bide_event *event)
{
    bide_name("holder");
    bide_mutex_lock(mutex);
    bide_event_wait(event);
    bide_mutex_unlock(mutex);
    return 0;
}
ASYNC(int, hold, struct bide_mutex *, struct bide_event *)

static int want(struct bide_mutex *mutex)
{
    int error = within(3600 * BIDE_S, async(bide_mutex_lock, mutex));
    if (!error)
        bide_mutex_unlock(mutex);
    return error;
}
ASYNC(int, want, struct bide_mutex *)

FIBER_TEST(all_members)
{
    static const char *const members[] = {
        "\"reactor\":\"",   "\"workers\":[{\"index\":0,\"answered\":true,\"complete\":true}",
        "\"id\":\"0x",      "\"holder\":\"holder\"",  "\"holder_id\":\"0x", "\"worker\":0",
        "\"waited_ns\":",   "\"left_ns\":",           "\"deadline_ns\":",   "\"age_ns\":",
        "\"site\":\"",      "\"stack_used\":",       "\"stack_size\":",
        "\"name\":\"holder\"", "\"cancelled\":true",
    };
    struct bide_mutex mutex = { 0 };
    struct bide_event event = { 0 };
    bide_let nap = async(bide_sleep, BIDE_S);
    bide_let cancelled = async(want, &mutex);
    scope(s) {
        bide_spawn(&s, async(hold, &mutex, &event));
        bide_start(&nap);
        bide_spawn(&s, async(want, &mutex));
        bide_start(&cancelled);
        bide_yield();
        cancel(&cancelled);
        char *text = json(0);
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
            if (!strstr(text, members[i]))
                test_fail(__FILE__, __LINE__, "no %s in %s", members[i], text);
        free(text);
        bide_event_set(&event);
        cancel(&nap);
    }
}

static void check_name(const char *name, const char *expected)
{
    char member[128];
    snprintf(member, sizeof(member), "\"name\":\"%s\"", expected);
    bide_name("%s", name);
    char *text = json(1);
    if (!strstr(text, member))
        test_fail(__FILE__, __LINE__, "no %s in %s", member, text);
    free(text);
}

FIBER_TEST(names_of_any_bytes)
{
    check_name("plain", "plain");
    check_name("a \"b\" \\ c", "a \\\"b\\\" \\\\ c");
    check_name("line\n\ttab\x01\x7f", "line\\u000a\\u0009tab\\u0001\x7f");
    check_name("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x99\x82", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x99\x82");
    check_name("\xc3", "\\ufffd");
    check_name("\xe2\x82", "\\ufffd\\ufffd");
    check_name("\xc0\x80 \xed\xa0\x80", "\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd");
    check_name("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
    check_name("\x80\xff", "\\ufffd\\ufffd");
}

TEST(no_runtime)
{
    char *text = json(0);
    CHECK_STR(text, "{\"runtimes\":[]}\n");
    free(text);
}

TEST(the_reader_reads)
{
    CHECK(well_formed("{\"a\":[1,-2,true,false,\"\\u00e4\\n\"],\"b\":{}}\n"));
    static const char *const wrong[] = {
        "{", "{}", "{a:1}\n", "[1,]\n", "[,1]\n", "\"\n\"\n", "\"\\x\"\n", "{\"a\" 1}\n", "[1}\n",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK(!well_formed(wrong[i]));
}

TEST_MAIN()
