/* platform/sim_link.c - packets, how long they take, and what the network does to them. */
#include "platform/sim_net.h"

#include "base/memory.h"

#include <string.h>

/* ---- packets ---- */

struct bide__sim_packet *bide__sim_packet_new(struct bide__world *world,
                                              enum bide__sim_message message, size_t size)
{
    struct bide__sim_packet *packet = bide__alloc(sizeof(*packet) + size);
    if (!packet)
        return NULL;
    memset(packet, 0, sizeof(*packet));
    packet->message = (uint8_t)message;
    packet->size = size;
    bide__list_push(&world->packets, &packet->link);
    return packet;
}

void bide__sim_packet_free(struct bide__sim_packet *packet)
{
    bide__list_remove(&packet->link);
    if (packet->to)
        bide__sim_file_drop(packet->to);
    if (packet->from)
        bide__sim_file_drop(packet->from);
    bide__free(packet);
}

static void arrive(struct bide__world *world, struct bide__sim_packet *packet)
{
    struct bide__sim_file *to = packet->to;
    switch (packet->message) {
    case BIDE__SIM_OPEN:
    case BIDE__SIM_OPENED:
    case BIDE__SIM_REFUSED:
        bide__sim_connect_arrive(world, packet);
        break;
    default:
        if (packet->message == BIDE__SIM_DATA && (!to || to->kind == BIDE__SIM_DATAGRAM))
            bide__sim_datagram_arrive(world, packet);
        else
            bide__sim_stream_arrive(world, packet);
    }
}

static void fire(struct bide__world *world, struct bide__sim_event *event)
{
    struct bide__sim_packet *packet = bide__container(event, struct bide__sim_packet, event);
    bide__sim_trace(world, BIDE__SIM_ARRIVES, packet->message, (int64_t)packet->size,
                    ntohs(packet->to ? packet->to->own.port : packet->where.port));
    arrive(world, packet);
}

/* ---- parted hosts ---- */

struct parted {
    struct bide__list link; /* in world->parted */
    struct bide__sim_address a, b;
    bide_time until;
};

static bool same_pair(const struct parted *p, const struct bide__sim_address *a,
                      const struct bide__sim_address *b)
{
    return (bide__sim_same_host(&p->a, a) && bide__sim_same_host(&p->b, b)) ||
           (bide__sim_same_host(&p->a, b) && bide__sim_same_host(&p->b, a));
}

/* Until when they are parted; before now: they are not. Pairs that have met again are forgotten. */
static bide_time parted_until(struct bide__world *world, const struct bide__sim_address *a,
                              const struct bide__sim_address *b)
{
    struct bide__list *head = &world->parted, *next;
    for (struct bide__list *link = head->next; link != head; link = next) {
        struct parted *p = bide__container(link, struct parted, link);
        next = link->next;
        if (p->until <= world->now) {
            bide__list_remove(link);
            bide__free(p);
        } else if (same_pair(p, a, b)) {
            return p->until;
        }
    }
    return 0;
}

bool bide__sim_parted(struct bide__world *world, const struct bide__sim_address *a,
                      const struct bide__sim_address *b)
{
    return parted_until(world, a, b) > world->now;
}

void bide__sim_may_part(struct bide__world *world, const struct bide__sim_address *a,
                        const struct bide__sim_address *b)
{
    const struct bide_sim_faults *faults = &world->options.faults;
    if (!bide__sim_chance(world, faults->partition) || bide__sim_parted(world, a, b))
        return;
    struct parted *p = bide__alloc(sizeof(*p));
    if (!p)
        return;
    bide_time span = bide__sim_span(world, faults->partition_least, faults->partition_most);
    *p = (struct parted){ .a = *a, .b = *b, .until = world->now + span };
    bide__list_push(&world->parted, &p->link);
    bide__sim_trace(world, BIDE__SIM_PARTED, span, 0, 0);
}

/* ---- sending ---- */

bool bide__sim_remote(const struct bide__sim_file *file)
{
    return file->domain == AF_INET || file->domain == AF_INET6;
}

void bide__sim_send(struct bide__world *world, struct bide__sim_file *file,
                    struct bide__sim_packet *packet)
{
    const struct bide_sim_faults *faults = &world->options.faults;
    struct bide__sim_file *to = packet->to;
    if (!bide__sim_remote(file)) {
        arrive(world, packet);
        return;
    }
    const struct bide__sim_address *own = to ? &file->own : &packet->source;
    const struct bide__sim_address *other = to ? &file->other : &packet->where;
    bide_time from = parted_until(world, own, other);
    bide_time at = (from > world->now ? from : world->now) +
                   bide__sim_span(world, faults->latency_least, faults->latency_most);
    if (to && to->kind != BIDE__SIM_DATAGRAM) {
        if (at < to->last_arrival)
            at = to->last_arrival;
        to->last_arrival = at;
    }
    packet->event.fire = fire;
    bide__sim_set(world, &packet->event, at);
}

/* ---- the end ---- */

void bide__sim_link_free(struct bide__world *world)
{
    for (struct bide__list *link; (link = world->packets.next) != &world->packets;)
        bide__sim_packet_free(bide__container(link, struct bide__sim_packet, link));
    for (struct bide__list *link; (link = bide__list_pop(&world->parted));)
        bide__free(bide__container(link, struct parted, link));
}
