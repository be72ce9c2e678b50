/*
 * err.h - error codes, messages and the trace that grows while a call unwinds.
 *
 * A function that can fail returns int: ERR_OK (0) or an enum err. The place that finds the fault
 * writes one complete message (what, which file or key, wanted, got) with FAIL(); every caller adds
 * its own place with TRY() and leaves through its single exit `out:`. State is per thread.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

enum err {
    ERR_OK = 0,
    ERR_USAGE,     /* the command line is wrong */
    ERR_CONFIG,    /* a configuration file or key is wrong */
    ERR_IO,        /* the operating system refused a file operation */
    ERR_FORMAT,    /* a file's content is not what its format demands */
    ERR_SHAPE,     /* sizes of two things that must agree do not */
    ERR_MEMORY,    /* no memory, or a size that cannot be allocated */
    ERR_MPI,       /* an MPI call failed */
    ERR_KERNEL,    /* a compute library refused an operation */
    ERR_UNDEFINED, /* the value asked for does not exist (a metric without labels) */
    ERR_PEER,      /* another rank failed first */
    ERR_STOPPED,   /* stopped by a signal or the clock: run again to resume */
    ERR_CHECK,     /* finished, but a check failed */
};

/* Evaluate a call; on failure add this place to the trace and go to `out`. Needs `int rc`. */
#define TRY(expr)                                    \
    do {                                             \
        if ((rc = (expr)) != ERR_OK) {               \
            err_frame(__FILE__, __LINE__, __func__); \
            goto out;                                \
        }                                            \
    } while (0)

/* Record a new error with its complete message and go to `out`. Needs `int rc`. */
#define FAIL(code, ...)                                                  \
    do {                                                                 \
        rc = err_set((code), __FILE__, __LINE__, __func__, __VA_ARGS__); \
        goto out;                                                        \
    } while (0)

/* Our own mistake: print the condition and abort. Alive in release builds. */
#define BUG_ON(cond)                                      \
    do {                                                  \
        if (cond)                                         \
            err_bug(__FILE__, __LINE__, __func__, #cond); \
    } while (0)

/* Start a new error: stores the message, forgets any earlier one, returns code. */
int err_set(enum err code, const char *file, int line, const char *func, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Add a place to the trace of the current error. */
void err_frame(const char *file, int line, const char *func);

/* Put text in front of the current message ("PATH: " ...). Does nothing without an error. */
void err_prefix(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The current message, or "" when there is none. Valid until the next err_set of this thread. */
const char *err_message(void);

/* The places the current error passed, innermost first, one a line; "" when there is none. */
const char *err_trace(void);

/* Forget the current error (it was handled). */
void err_clear(void);

/* The process exit status for a code: 0 done, 1 failed, 2 usage or configuration, 3 check, 75 stopped. */
int err_exit_status(int rc);

/* Print the broken condition and abort. */
_Noreturn void err_bug(const char *file, int line, const char *func, const char *cond);

#endif /* BASE_ERR_H */
