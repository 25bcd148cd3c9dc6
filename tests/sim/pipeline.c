/* Producers, workers that are cancelled at any moment, and a consumer, over channels: every message
 * that was sent arrives once, and those of one worker in their order. */
#include "workload.h"

#include <bide/keywords.h>

enum { PRODUCERS = 4, WORKERS = 4, EACH = 40 };

struct item {
    int producer, number;
};

struct plant {
    struct bide_chan raw, made;
    int sent[PRODUCERS];
    bool arrived[PRODUCERS][EACH];
};

static int produce(struct plant *plant, int producer)
{
    for (int i = 0; i < EACH; i++) {
        struct item item = { producer, i };
        int error = bide_chan_send(&plant->raw, &item);
        if (error)
            return error;
        plant->sent[producer]++;
        if (sim_draw(0, 4) == 0)
            bide_sleep(sim_draw(0, 50) * BIDE_US);
    }
    return 0;
}
ASYNC(int, produce, struct plant *, int)

/* 0, -EAGAIN when the sleep came first, or an error. */
static int take_or_sleep(struct plant *plant, struct item *item)
{
    let taken = async(bide_chan_recv, &plant->raw, item);
    int first = race(&taken, async(bide_sleep, sim_draw(0, 30) * BIDE_US));
    return first == 1 && taken.value == -ECANCELED ? -EAGAIN : taken.value;
}

/* What has been taken is passed on, whatever happens meanwhile. */
static int work(struct plant *plant)
{
    int error;
    do {
        struct item item;
        error = sim_draw(0, 1) ? take_or_sleep(plant, &item)
                               : bide_chan_recv(&plant->raw, &item);
        if (!error) {
            shield()
                error = bide_chan_send(&plant->made, &item);
        }
    } while (!error || error == -EAGAIN);
    return error;
}
ASYNC(int, work, struct plant *)

/* Workers come and go: a shift is cancelled by somebody who wakes at about the time at which
 * messages come. */
static int employ(struct plant *plant)
{
    int error;
    do {
        let shift = async(work, plant);
        scope(s) {
            bide_start(&shift);
            bide_sleep(sim_draw(0, 60) * BIDE_US);
            cancel(&shift);
        }
        error = shift.value;
    } while (error == -ECANCELED);
    return error;
}
ASYNC(int, employ, struct plant *)

static int consume(struct plant *plant)
{
    struct item item;
    int error;
    while (!(error = bide_chan_recv(&plant->made, &item))) {
        sim_expect(!plant->arrived[item.producer][item.number], "message %d of %d came twice",
                   item.number, item.producer);
        plant->arrived[item.producer][item.number] = true;
        if (sim_draw(0, 9) == 0)
            bide_sleep(sim_draw(0, 20) * BIDE_US);
    }
    return error == -EPIPE ? 0 : error;
}
ASYNC(int, consume, struct plant *)

static void check(const struct plant *plant)
{
    for (int p = 0; p < PRODUCERS; p++)
        for (int i = 0; i < EACH; i++)
            sim_expect(plant->arrived[p][i] == (i < plant->sent[p]),
                       "message %d of %d was %s", i, p, i < plant->sent[p] ? "lost" : "not sent");
}

static int run_plant(struct plant *plant)
{
    struct produce_future producers[PRODUCERS];
    struct employ_future workers[WORKERS];
    int produce_count = sim_draw(1, PRODUCERS), worker_count = sim_draw(1, WORKERS);
    let consumer = async(consume, plant);
    scope(s) {
        bide_start(&consumer);
        for (int i = 0; i < worker_count; i++) {
            workers[i] = async(employ, plant);
            bide_start(&workers[i]);
        }
        for (int i = 0; i < produce_count; i++)
            producers[i] = async(produce, plant, i);
        bide_join_all(producers, (size_t)produce_count);
        bide_chan_close(&plant->raw);
        for (int i = 0; i < worker_count; i++)
            await(&workers[i]);
        bide_chan_close(&plant->made);
    }
    return consumer.value;
}

static int pipeline(void)
{
    struct plant plant = { 0 };
    int error = bide_chan_init(&plant.raw, sizeof(struct item), (size_t)sim_draw(0, 3));
    if (error)
        return error;
    error = bide_chan_init(&plant.made, sizeof(struct item), (size_t)sim_draw(0, 3));
    if (!error) {
        error = run_plant(&plant);
        bide_chan_release(&plant.made);
    }
    bide_chan_release(&plant.raw);
    check(&plant);
    return error;
}
ASYNC(int, pipeline)

WORKLOAD(pipeline)
