/*
 * 12_file_watch - a service that reads its configuration again when the file changes.
 *
 * What happens to files is one more thing to wait for. The directory is watched, since editors put
 * a new file in the old one's place.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bide/keywords.h>

static int loads; /* so far */

static int load(void)
{
    char text[64] = "";
    int fd = bide_open("service.conf", O_RDONLY, 0);
    if (fd < 0)
        return fd;
    ssize_t n = bide_read_all(fd, text, sizeof(text) - 1);
    bide_close(fd);
    printf("configuration %d: %s\n", ++loads, text);
    return n < 0 ? (int)n : 0;
}

static int follow(struct bide_file_watch *w)
{
    int error = load();
    while (!error) {
        struct bide_file_event event;
        error = bide_file_watch_next(w, &event);
        if (error == -EOVERFLOW || (!error && strcmp(event.name, "service.conf") == 0))
            error = load(); /* after an overflow nobody knows: look */
    }
    return error;
}
ASYNC(int, follow, struct bide_file_watch *)

/* As an editor does it: never is there half a file. */
static int save(const char *text)
{
    int fd = bide_open("service.conf.new", O_CREAT | O_WRONLY | O_TRUNC, 0600);
    ssize_t n = fd < 0 ? fd : bide_write_all(fd, text, strlen(text));
    bide_close(fd);
    return n < 0 ? (int)n : bide_rename("service.conf.new", "service.conf");
}

static int edit(void)
{
    while (loads < 1 && bide_sleep(BIDE_MS) == 0)
        ;
    int error = save("verbose");
    while (loads < 2 && bide_sleep(BIDE_MS) == 0)
        ;
    return error;
}
ASYNC(int, edit)

static int demo(void)
{
    struct bide_file_watch w;
    int error = bide_file_watch_init(&w);
    if (!error)
        error = bide_file_watch_add(&w, ".", IN_CLOSE_WRITE | IN_MOVED_TO);
    if (error > 0)
        error = race(async(follow, &w), async(edit)) == 1 ? 0 : -EIO;
    bide_file_watch_release(&w);
    bide_unlink("service.conf");
    return error;
}
ASYNC(int, demo)

int main(void)
{
    char dir[] = "/tmp/bide-example-XXXXXX";
    return !mkdtemp(dir) || chdir(dir) || save("quiet") || bide_run(async(demo)) || rmdir(dir);
}
