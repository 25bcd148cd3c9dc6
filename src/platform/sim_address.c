/* platform/sim_address.c - the addresses of a simulation's sockets, and who is where. */
#include "platform/sim_net.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum { PORT_FIRST = 32768, PORT_LAST = 60999 }; /* that are given out, as Linux does */

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool is_v4(const struct in6_addr *ip)
{
    return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

static bool is_any(const struct bide__sim_address *a)
{
    return IN6_IS_ADDR_UNSPECIFIED(&a->ip);
}

static bool is_loopback(const struct bide__sim_address *a)
{
    return IN6_IS_ADDR_LOOPBACK(&a->ip) || (is_v4(&a->ip) && a->ip.s6_addr[12] == 127);
}

bool bide__sim_same_host(const struct bide__sim_address *a, const struct bide__sim_address *b)
{
    return memcmp(&a->ip, &b->ip, sizeof(a->ip)) == 0;
}

/* ---- as the program has them ---- */

static int read_unix(const struct sockaddr *addr, socklen_t size, struct bide__sim_address *to)
{
    size_t head = offsetof(struct sockaddr_un, sun_path);
    if (size <= head || size > sizeof(struct sockaddr_un))
        return -EINVAL;
    to->size = size - (socklen_t)head;
    memcpy(to->name, ((const struct sockaddr_un *)(const void *)addr)->sun_path, to->size);
    if (to->name[0]) /* of a path the size may or may not count the end */
        to->size = (socklen_t)strnlen(to->name, to->size);
    return 0;
}

int bide__sim_address_read(const struct bide__sim_file *file, const struct sockaddr *addr,
                           socklen_t size, struct bide__sim_address *ret_address)
{
    struct bide__sim_address a = { .family = (sa_family_t)file->domain };
    if (!addr || size < sizeof(sa_family_t))
        return -EINVAL;
    if (addr->sa_family != file->domain)
        return -EAFNOSUPPORT;
    if (file->domain == AF_UNIX) {
        int error = read_unix(addr, size, &a);
        if (error < 0)
            return error;
    } else if (file->domain == AF_INET) {
        const struct sockaddr_in *in = (const void *)addr;
        if (size < sizeof(*in))
            return -EINVAL;
        a.port = in->sin_port;
        if (in->sin_addr.s_addr != INADDR_ANY) {
            memcpy(&a.ip, mapped, sizeof(mapped));
            memcpy(&a.ip.s6_addr[12], &in->sin_addr, 4);
        }
    } else {
        const struct sockaddr_in6 *in = (const void *)addr;
        if (size < sizeof(*in))
            return -EINVAL;
        a.port = in->sin6_port;
        a.ip = in->sin6_addr;
    }
    *ret_address = a;
    return 0;
}

void bide__sim_address_write(const struct bide__sim_file *file,
                             const struct bide__sim_address *address, struct sockaddr *ret_addr,
                             socklen_t *size)
{
    union {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    } a;
    socklen_t whole;
    if (!ret_addr || !size)
        return;
    memset(&a, 0, sizeof(a));
    if (file->domain == AF_UNIX) {
        a.un.sun_family = AF_UNIX;
        memcpy(a.un.sun_path, address->name, address->size);
        bool path = address->size && address->name[0];
        whole = (socklen_t)offsetof(struct sockaddr_un, sun_path) + address->size + path;
    } else if (file->domain == AF_INET) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = address->port;
        memcpy(&a.v4.sin_addr, &address->ip.s6_addr[12], 4);
        whole = sizeof(a.v4);
    } else {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = address->port;
        a.v6.sin6_addr = address->ip;
        whole = sizeof(a.v6);
    }
    socklen_t room = *size < sizeof(a) ? *size : (socklen_t)sizeof(a);
    memcpy(ret_addr, &a, whole < room ? whole : room);
    *size = whole;
}

/* ---- who has one ---- */

static bool same_name(const struct bide__sim_address *a, const struct bide__sim_address *b)
{
    return a->size == b->size && memcmp(a->name, b->name, a->size) == 0;
}

static struct bide__sim_file *bound(struct bide__list *link)
{
    return bide__container(link, struct bide__sim_file, bound);
}

static bool conflict(const struct bide__sim_file *file, const struct bide__sim_address *address,
                     const struct bide__sim_file *other)
{
    if (other == file || other->kind != file->kind ||
        bide__sim_remote(other) != bide__sim_remote(file))
        return false;
    if (file->domain == AF_UNIX)
        return same_name(&other->own, address);
    return other->own.port == address->port && !(file->reuse_port && other->reuse_port) &&
           (is_any(&other->own) || is_any(address) || bide__sim_same_host(&other->own, address));
}

static bool taken(struct bide__world *world, const struct bide__sim_file *file,
                  const struct bide__sim_address *address)
{
    const struct bide__list *head = &world->bound;
    for (struct bide__list *link = head->next; link != head; link = link->next)
        if (conflict(file, address, bound(link)))
            return true;
    return false;
}

/* A port that nobody has, or 0. */
static in_port_t free_port(struct bide__world *world, const struct bide__sim_file *file,
                           struct bide__sim_address address)
{
    for (int i = PORT_FIRST; i <= PORT_LAST; i++) {
        if (world->next_port < PORT_FIRST || world->next_port > PORT_LAST)
            world->next_port = PORT_FIRST;
        address.port = htons((in_port_t)world->next_port++);
        if (!taken(world, file, &address))
            return address.port;
    }
    return 0;
}

static int take_address(struct bide__world *world, struct bide__sim_file *file,
                        struct bide__sim_address address)
{
    if (bide__sim_remote(file) && !address.port)
        address.port = free_port(world, file, address);
    if ((bide__sim_remote(file) && !address.port) || taken(world, file, &address))
        return -EADDRINUSE;
    file->own = address;
    return 0;
}

int bide__sim_bind(struct bide__world *world, struct bide__sim_file *file,
                   const struct bide__sim_address *address)
{
    if (file->own.family || file->kind < BIDE__SIM_STREAM)
        return -EINVAL;
    int error = take_address(world, file, *address);
    if (!error)
        bide__list_push(&world->bound, &file->bound);
    return error;
}

/* The network that other is in: of the machine itself, or the one outside. */
static struct in6_addr source_for(const struct bide__sim_address *other)
{
    struct in6_addr ip = other->ip;
    if (is_loopback(other))
        return ip;
    if (!is_v4(&ip))
        return (struct in6_addr){ .s6_addr = { 0xfd, [15] = 1 } };
    memcpy(&ip.s6_addr[12], &(struct in_addr){ htonl(0x0a000001) }, 4); /* 10.0.0.1 */
    return ip;
}

int bide__sim_bind_any(struct bide__world *world, struct bide__sim_file *file,
                       const struct bide__sim_address *other)
{
    if (!bide__sim_remote(file))
        return 0;
    int error = 0;
    if (!file->own.family) {
        struct bide__sim_address address = { .family = (sa_family_t)file->domain };
        error = take_address(world, file, address);
        if (!error && file->kind == BIDE__SIM_DATAGRAM)
            bide__list_push(&world->bound, &file->bound);
    }
    if (!error && is_any(&file->own) && file->kind == BIDE__SIM_STREAM)
        file->own.ip = source_for(other);
    return error;
}

struct bide__sim_address bide__sim_source(const struct bide__sim_file *file,
                                          const struct bide__sim_address *other)
{
    struct bide__sim_address source = file->own;
    if (bide__sim_remote(file) && is_any(&source))
        source.ip = source_for(other);
    return source;
}

/* Would file get what comes to `where` from `source`? 2: from nobody else. */
static int wants(const struct bide__sim_file *file, const struct bide__sim_address *where,
                 const struct bide__sim_address *source)
{
    bool unix_name = where->family == AF_UNIX;
    if ((file->domain == AF_UNIX) != unix_name)
        return 0;
    if (unix_name)
        return same_name(&file->own, where);
    if (file->own.port != where->port || (file->domain == AF_INET && !is_v4(&where->ip)) ||
        !(is_any(&file->own) || bide__sim_same_host(&file->own, where)))
        return 0;
    if (file->kind != BIDE__SIM_DATAGRAM || file->state != BIDE__SIM_CONNECTED)
        return 1;
    bool known = file->other.port == source->port && bide__sim_same_host(&file->other, source);
    return known ? 2 : 0;
}

struct bide__sim_file *bide__sim_find(struct bide__world *world, enum bide__sim_kind kind,
                                      const struct bide__sim_address *where,
                                      const struct bide__sim_address *source)
{
    struct bide__sim_file *found = NULL;
    const struct bide__list *head = &world->bound;
    unsigned count = 0;
    for (struct bide__list *link = head->next; link != head; link = link->next) {
        struct bide__sim_file *file = bound(link);
        bool listens = kind != BIDE__SIM_STREAM || file->state == BIDE__SIM_LISTENING;
        int wish = file->kind == kind && listens ? wants(file, where, source) : 0;
        if (wish == 2)
            return file;
        if (wish && (count++ == 0 || bide__sim_draw(world, count) == 0))
            found = file;
    }
    return found;
}
