/*
 * interleave_memory.h - part of interleave.h: the memory model, and the operations on it.
 *
 * Each location keeps its values in the order of their stores, each with what its writer had seen
 * of all other locations when it released it. A load may give any value but those older than what
 * the thread has seen; acquiring, the thread sees what came with the value. A read-modify-write
 * takes the newest. Operations of order seq_cst see those before them on their location. So a store
 * buffer (x86), caches that lag behind and reads out of order (aarch64) are in it. What is not: a
 * load that gives a value which is stored only later in program order, and stores of two threads
 * to one place that become visible in another order than they were made.
 */

/* ---- views ---------------------------------------------------------------------------------- */

static inline unsigned il_index(const struct il_location *l)
{
    return (unsigned)(l - il.locations);
}

static inline __attribute__((always_inline)) void il_raise(uint8_t *at, unsigned to)
{
    if (*at < to)
        *at = (uint8_t)to;
}

static inline void il_join(struct il_view *view, const struct il_view *with)
{
    for (unsigned i = 0; i < il.location_count; i++)
        il_raise(&view->at[i], with->at[i]);
    for (int i = 0; i < IL_THREADS; i++)
        view->done[i] = view->done[i] > with->done[i] ? view->done[i] : with->done[i];
}

static inline int il_order(int order)
{
    switch (il.c->orders) {
    case IL_RELAXED:
        return __ATOMIC_RELAXED;
    case IL_NO_SEQ_CST:
        return order == __ATOMIC_SEQ_CST ? __ATOMIC_ACQ_REL : order;
    default:
        return order;
    }
}

static inline bool il_acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order == __ATOMIC_ACQ_REL ||
           order == __ATOMIC_SEQ_CST;
}

static inline bool il_releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/* ---- locations ------------------------------------------------------------------------------ */

static inline uint64_t il_memory(const void *p, size_t size)
{
    uint64_t bits = 0;
    memcpy(&bits, p, size);
    return bits;
}

static inline struct il_location *il_new_location(const void *address, size_t size)
{
    if (il.location_count == IL_LOCATIONS)
        il_fail("too many locations");
    struct il_location *l = &il.locations[il.location_count++];
    l->address = address;
    l->size = (uint8_t)size;
    l->touched = l->written = 0;
    l->execution = 0;
    return l;
}

static inline struct il_location *il_look_up(const void *address, size_t size)
{
    size_t at = (uintptr_t)address * 0x9e3779b97f4a7c15u >> 32;
    for (;; at++) {
        uint8_t *slot = &il.slots[at % IL_SLOTS];
        if (!*slot) {
            struct il_location *l = il_new_location(address, size);
            *slot = (uint8_t)(il_index(l) + 1);
            return l;
        }
        struct il_location *l = &il.locations[*slot - 1];
        if (l->address == address && !l->size == !size)
            return l;
    }
}

/* For its first access in this execution. */
static inline void il_begin_location(struct il_location *l)
{
    l->execution = il.executions;
    l->count = 1;
    l->values[0] = (struct il_value){ .bits = il_memory(l->address, l->size) };
    l->watched = !l->size;
    memset(l->accessed, 0, sizeof(l->accessed));
    for (int i = 0; i < il.object_count; i++)
        if ((size_t)((const char *)l->address - il.objects[i].start) < il.objects[i].size)
            l->watched = true;
}

static inline struct il_location *il_find(const void *address, size_t size)
{
    struct il_location *l = il_look_up(address, size);
    if (l->execution != il.executions)
        il_begin_location(l);
    if (il_memory(address, size) != l->values[l->count - 1].bits)
        il_fail("a plain store to an atomic variable");
    for (int i = 0; l->watched && i < il.object_count; i++)
        if (il.objects[i].freed &&
            (size_t)((const char *)address - il.objects[i].start) < il.objects[i].size)
            il_fail("used after it was freed");
    return l;
}

static inline bool il_shared(const struct il_location *l)
{
    return l->written && (l->touched & (l->touched - 1));
}

static inline struct il_location *il_touch(const void *address, size_t size, bool write)
{
    struct il_location *l = il_find(address, size);
    bool was_shared = il_shared(l);
    l->touched |= (uint8_t)(1 << il_self());
    if (write)
        l->written |= (uint8_t)(1 << il_self());
    if (!was_shared && il_shared(l))
        il.again = true;
    return l;
}

static inline void il_count_access(struct il_location *l)
{
    if (l->watched)
        l->accessed[il_self()] = ++il.running->view.done[il_self()];
}

/* The running thread is about to access the location: a step, if others do so too. */
static inline struct il_location *il_access(const void *address, size_t size, bool write)
{
    struct il_location *l = il_touch(address, size, write);
    if (il_shared(l))
        il_pause();
    il_find(address, size); /* it may have been freed meanwhile */
    il_count_access(l);
    return l;
}

/* ---- values --------------------------------------------------------------------------------- */

/* The oldest value that a load may give. */
static inline unsigned il_oldest(const struct il_location *l, int order)
{
    if (il.c->orders == IL_SEQUENTIAL)
        return l->count - 1;
    unsigned at = il_index(l), oldest = il.running->view.at[at];
    return order == __ATOMIC_SEQ_CST && il.seq_cst.at[at] > oldest ? il.seq_cst.at[at] : oldest;
}

/* The thread reads this value. */
static inline void il_see(struct il_location *l, unsigned value, int order)
{
    struct il_thread *self = il.running;
    self->last = l;
    self->last_seen = value;
    il_raise(&self->view.at[il_index(l)], value);
    if (il_acquires(order) || il.c->orders == IL_SEQUENTIAL)
        il_join(&self->view, &l->values[value].seen);
    if (order == __ATOMIC_SEQ_CST)
        il_raise(&il.seq_cst.at[il_index(l)], value);
}

/* keep: a read-modify-write, which passes on what came with the value that it replaces. */
static inline void il_put(struct il_location *l, uint64_t bits, int order, bool keep)
{
    struct il_thread *self = il.running;
    if (l->count == IL_VALUES)
        il_compact();
    if (l->count == IL_VALUES)
        il_fail("too many values of one location");
    unsigned value = l->count++;
    struct il_value *v = &l->values[value];
    v->bits = l->size < 8 ? bits & ((1ull << 8 * l->size) - 1) : bits;
    v->seen = keep ? l->values[value - 1].seen : (struct il_view){ 0 };
    if (il_releases(order) || il.c->orders == IL_SEQUENTIAL)
        il_join(&v->seen, &self->view);
    v->seen.at[il_index(l)] = self->view.at[il_index(l)] = (uint8_t)value;
    if (order == __ATOMIC_SEQ_CST)
        il.seq_cst.at[il_index(l)] = (uint8_t)value;
    memcpy((void *)(uintptr_t)l->address, &v->bits, l->size);
}

/* ---- the same state, the same bytes ---------------------------------------------------------- */

static inline uint8_t il_less(uint8_t at, unsigned by)
{
    return at > by ? (uint8_t)(at - by) : 0;
}

/* Forget the values that no thread can read any more. */
static inline void il_drop_values(unsigned index)
{
    struct il_location *l = &il.locations[index];
    unsigned by = l->count - 1;
    for (int i = 0; i < IL_THREADS && il.c->orders != IL_SEQUENTIAL; i++)
        if (!il_over(i) && il.threads[i].view.at[index] < by)
            by = il.threads[i].view.at[index];
    for (int i = 0; i < IL_THREADS; i++) /* who waits for a newer one must see that there is one */
        if (il.threads[i].state == IL_YIELDS && il.threads[i].last == l &&
            il.threads[i].last_seen < by)
            by = il.threads[i].last_seen;
    if (by == 0)
        return;
    l->count -= by;
    memmove(l->values, l->values + by, l->count * sizeof(*l->values));
    il.seq_cst.at[index] = il_less(il.seq_cst.at[index], by);
    for (int i = 0; i < IL_THREADS; i++) {
        struct il_thread *thread = &il.threads[i];
        thread->view.at[index] = il_less(thread->view.at[index], by);
        if (thread->last == l)
            thread->last_seen -= by < thread->last_seen ? by : thread->last_seen;
    }
    for (unsigned i = 0; i < il.location_count; i++)
        for (unsigned j = 0; il.locations[i].execution == il.executions &&
                             j < il.locations[i].count; j++) {
            uint8_t *at = &il.locations[i].values[j].seen.at[index];
            *at = il_less(*at, by);
        }
}

/* Every count of thread i's accesses that is kept, one after the other, is given to change. */
static inline void il_each_done(int i, uint16_t (*change)(uint16_t done))
{
    for (unsigned n = 0; n < il.location_count; n++) {
        struct il_location *l = &il.locations[n];
        for (unsigned j = 0; l->execution == il.executions && j < l->count; j++)
            l->values[j].seen.done[i] = change(l->values[j].seen.done[i]);
    }
    for (int j = 0; j < IL_THREADS; j++)
        il.threads[j].view.done[i] = change(il.threads[j].view.done[i]);
}

/* How many of the accesses that matter it covers. */
static uint16_t il_rank(uint16_t done)
{
    uint16_t rank = 0;
    while (rank < il.rank_count && il.ranks[rank] <= done)
        rank++;
    return rank;
}

/* Of thread i's accesses only the last of each location matters, until all know of it. */
static inline void il_rank_accesses(int i)
{
    il.rank_count = 0;
    unsigned known = UINT16_MAX;
    for (int j = 0; j < IL_THREADS; j++)
        if (!il_over(j) && il.threads[j].view.done[i] < known)
            known = il.threads[j].view.done[i];
    for (unsigned n = 0; n < il.location_count; n++) {
        struct il_location *l = &il.locations[n];
        if (l->execution != il.executions || l->accessed[i] <= known) {
            l->accessed[i] = 0;
            continue;
        }
        unsigned at = il.rank_count++;
        for (; at > 0 && il.ranks[at - 1] > l->accessed[i]; at--)
            il.ranks[at] = il.ranks[at - 1];
        il.ranks[at] = l->accessed[i];
    }
    for (unsigned n = 0; n < il.location_count; n++)
        if (il.locations[n].accessed[i])
            il.locations[n].accessed[i] = il_rank(il.locations[n].accessed[i]);
    il_each_done(i, il_rank);
}

static inline void il_compact(void)
{
    for (unsigned i = 0; i < il.location_count; i++)
        if (il.locations[i].execution == il.executions)
            il_drop_values(i);
    for (int i = 0; i < IL_THREADS; i++)
        il_rank_accesses(i);
}

static inline uint64_t il_hash_view(uint64_t hash, const struct il_view *view)
{
    return il_hash(hash, view, view->at + il.location_count);
}

static inline uint64_t il_hash_memory(uint64_t hash)
{
    for (unsigned i = 0; i < il.location_count; i++) {
        const struct il_location *l = &il.locations[i];
        if (l->execution != il.executions)
            continue;
        hash = il_mix(hash, i << 8 | l->count);
        if (l->watched)
            hash = il_hash(hash, l->accessed, l->accessed + IL_THREADS);
        for (unsigned j = 0; j < l->count; j++)
            hash = il_hash_view(il_mix(hash, l->values[j].bits), &l->values[j].seen);
    }
    for (int i = 0; i < IL_THREADS; i++)
        if (!il_over(i))
            hash = il_hash_view(hash, &il.threads[i].view);
    for (int i = 0; i < il.object_count; i++)
        hash = il_mix(hash, il.objects[i].freed);
    return il_hash_view(hash, &il.seq_cst);
}

static inline void il_reset_memory(void)
{
    il.seq_cst = (struct il_view){ 0 };
    il.object_count = il.ignored_count = 0;
}

/* ---- operations ----------------------------------------------------------------------------- */

/* An access that is no matter of the explorer's. */
static inline bool il_plain(const void *p)
{
    for (int i = 0; i < il.ignored_count; i++)
        if (il.ignored[i] == p)
            return true;
    return !il.running;
}

static inline void il_record(const struct il_location *l, unsigned value, struct il_at at,
                             const char *operation)
{
    if (il.step_count == IL_STEPS)
        il_fail("it runs away");
    il.steps[il.step_count++] = (struct il_step){
        at, operation, l->values[value].bits, l->count - 1 - value, il_self()
    };
}

static inline uint64_t il_load(const void *p, size_t size, int order, struct il_at at)
{
    if (il_plain(p))
        return il_memory(p, size);
    order = il_order(order);
    struct il_location *l = il_access(p, size, false);
    unsigned newest = l->count - 1;
    unsigned value = newest - (unsigned)il_choose((int)(newest - il_oldest(l, order) + 1));
    il_see(l, value, order);
    il_record(l, value, at, "load");
    return l->values[value].bits;
}

static inline void il_store(void *p, size_t size, uint64_t bits, int order, struct il_at at)
{
    if (il_plain(p)) {
        memcpy(p, &bits, size);
        return;
    }
    struct il_location *l = il_access(p, size, true);
    il_put(l, bits, il_order(order), false);
    il_record(l, l->count - 1, at, "store");
}

enum il_change { IL_EXCHANGE, IL_ADD, IL_OR, IL_AND };

static inline uint64_t il_changed(uint64_t bits, enum il_change change, uint64_t by)
{
    switch (change) {
    case IL_ADD:
        return bits + by;
    case IL_OR:
        return bits | by;
    case IL_AND:
        return bits & by;
    default:
        return by;
    }
}

/* The value before. */
static inline uint64_t il_modify(void *p, size_t size, enum il_change change, uint64_t by,
                                 int order, struct il_at at)
{
    static const char *const names[] = { "exchange", "add", "or", "and" };
    uint64_t bits = il_memory(p, size);
    if (il_plain(p)) {
        bits = il_changed(bits, change, by);
        memcpy(p, &bits, size);
        return bits;
    }
    struct il_location *l = il_access(p, size, true);
    bits = l->values[l->count - 1].bits;
    il_see(l, l->count - 1, il_order(order));
    il_put(l, il_changed(bits, change, by), il_order(order), true);
    il_record(l, l->count - 1, at, names[change]);
    return bits;
}

/* One that fails is a load, which may give an old value (but not the expected one). */
static inline bool il_compare_exchange(void *p, size_t size, uint64_t *expected, uint64_t bits,
                                       int order, int order_failed, struct il_at at)
{
    uint64_t wanted = il_memory(expected, size);
    if (il_plain(p)) {
        *expected = il_memory(p, size);
        if (*expected == wanted)
            memcpy(p, &bits, size);
        return *expected == wanted;
    }
    struct il_location *l = il_access(p, size, true);
    unsigned candidates[IL_VALUES], oldest = il_oldest(l, il_order(order_failed));
    int count = 0;
    for (unsigned value = l->count; value-- > oldest;)
        if (value == l->count - 1 || l->values[value].bits != wanted)
            candidates[count++] = value;
    unsigned value = candidates[il_choose(count)];
    *expected = l->values[value].bits;
    bool same = *expected == wanted;
    il_see(l, value, il_order(same ? order : order_failed));
    if (same)
        il_put(l, bits, il_order(order), true);
    il_record(l, same ? l->count - 1 : value, at, same ? "compare-exchange" : "failed exchange");
    return same;
}

/* ---- objects -------------------------------------------------------------------------------- */

/* Has all that others did with it happened before? */
static inline void il_check_owned(const struct il_location *l)
{
    for (int i = 0; i < IL_THREADS; i++)
        if (i != il_self() && il.running->view.done[i] < l->accessed[i])
            il_fail("what thread %d did with an object has not happened before", i);
}

static inline void il_own(const void *object)
{
    if (!il.running)
        return;
    struct il_location *l = il_find(object, 0);
    il_check_owned(l);
    il_count_access(l);
}

static inline void il_will_free(const void *object, size_t size)
{
    if (il.object_count == IL_OBJECTS)
        il_fail("too many objects");
    il.objects[il.object_count].start = object;
    il.objects[il.object_count].size = size;
    il.objects[il.object_count++].freed = false;
}

static inline void il_free(const void *object)
{
    int i = 0;
    while (i < il.object_count && il.objects[i].start != object)
        i++;
    if (i == il.object_count)
        il_fail("what is freed was not announced");
    il_own(object);
    for (unsigned n = 0; n < il.location_count; n++)
        if ((size_t)((const char *)il.locations[n].address - il.objects[i].start) <
                il.objects[i].size && il.locations[n].execution == il.executions)
            il_check_owned(&il.locations[n]);
    il.objects[i].freed = true;
}

static inline void il_ignore(const void *variable)
{
    if (il.ignored_count == IL_OBJECTS)
        il_fail("too many variables to ignore");
    il.ignored[il.ignored_count++] = variable;
}

/* ---- sleeping ------------------------------------------------------------------------------- */

#define IL_KERNEL(what) (struct il_at){ __FILE__, __LINE__, what }

static inline void il_make_zero(struct il_location *l, const char *operation)
{
    il_see(l, l->count - 1, __ATOMIC_ACQUIRE);
    if (l->values[l->count - 1].bits)
        il_put(l, 0, __ATOMIC_ACQ_REL, true);
    il_record(l, l->count - 1, IL_KERNEL("eventfd"), operation);
}

static inline void il_wait(int *flag)
{
    struct il_location *l = il_touch(flag, sizeof(*flag), true);
    il.running->last = l;
    il.running->state = IL_WAITS;
    il_pause();
    il.running->state = IL_READY;
    il_make_zero(l, "wait");
}

static inline void il_take(int *flag)
{
    il_make_zero(il_access(flag, sizeof(*flag), true), "take");
}

static inline void il_wake(int *flag)
{
    il_modify(flag, sizeof(*flag), IL_EXCHANGE, 1, __ATOMIC_ACQ_REL, IL_KERNEL("eventfd"));
}

/* The kernel compares the newest value. */
static inline void il_futex_wait(int *word, int value)
{
    struct il_location *l = il_access(word, sizeof(*word), false);
    unsigned newest = l->count - 1;
    il_see(l, newest, __ATOMIC_RELAXED);
    il_record(l, newest, IL_KERNEL("futex"), "wait");
    if ((int)l->values[newest].bits != value)
        return;
    il.running->state = IL_SLEEPS;
    il_pause();
}

static inline void il_futex_wake(int *word)
{
    struct il_location *l = il_access(word, sizeof(*word), true);
    struct il_thread *sleeping[IL_THREADS];
    int count = 0;
    for (int i = 0; i < IL_THREADS; i++)
        if (il.threads[i].state == IL_SLEEPS && il.threads[i].last == l)
            sleeping[count++] = &il.threads[i];
    if (count) {
        struct il_thread *woken = sleeping[il_choose(count)];
        woken->state = IL_READY;
        il_raise(&woken->view.at[il_index(l)], il.running->view.at[il_index(l)]);
    }
    il_record(l, l->count - 1, IL_KERNEL("futex"), "wake");
}

static inline void il_yield(void)
{
    struct il_thread *self = il.running;
    if (!self)
        return;
    self->state = IL_YIELDS;
    il_pause();
    self->state = IL_READY;
    il_raise(&self->view.at[il_index(self->last)], self->last_seen + 1);
}

static inline void il_membarrier(void)
{
    il_pause();
    for (int twice = 0; twice < 2; twice++)
        for (int i = 0; i < IL_THREADS; i++) {
            il_join(&il.threads[i].view, &il.seq_cst);
            il_join(&il.seq_cst, &il.threads[i].view);
        }
}

/* ---- the operations of the code that is included from here on ------------------------------- */

#define IL_TYPE(p) __typeof__(*(p) + 0)
#define IL_BITS(v) ((uint64_t)(uintptr_t)(v))
#define IL_AT(p) (struct il_at){ __FILE__, __LINE__, #p }
#define IL_MODIFY(p, change, v, order)                                                        \
    __extension__({                                                                           \
        IL_TYPE(p) il_before = (IL_TYPE(p))(uintptr_t)il_modify(p, sizeof(*(p)), change,      \
                                                                IL_BITS(v), order, IL_AT(p)); \
        il_before;                                                                            \
    })

#define __atomic_load_n(p, order) \
    ((IL_TYPE(p))(uintptr_t)il_load(p, sizeof(*(p)), order, IL_AT(p)))
#define __atomic_store_n(p, v, order) il_store(p, sizeof(*(p)), IL_BITS(v), order, IL_AT(p))
#define __atomic_exchange_n(p, v, order) IL_MODIFY(p, IL_EXCHANGE, v, order)
#define __atomic_fetch_add(p, v, order) IL_MODIFY(p, IL_ADD, v, order)
#define __atomic_fetch_sub(p, v, order) IL_MODIFY(p, IL_ADD, -(v), order)
#define __atomic_fetch_or(p, v, order) IL_MODIFY(p, IL_OR, v, order)
#define __atomic_fetch_and(p, v, order) IL_MODIFY(p, IL_AND, v, order)
#define __atomic_add_fetch(p, v, order) __extension__({ IL_MODIFY(p, IL_ADD, v, order) + (v); })
#define __atomic_sub_fetch(p, v, order) __extension__({ IL_MODIFY(p, IL_ADD, -(v), order) - (v); })
#define __atomic_compare_exchange_n(p, expected, desired, weak, success, failure)           \
    __extension__({                                                                         \
        uint64_t il_expected = IL_BITS(*(expected));                                        \
        bool il_same = il_compare_exchange(p, sizeof(*(p)), &il_expected, IL_BITS(desired), \
                                           success, failure, IL_AT(p));                     \
        *(expected) = (IL_TYPE(expected))(uintptr_t)il_expected;                            \
        il_same;                                                                            \
    })
#define __atomic_signal_fence(order) ((void)(order))
#define __atomic_thread_fence(order) il_fences_of_one_thread_are_not_modelled
