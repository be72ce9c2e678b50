/*
 * log.h - text for people, on stderr. Data goes to stdout and never through here.
 *
 * A line is: time, rank, stage, message. log_root prints once per job (on rank 0), log_rank on the
 * rank that calls; the choice is visible in the name.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_QUIET, LOG_INFO, LOG_DEBUG };

/* Who we are and how much is printed. Before the first call: rank 0, LOG_INFO. */
void log_setup(int rank, int size, enum log_level level);

enum log_level log_level(void);

void log_root(const char *stage, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_rank(const char *stage, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Shown at every level but LOG_QUIET, on the rank that calls, marked "warning". */
void log_warn(const char *stage, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The current error (err.h): message always, the places it passed at LOG_DEBUG. */
void log_error(void);

/*
 * Progress of long work: on a terminal a line that rewrites itself, elsewhere a log line every
 * 30 s. Other lines take the place of it and it comes again. Call progress_step whenever `done` changes, from one thread; progress_end closes the line.
 */
struct progress {
    const char *stage; /* borrowed */
    const char *unit;  /* borrowed: "images", "cells" */
    size_t total;
    size_t first; /* done before we began; not part of the rate */
    double start;
    double last;
    bool is_tty;
    double share; /* of the work that is done, where units differ in size; 0: done / total */
};

void progress_begin(struct progress *p, const char *stage, const char *unit, size_t done,
                    size_t total);
void progress_step(struct progress *p, size_t done);
void progress_end(struct progress *p, size_t done);

#endif /* BASE_LOG_H */
