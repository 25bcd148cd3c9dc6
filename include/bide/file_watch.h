/*
 * bide/file_watch.h - what happens to files and directories, as it happens: inotify(7).
 *
 *     struct bide_file_watch w;
 *     struct bide_file_event event;
 *     bide_file_watch_init(&w);
 *     bide_file_watch_add(&w, "/etc/service", 0);
 *     while (bide_file_watch_next(&w, &event) == 0)
 *         printf("%s changed\n", event.name);
 *     bide_file_watch_release(&w);
 *
 * A directory is watched, not what lies deeper. Editors replace a file rather than writing it, so
 * to follow one file watch its directory. What happens on other machines of a network file system
 * is not seen.
 */
#ifndef BIDE_FILE_WATCH_H
#define BIDE_FILE_WATCH_H

#include <bide/io.h>
#include <sys/inotify.h>

/* Any number of watched paths, and the events of theirs that were not asked for yet. Lives where
 * you put it, until it is released; belongs to the tasks of one worker at a time. */
struct bide_file_watch {
    /* Internal. */
    int fd;
    uint8_t reading;         /* a task waits in bide_file_watch_next */
    uint32_t at, size;       /* the buffer's bytes that are still to be given out */
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
};

struct bide_file_event {
    int id;           /* of the watch: as bide_file_watch_add returned it */
    uint32_t mask;    /* what happened: IN_CREATE, IN_CLOSE_WRITE, ...; IN_ISDIR: to a directory */
    uint32_t cookie;  /* the same in the IN_MOVED_FROM and the IN_MOVED_TO of one renaming */
    const char *name; /* in the watched directory; "": the watched path itself. Borrowed: valid
                         until the next bide_file_watch_next or release */
};

/* bide_file_watch_init - 0; -EMFILE, also when fs.inotify.max_user_instances is used up; -ENFILE;
 * -ENOMEM. Does not suspend. */
BIDE_API int bide_file_watch_init(struct bide_file_watch *w);

/* bide_file_watch_release - a bide_file_watch_next that waits ends with -EBADF. */
BIDE_SUSPENDS BIDE_API void bide_file_watch_release(struct bide_file_watch *w);

/*
 * bide_file_watch_add - watch a path.
 *
 * @path  of a directory, or of a file; borrowed for the call
 * @mask  events as in inotify_add_watch(2), with IN_ONLYDIR and its like; 0: whatever changes it or
 *        what it contains: IN_CLOSE_WRITE, IN_CREATE, IN_DELETE, IN_MOVE, IN_DELETE_SELF,
 *        IN_MOVE_SELF
 *
 * Returns  the id of the watch, above 0. A path that is watched already keeps its id, and its mask
 *          is replaced.
 * Errors   -ENOSPC: the user's limit fs.inotify.max_user_watches is used up; -ENOENT, -EACCES,
 *          -ENOTDIR, -EINVAL, -ENOMEM, ...
 * Context  does not suspend, so the id is known before an event carries it. The path is looked up
 *          in place: where that may take long, use bide_offload.
 */
BIDE_API int bide_file_watch_add(struct bide_file_watch *w, const char *path, uint32_t mask);

/* bide_file_watch_remove - events up to now are still delivered; the last one has IN_IGNORED.
 * Returns 0 or -EINVAL. Does not suspend. */
BIDE_API int bide_file_watch_remove(struct bide_file_watch *w, int id);

/*
 * bide_file_watch_next - the next event, in the order in which they happened. A leaf.
 *
 * @ret_event  set on success
 *
 * Returns  0, or
 * Errors   -EOVERFLOW: events came faster than they were taken (fs.inotify.max_queued_events), and
 *          some are lost: look at the files themselves, then go on; -ECANCELED; -ETIMEDOUT.
 * Cancel   on -ECANCELED and -ETIMEDOUT no event was taken.
 * Context  fiber, or a plain thread (then it blocks); one task at a time.
 *
 * The last event of a watch has IN_IGNORED: it was removed, or its path was deleted or unmounted.
 * Its id is not given out again.
 */
BIDE_SUSPENDS BIDE_API int bide_file_watch_next(struct bide_file_watch *w,
                                                struct bide_file_event *ret_event);

/* ---- internal ----------------------------------------------------------------------------- */

struct bide_file_watch_next_future {
    struct bide_future future;
    int value;
    struct {
        struct bide_file_watch *watch;
        struct bide_file_event *ret_event;
    } args;
    struct bide_read_future read; /* into the watch's buffer */
};
extern BIDE_API const struct bide_type bide_file_watch_next_type;

static inline BIDE_MUST_USE struct bide_file_watch_next_future
bide_file_watch_next_async(struct bide_file_watch *w, struct bide_file_event *ret_event)
{
    return (struct bide_file_watch_next_future){ .future = { .type = &bide_file_watch_next_type },
                                                 .args = { w, ret_event } };
}

#endif
