/* clock.h - time: a steady clock for durations, a calendar stamp for logs, a sleep. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>

enum { CLOCK_STAMP = 24 }; /* "2026-01-31T23:59:59Z" and the final zero */

/* Seconds on a steady clock; only differences mean something. */
double clock_now(void);

/* Seconds since 1970, for journals that hosts share; it may jump. */
double clock_unix(void);

/* The present moment in UTC, ISO 8601. */
void clock_stamp(char out[CLOCK_STAMP]);

/* The moment `unix_s` seconds after 1970 in the same form; "" when it has no such form. */
void clock_stamp_at(char out[CLOCK_STAMP], double unix_s);

/* Sleep; returns early on a signal. */
void clock_sleep(double seconds);

/* A duration for people: "4.2 s", "3 min 07 s", "5 h 02 min". Returns out. */
const char *clock_text(char *out, size_t n, double seconds);

#endif /* BASE_CLOCK_H */
