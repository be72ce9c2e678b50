/* log.c - see log.h. */
#include "base/log.h"

#include "base/clock.h"
#include "base/err.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Set once by log_setup before any thread starts; only read afterwards. */
static struct {
    int rank;
    int size;
    enum log_level level;
} setting = {.rank = 0, .size = 1, .level = LOG_INFO};

void log_setup(int rank, int size, enum log_level level)
{
    setting.rank = rank;
    setting.size = size;
    setting.level = level;
}

enum log_level log_level(void)
{
    return setting.level;
}

/* On a terminal: a line of progress stands there without an end. */
static atomic_bool is_line_open;

/* What removes it. */
static const char *clear_line(void)
{
    return atomic_exchange(&is_line_open, false) ? "\r\033[K" : "";
}

/* One write per line, so that lines of different ranks do not mix. */
static void print_line(const char *stage, const char *mark, const char *fmt, va_list ap)
{
    char line[4096];
    char text[3072];
    char stamp[CLOCK_STAMP];
    const char *clear = clear_line();
    clock_stamp(stamp);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    if (setting.size > 1)
        (void)snprintf(line, sizeof line, "%s%s [%d] %s: %s%s\n", clear, stamp + 11, setting.rank,
                       stage, mark, text);
    else
        (void)snprintf(line, sizeof line, "%s%s %s: %s%s\n", clear, stamp + 11, stage, mark, text);
    (void)fputs(line, stderr);
}

void log_root(const char *stage, const char *fmt, ...)
{
    va_list ap;
    if (setting.rank != 0 || setting.level < LOG_INFO)
        return;
    va_start(ap, fmt);
    print_line(stage, "", fmt, ap);
    va_end(ap);
}

void log_rank(const char *stage, const char *fmt, ...)
{
    va_list ap;
    if (setting.level < LOG_INFO)
        return;
    va_start(ap, fmt);
    print_line(stage, "", fmt, ap);
    va_end(ap);
}

void log_warn(const char *stage, const char *fmt, ...)
{
    va_list ap;
    if (setting.level < LOG_INFO)
        return;
    va_start(ap, fmt);
    print_line(stage, "warning: ", fmt, ap);
    va_end(ap);
}

void log_error(void)
{
    char line[4600];
    const char *trace = setting.level >= LOG_DEBUG ? err_trace() : "";
    if (setting.size > 1)
        (void)snprintf(line, sizeof line, "%smrad: rank %d: %s\n%s", clear_line(), setting.rank,
                       err_message(), trace);
    else
        (void)snprintf(line, sizeof line, "%smrad: %s\n%s", clear_line(), err_message(), trace);
    (void)fputs(line, stderr);
}

void progress_begin(struct progress *p, const char *stage, const char *unit, size_t done,
                    size_t total)
{
    *p = (struct progress){.stage = stage, .unit = unit, .total = total, .first = done};
    p->start = p->last = clock_now();
    p->is_tty = isatty(STDERR_FILENO) == 1;
}

static void show(const struct progress *p, size_t done)
{
    char left[32];
    double elapsed = clock_now() - p->start;
    double rate = elapsed > 0 ? (double)(done - p->first) / elapsed : 0;
    if (p->share > 0)
        (void)clock_text(left, sizeof left, elapsed * (1 - p->share) / p->share);
    else if (rate > 0)
        (void)clock_text(left, sizeof left, (double)(p->total - done) / rate);
    else
        (void)snprintf(left, sizeof left, "unknown");
    if (p->is_tty) {
        atomic_store(&is_line_open, true);
        (void)fprintf(stderr, "\r%s: %zu of %zu %s, %.2f a second, %s left   ", p->stage, done,
                      p->total, p->unit, rate, left);
    } else
        log_root(p->stage, "%zu of %zu %s, %.2f a second, %s left", done, p->total, p->unit, rate,
                 left);
}

void progress_step(struct progress *p, size_t done)
{
    double now = clock_now();
    double pause = p->is_tty ? 0.2 : 30.0;
    if (setting.level < LOG_INFO || setting.rank != 0 || now - p->last < pause)
        return;
    p->last = now;
    show(p, done);
}

void progress_end(struct progress *p, size_t done)
{
    char took[32];
    if (setting.level < LOG_INFO || setting.rank != 0)
        return;
    if (p->is_tty)
        atomic_store(&is_line_open, true); /* what may stand there goes */
    log_root(p->stage, "%zu of %zu %s done in %s", done, p->total, p->unit,
             clock_text(took, sizeof took, clock_now() - p->start));
}
