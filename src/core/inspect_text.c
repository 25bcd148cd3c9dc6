/* core/inspect_text.c - the tree as text, a line a node. */
#include "core/inspect.h"
#include "platform/backtrace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { INDENT_MOST = 32, YIELD_EVERY = 256, LINE = 512 };

/* ---- growing text ---- */

static bool has_room(struct bide__text *text, size_t size)
{
    size_t room = text->room ? text->room : 4096;
    while (room - text->size <= size) /* one more for the 0 */
        room *= 2;
    if (room == text->room)
        return true;
    char *bytes = text->no_memory ? NULL : bide__realloc(text->bytes, room);
    if (!bytes) {
        text->no_memory = true;
        return false;
    }
    text->bytes = bytes;
    text->room = room;
    return true;
}

void bide__text_add(struct bide__text *text, const char *bytes, size_t size)
{
    if (!has_room(text, size))
        return;
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = '\0';
}

void bide__text_print(struct bide__text *text, const char *format, ...)
{
    char line[LINE];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    bide__text_add(text, line, n < LINE ? (size_t)n : LINE - 1);
}

void bide__text_number(struct bide__text *text, long long number)
{
    char digits[24], *at = digits + sizeof(digits);
    unsigned long long rest = number < 0 ? 0 - (unsigned long long)number
                                         : (unsigned long long)number;
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        *--at = '-';
    bide__text_add(text, at, (size_t)(digits + sizeof(digits) - at));
}

/* Others run in between, however much there is to print. */
void bide__text_pause(int printed)
{
    struct bide__fiber *fiber = bide__self.fiber;
    if (fiber && printed % YIELD_EVERY == YIELD_EVERY - 1 && !fiber->worker->callbacks)
        bide_yield();
}

/* ---- a line ---- */

/* What would end the line, or does worse to a terminal, is left out. */
static void add_plain(struct bide__text *text, const char *string)
{
    char plain[LINE];
    size_t n = 0;
    for (; *string && n < sizeof(plain); string++)
        plain[n++] = (unsigned char)*string < ' ' || *string == 127 ? '?' : *string;
    bide__text_add(text, plain, n);
}

static void add_string(struct bide__text *text, const char *string)
{
    bide__text_add(text, string, strlen(string));
}

static void add_span(struct bide__text *text, bide_time span)
{
    if (span >= BIDE_S) {
        bide__text_print(text, "%.1f s", (double)span / (double)BIDE_S);
        return;
    }
    bide__text_number(text, span < 0 ? 0 : span < BIDE_MS ? span / BIDE_US : span / BIDE_MS);
    add_string(text, span < BIDE_MS ? " us" : " ms");
}

static void add_name(struct bide__text *text, const struct bide__node *node)
{
    if (node->name) {
        add_plain(text, node->name);
        add_string(text, " (");
    }
    add_string(text, node->function);
    if (node->name)
        add_string(text, ")");
}

static void add_holder(const struct bide__tree *tree, struct bide__text *text,
                       const struct bide__node *node)
{
    const struct bide__node *holder = bide__tree_holder(tree, node);
    if (!node->holder)
        return;
    add_string(text, ", held by ");
    if (holder)
        add_name(text, holder);
    else
        add_string(text, "what is not shown here");
}

static void add_wait(const struct bide__tree *tree, struct bide__text *text,
                     const struct bide__node *node)
{
    add_string(text, "waits for ");
    add_plain(text, node->wait ? node->wait : "?");
    add_holder(tree, text, node);
    if (tree->brief)
        return;
    if (node->since) {
        add_string(text, ", for ");
        add_span(text, tree->now - node->since);
    }
    if (node->until != BIDE_FOREVER) {
        add_string(text, ", ");
        add_span(text, node->until - tree->now);
        add_string(text, " left");
    }
}

static void add_state(const struct bide__tree *tree, struct bide__text *text,
                      const struct bide__node *node)
{
    static const char *const words[] = {
        [STATE_QUEUED] = "not begun",
        [STATE_READY] = "ready",
        [STATE_RUNNING] = "running",
        [STATE_ELSEWHERE] = "begun by another worker",
    };
    add_string(text, ": ");
    if (node->state == STATE_WAITING)
        add_wait(tree, text, node);
    else
        add_string(text, words[node->state]);
    if (node->cancelled)
        add_string(text, "; cancelled");
    if (node->deadline != BIDE_FOREVER && !tree->brief) {
        add_string(text, "; deadline in ");
        add_span(text, node->deadline - tree->now);
    }
}

static void add_figures(const struct bide__tree *tree, struct bide__text *text,
                        const struct bide__node *node)
{
    bide__text_print(text, " [worker %u", node->worker);
    if (node->stack_size)
        bide__text_print(text, ", stack %.1f of %zu KiB", (double)node->stack_used / 1024,
                         node->stack_size / 1024);
    if (node->spawned) {
        add_string(text, ", spawned ");
        add_span(text, tree->now - node->spawned);
        add_string(text, " ago");
    }
    add_string(text, "]");
}

/* Far down the level is a number: the text would become as long as the square of the depth. */
static void add_indent(struct bide__text *text, int depth)
{
    int level = depth < INDENT_MOST ? depth : INDENT_MOST;
    bide__text_print(text, "%*s", 2 * level, "");
    if (level < depth)
        bide__text_print(text, "(level %d) ", depth);
}

static void add_frames(struct bide__text *text, const struct bide__node *node, int depth)
{
    char frame[LINE];
    for (int i = 0; i < node->frame_count; i++) {
        bide__frame_text(node->frames[i], frame, sizeof(frame));
        add_indent(text, depth);
        add_string(text, "  | ");
        add_plain(text, frame);
        add_string(text, "\n");
    }
}

void bide__tree_line(const struct bide__tree *tree, struct bide__text *text,
                     const struct bide__node *node, int depth)
{
    add_indent(text, depth);
    add_name(text, node);
    if (node->kind == NODE_GROUP) {
        bide__text_print(text, " of %zu%s", node->pending, node->cancelled ? "; cancelled" : "");
    } else {
        add_state(tree, text, node);
        if (!tree->brief && node->kind == NODE_TASK)
            add_figures(tree, text, node);
    }
    if (node->site && !tree->brief) {
        add_string(text, node->kind == NODE_GROUP ? " at " : " from ");
        add_plain(text, node->site);
    }
    add_string(text, "\n");
    add_frames(text, node, depth);
}

/* ---- all of it ---- */

static void add_nodes(const struct bide__tree *tree, struct bide__text *text,
                      const struct bide__part *part, int *printed)
{
    for (int i = part->first; i < part->first + part->count; i++) {
        if (tree->nodes[i].parent >= 0)
            continue;
        struct bide__visit at = { .node = i };
        do {
            if (at.leaving)
                continue;
            bide__tree_line(tree, text, &tree->nodes[at.node], at.depth);
            bide__text_pause((*printed)++);
        } while (!text->no_memory && bide__tree_step(tree, &at));
    }
}

/* What is wrong with what a worker says. */
static void add_complaints(const struct bide__tree *tree, struct bide__text *text,
                           const struct bide__part *part)
{
    if (part->no_memory)
        bide__text_print(text, "worker %u: no memory for more tasks\n", part->index);
    if (part->answered)
        return;
    bide__text_print(text, "worker %u: does not answer", part->index);
    if (part->holder[0]) {
        add_string(text, ", held by ");
        add_plain(text, part->holder);
    }
    if (part->holder_site[0] && !tree->brief) {
        add_string(text, " from ");
        add_plain(text, part->holder_site);
    }
    add_string(text, "\n");
}

static void add_runtime(const struct bide__tree *tree, struct bide__text *text,
                        const struct bide__part *first, int *printed)
{
    size_t tasks = 0, workers = 0;
    const struct bide__part *part;
    for (part = first; part && part->runtime == first->runtime; part = part->next) {
        workers++;
        for (int i = part->first; i < part->first + part->count; i++)
            tasks += tree->nodes[i].kind == NODE_TASK && tree->nodes[i].stands_for < 0;
    }
    bide__text_print(text, "%zu task%s", tasks, tasks == 1 ? "" : "s");
    if (!tree->brief)
        bide__text_print(text, ", %zu worker%s, %s", workers, workers == 1 ? "" : "s",
                         first->reactor);
    add_string(text, "\n");
    for (part = first; part && part->runtime == first->runtime; part = part->next)
        add_nodes(tree, text, part, printed);
    for (part = first; part && part->runtime == first->runtime; part = part->next)
        add_complaints(tree, text, part);
}

void bide__tree_text(const struct bide__tree *tree, struct bide__text *text)
{
    int printed = 0;
    const struct bide__part *part = tree->parts;
    for (; part; part = bide__next_runtime(part))
        add_runtime(tree, text, part, &printed);
    if (!tree->parts)
        add_string(text, "no runtime\n");
}
