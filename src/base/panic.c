#include "base/panic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void bide__panic(const char *format, ...)
{
    char line[512] = "bide: ";
    size_t at = strlen(line);
    va_list args;
    va_start(args, format);
    vsnprintf(line + at, sizeof(line) - at - 1, format, args);
    va_end(args);
    strcat(line, "\n");
    ssize_t written = write(STDERR_FILENO, line, strlen(line));
    (void)written;
    abort();
}
