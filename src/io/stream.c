/* io/stream.c - operations made of several: all of a buffer, and stat. */
#include <bide/io.h>

#include <sys/stat.h>
#include <sys/sysmacros.h>

ssize_t bide_read_all(int fd, void *buf, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = bide_read(fd, (char *)buf + done, size - done);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t bide_write_all(int fd, const void *buf, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = bide_write(fd, (const char *)buf + done, size - done);
        if (n < 0)
            return n;
        done += (size_t)n;
    }
    return (ssize_t)size;
}

ssize_t bide_send_all(int fd, const void *buf, size_t size, int flags)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = bide_send(fd, (const char *)buf + done, size - done, flags);
        if (n < 0)
            return n;
        done += (size_t)n;
    }
    return (ssize_t)size;
}

static struct timespec to_timespec(struct statx_timestamp t)
{
    return (struct timespec){ .tv_sec = t.tv_sec, .tv_nsec = t.tv_nsec };
}

int bide_fstat(int fd, struct stat *ret_stat)
{
    struct statx x;
    int error = bide_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x);
    if (error < 0)
        return error;
    *ret_stat = (struct stat){
        .st_dev = makedev(x.stx_dev_major, x.stx_dev_minor),
        .st_ino = x.stx_ino,
        .st_mode = x.stx_mode,
        .st_nlink = x.stx_nlink,
        .st_uid = x.stx_uid,
        .st_gid = x.stx_gid,
        .st_rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor),
        .st_size = (off_t)x.stx_size,
        .st_blksize = (blksize_t)x.stx_blksize,
        .st_blocks = (blkcnt_t)x.stx_blocks,
        .st_atim = to_timespec(x.stx_atime),
        .st_mtim = to_timespec(x.stx_mtime),
        .st_ctim = to_timespec(x.stx_ctime),
    };
    return 0;
}
