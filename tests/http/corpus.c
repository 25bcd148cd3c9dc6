/* The seeds of the fuzz target, and what was once found with it: fuzz/http_request.corpus. */
#include "../../fuzz/http_request.h"
#include "test.h"
#include <dirent.h>

static void replay(const char *directory, const char *name)
{
    static char data[1 << 16];
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    size_t size = fread(data, 1, sizeof(data), file);
    fclose(file);
    fuzz_one(data, size);
    for (size_t cut = 0; cut < size; cut++) /* and all that begins like it */
        fuzz_one(data, cut);
}

TEST(the_corpus_replays)
{
    const char *source = getenv("SOURCE_DIR");
    char directory[2048];
    int count = 0;
    snprintf(directory, sizeof(directory), "%s/fuzz/http_request.corpus", source ? source : ".");
    DIR *dir = opendir(directory);
    CHECK(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        replay(directory, entry->d_name);
        count++;
    }
    closedir(dir);
    CHECK(count >= 10);
}

TEST_MAIN()
