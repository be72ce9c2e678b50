/* err.c - see err.h. Fixed thread-local buffers: reporting an error never allocates. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char message[2048];
static _Thread_local char trace[2048];

static const char *short_path(const char *file)
{
    const char *src = strstr(file, "src/");
    return src ? src : file;
}

int err_set(enum err code, const char *file, int line, const char *func, const char *fmt, ...)
{
    va_list ap;
    char text[sizeof message];
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(message, text, sizeof message); /* an argument may be the old message itself */
    trace[0] = '\0';
    err_frame(file, line, func);
    return (int)code;
}

void err_frame(const char *file, int line, const char *func)
{
    size_t used = strlen(trace);
    (void)snprintf(trace + used, sizeof trace - used, "    at %s:%d %s()\n", short_path(file), line,
                   func);
}

void err_prefix(const char *fmt, ...)
{
    va_list ap;
    char text[sizeof message];
    size_t n;
    int written;
    if (!message[0])
        return;
    va_start(ap, fmt);
    written = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    n = written < 0 ? 0 : (size_t)written;
    if (n >= sizeof text)
        n = sizeof text - 1;
    (void)snprintf(text + n, sizeof text - n, "%s", message);
    memcpy(message, text, sizeof message);
}

const char *err_message(void)
{
    return message;
}

const char *err_trace(void)
{
    return trace;
}

void err_clear(void)
{
    message[0] = '\0';
    trace[0] = '\0';
}

int err_exit_status(int rc)
{
    switch (rc) {
    case ERR_OK:
        return 0;
    case ERR_USAGE:
    case ERR_CONFIG:
        return 2;
    case ERR_CHECK:
        return 3;
    case ERR_STOPPED:
        return 75;
    default:
        return 1;
    }
}

_Noreturn void err_bug(const char *file, int line, const char *func, const char *cond)
{
    (void)fprintf(stderr, "mrad: bug at %s:%d %s(): %s\n", short_path(file), line, func, cond);
    abort();
}
