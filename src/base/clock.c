/* clock.c - see clock.h. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

double clock_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double clock_unix(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void clock_stamp(char out[CLOCK_STAMP])
{
    clock_stamp_at(out, (double)time(NULL));
}

void clock_stamp_at(char out[CLOCK_STAMP], double unix_s)
{
    time_t moment = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&moment, &tm) || !strftime(out, CLOCK_STAMP, "%Y-%m-%dT%H:%M:%SZ", &tm))
        out[0] = '\0';
}

void clock_sleep(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds};
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    (void)nanosleep(&t, NULL);
}

const char *clock_text(char *out, size_t n, double seconds)
{
    long s = (long)seconds;
    if (seconds < 100)
        (void)snprintf(out, n, "%.1f s", seconds);
    else if (s < 3600)
        (void)snprintf(out, n, "%ld min %02ld s", s / 60, s % 60);
    else
        (void)snprintf(out, n, "%ld h %02ld min", s / 3600, s / 60 % 60);
    return out;
}
