/* db/sqlite_error.c - SQLite's result codes as negative errno, and what they have to say. */
#include "db/sqlite_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static __thread char message[BIDE__SQLITE_MESSAGE];

/* The system's own error number where SQLite kept one that says more than its code does. */
static int system_error(sqlite3 *handle, int otherwise)
{
    int error = handle ? sqlite3_system_errno(handle) : 0;
    return error > 0 ? -error : otherwise;
}

static int constraint_error(int code)
{
    switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return -EEXIST;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return -ENOKEY;
    default:
        return -EDOM;
    }
}

static int input_output_error(sqlite3 *handle, int code)
{
    if (code == SQLITE_IOERR_NOMEM)
        return -ENOMEM;
    int error = system_error(handle, -EIO);
    return error == -ENOSPC || error == -EDQUOT || error == -EFBIG ? -ENOSPC : -EIO;
}

static int to_errno(sqlite3 *handle, int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return -EBUSY;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_CORRUPT:
        return -EBADMSG;
    case SQLITE_NOTADB:
        return -EMEDIUMTYPE;
    case SQLITE_CONSTRAINT:
        return constraint_error(code);
    case SQLITE_MISMATCH:
        return -EDOM;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CANTOPEN:
        return system_error(handle, -ENOENT);
    case SQLITE_PERM:
        return -EACCES;
    case SQLITE_AUTH:
        return -EPERM;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_TOOBIG:
    case SQLITE_NOLFS:
        return -EFBIG;
    case SQLITE_IOERR:
        return input_output_error(handle, code);
    case SQLITE_INTERRUPT:
    case SQLITE_ABORT:
        return -ECANCELED;
    default:
        return -EINVAL;
    }
}

int bide__sqlite_say(int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return error;
}

void bide__sqlite_hush(void)
{
    message[0] = '\0';
}

int bide__sqlite_fail(struct bide__sqlite_conn *conn, int code)
{
    sqlite3 *handle = conn ? conn->handle : NULL;
    int error = to_errno(handle, code);

    if ((code & 0xff) == SQLITE_CANTOPEN)
        return bide__sqlite_say(error, "%s", strerror(-error));
    if (handle && (sqlite3_errcode(handle) & 0xff) == (code & 0xff))
        return bide__sqlite_say(error, "%s", sqlite3_errmsg(handle));
    return bide__sqlite_say(error, "%s", sqlite3_errstr(code));
}

const char *bide_sqlite_message(void)
{
    return message;
}
