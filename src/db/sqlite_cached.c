/*
 * db/sqlite_cached.c - a read in place must not wait for the disk.
 *
 * SQLite's unix VFS lets its system calls be replaced. Its pread is, once for the process, by one
 * that in a thread that is reading in place asks for what the page cache holds and nothing else
 * (RWF_NOWAIT). A page that would have to come from the disk is an error to SQLite: the read
 * is abandoned, and done again on a reader thread, which waits for the disk and so fills the cache.
 * All other threads' reads are the system call as it was.
 *
 * Where the file system cannot tell (EOPNOTSUPP), the read in place waits like any other.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* preadv2 */
#endif
#include "db/sqlite_internal.h"

#include <errno.h>
#include <sys/uio.h>

typedef ssize_t pread_call(int fd, void *buf, size_t size, off_t offset);

static pread_call *plain_pread;
static __thread struct bide__sqlite_conn *in_place; /* the connection that this thread reads with */

static ssize_t cached_pread(int fd, void *buf, size_t size, off_t offset)
{
    struct bide__sqlite_conn *conn = in_place;

    if (!conn || atomic_load_explicit(&conn->db->no_nowait, memory_order_relaxed))
        return plain_pread(fd, buf, size, offset);

    struct iovec iov = { buf, size };
    ssize_t n = preadv2(fd, &iov, 1, offset, RWF_NOWAIT);
    if (n >= 0)
        return n;
    if (errno == EAGAIN) {
        conn->not_cached = true;
        return -1;
    }
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)
        atomic_store(&conn->db->no_nowait, true);
    return plain_pread(fd, buf, size, offset);
}

static void install(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
    const char *name = "pread64";

    if (!vfs || vfs->iVersion < 3)
        return;
    plain_pread = (pread_call *)vfs->xGetSystemCall(vfs, name);
    if (!plain_pread) {
        name = "pread";
        plain_pread = (pread_call *)vfs->xGetSystemCall(vfs, name);
    }
    if (plain_pread)
        vfs->xSetSystemCall(vfs, name, (sqlite3_syscall_ptr)cached_pread);
}

void bide__sqlite_cached_install(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
}

void bide__sqlite_cached_on(struct bide__sqlite_conn *conn)
{
    in_place = conn;
}

void bide__sqlite_cached_off(void)
{
    in_place = NULL;
}
