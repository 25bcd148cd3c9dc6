/*
 * core/inspect_json.c - the tree as JSON (RFC 8259). Members that are not known are left out.
 */
#include "core/inspect.h"
#include "platform/backtrace.h"

#include <string.h>

static void add(struct bide__text *text, const char *string)
{
    bide__text_add(text, string, strlen(string));
}

/* Bytes of the UTF-8 sequence that string begins with; 0: of none that is well formed. */
static size_t sequence(const unsigned char *string)
{
    static const struct {
        unsigned char first, last, second_min, second_max, size;
    } forms[] = { /* table 3-7 of the Unicode standard */
        { 0x20, 0x7f, 0, 0xff, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
        { 0xe0, 0xe0, 0xa0, 0xbf, 3 },    { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 },    { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 },    { 0xf1, 0xf3, 0x80, 0xbf, 4 },
        { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (string[0] < forms[i].first || string[0] > forms[i].last)
            continue;
        size_t size = forms[i].size, n = 2;
        if (size > 1 && (string[1] < forms[i].second_min || string[1] > forms[i].second_max))
            return 0;
        while (n < size && (string[n] & 0xc0) == 0x80)
            n++;
        return n < size ? 0 : size;
    }
    return 0;
}

/* In quotes. Names may be any bytes, and be cut within a character. */
static void add_string(struct bide__text *text, const char *string)
{
    add(text, "\"");
    for (const unsigned char *at = (const unsigned char *)string; *at;) {
        size_t plain = 0;
        while (at[plain] >= 0x20 && at[plain] < 0x80 && at[plain] != '"' && at[plain] != '\\')
            plain++;
        if (plain) {
            bide__text_add(text, (const char *)at, plain);
            at += plain;
            continue;
        }
        size_t size = sequence(at);
        if (*at == '"' || *at == '\\')
            add(text, "\\");
        if (size)
            bide__text_add(text, (const char *)at, size);
        else if (*at < 0x20)
            bide__text_print(text, "\\u%04x", *at);
        else
            add(text, "\\ufffd");
        at += size ? size : 1;
    }
    add(text, "\"");
}

/* ---- members; each begins with a comma ---- */

static void add_member(struct bide__text *text, const char *name)
{
    add(text, ",\"");
    add(text, name);
    add(text, "\":");
}

static void add_text(struct bide__text *text, const char *name, const char *string)
{
    if (!string)
        return;
    add_member(text, name);
    add_string(text, string);
}

static void add_number(struct bide__text *text, const char *name, long long number)
{
    add_member(text, name);
    bide__text_number(text, number);
}

static void add_id(struct bide__text *text, const char *name, const void *id)
{
    if (id)
        bide__text_print(text, ",\"%s\":\"%p\"", name, id);
}

static void add_figures(const struct bide__tree *tree, struct bide__text *text,
                        const struct bide__node *node)
{
    const struct bide__node *holder = bide__tree_holder(tree, node);
    add_text(text, "site", node->site);
    add_id(text, "id", node->key);
    add_id(text, "holder_id", holder ? holder->key : node->holder);
    add_number(text, "worker", node->worker);
    if (node->since)
        add_number(text, "waited_ns", tree->now - node->since);
    if (node->until != BIDE_FOREVER)
        add_number(text, "left_ns", node->until - tree->now);
    if (node->deadline != BIDE_FOREVER)
        add_number(text, "deadline_ns", node->deadline - tree->now);
    if (node->spawned)
        add_number(text, "age_ns", tree->now - node->spawned);
    if (node->stack_size) {
        add_number(text, "stack_used", (long long)node->stack_used);
        add_number(text, "stack_size", (long long)node->stack_size);
    }
}

static void add_frames(struct bide__text *text, const struct bide__node *node)
{
    char frame[512];
    add(text, ",\"frames\":[");
    for (int i = 0; i < node->frame_count; i++) {
        bide__frame_text(node->frames[i], frame, sizeof(frame));
        add(text, i ? "," : "");
        add_string(text, frame);
    }
    add(text, "]");
}

/* All of a node but its children, and open for them. */
static void add_node(const struct bide__tree *tree, struct bide__text *text,
                     const struct bide__node *node)
{
    static const char *const kinds[] = {
        [NODE_TASK] = "task", [NODE_AWAITED] = "awaited", [NODE_GROUP] = "group",
    };
    static const char *const states[] = {
        [STATE_QUEUED] = "queued",       [STATE_READY] = "ready",
        [STATE_RUNNING] = "running",     [STATE_WAITING] = "waiting",
        [STATE_ELSEWHERE] = "elsewhere",
    };
    const struct bide__node *holder = bide__tree_holder(tree, node);
    bide__text_print(text, "{\"kind\":\"%s\"", kinds[node->kind]);
    add_text(text, "function", node->function);
    add_text(text, "name", node->name);
    if (node->kind == NODE_GROUP)
        add_number(text, "pending", (long long)node->pending);
    else
        add_text(text, "state", states[node->state]);
    add_text(text, "waits_for", node->wait);
    if (holder)
        add_text(text, "holder", holder->name ? holder->name : holder->function);
    if (node->cancelled)
        add(text, ",\"cancelled\":true");
    if (!tree->brief)
        add_figures(tree, text, node);
    if (node->frame_count)
        add_frames(text, node);
    add(text, ",\"children\":[");
}

static bool is_first(const struct bide__tree *tree, int node)
{
    int parent = tree->nodes[node].parent;
    return parent >= 0 && tree->nodes[parent].first == node;
}

static void add_nodes(const struct bide__tree *tree, struct bide__text *text,
                      const struct bide__part *part, int *printed)
{
    for (int i = part->first; i < part->first + part->count; i++) {
        if (tree->nodes[i].parent >= 0)
            continue;
        struct bide__visit at = { .node = i };
        do {
            if (at.leaving) {
                add(text, "]}");
                continue;
            }
            if (at.depth ? !is_first(tree, at.node)
                         : text->size && text->bytes[text->size - 1] != '[')
                add(text, ",");
            add_node(tree, text, &tree->nodes[at.node]);
            bide__text_pause((*printed)++);
        } while (!text->no_memory && bide__tree_step(tree, &at));
    }
}

static void add_worker(struct bide__text *text, const struct bide__part *part)
{
    bide__text_print(text, "{\"index\":%u,\"answered\":%s,\"complete\":%s", part->index,
                     part->answered ? "true" : "false",
                     part->answered && !part->no_memory ? "true" : "false");
    if (part->holder[0])
        add_text(text, "held_by", part->holder);
    if (part->holder_site[0])
        add_text(text, "held_by_site", part->holder_site);
    add(text, "}");
}

static void add_runtime(const struct bide__tree *tree, struct bide__text *text,
                        const struct bide__part *first, int *printed)
{
    const struct bide__part *part;
    add(text, "{");
    if (!tree->brief) {
        bide__text_print(text, "\"reactor\":\"%s\",\"workers\":[", first->reactor);
        for (part = first; part && part->runtime == first->runtime; part = part->next) {
            add(text, part == first ? "" : ",");
            add_worker(text, part);
        }
        add(text, "],");
    }
    add(text, "\"tasks\":[");
    for (part = first; part && part->runtime == first->runtime; part = part->next)
        add_nodes(tree, text, part, printed);
    add(text, "]}");
}

void bide__tree_json(const struct bide__tree *tree, struct bide__text *text)
{
    int printed = 0;
    add(text, "{\"runtimes\":[");
    const struct bide__part *part = tree->parts;
    for (; part; part = bide__next_runtime(part)) {
        add(text, part == tree->parts ? "" : ",");
        add_runtime(tree, text, part, &printed);
    }
    add(text, "]}\n");
}
