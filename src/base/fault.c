/* fault.c - see fault.h. */
#include "base/fault.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FAULTS = 16, N_FIELDS = 5 };

static const char *const points[] = {"before", "write", "sync", "rename", "after"};
enum { N_POINTS = sizeof points / sizeof *points };

static int die(const char *path);
static int hang(const char *path);
static int flip(const char *path);

/* A kind does something to the process or to the file, or is a failed call's errno. */
static const struct kind {
    const char *name;
    int error;
    int (*act)(const char *path); /* returns an errno, 0 to go on */
    int only;                     /* the one point where it makes sense, or -1 */
} kinds[] = {
    {"abort", ECANCELED, NULL, -1},      /* an error of no special cause */
    {"kill", 0, die, -1},                /* SIGKILL */
    {"hang", 0, hang, -1},               /* a disk that does not answer until the run is stopped */
    {"enospc", ENOSPC, NULL, -1},        /* a full disk */
    {"eio", EIO, NULL, -1},              /* a broken disk */
    {"short", EFBIG, NULL, FAULT_WRITE}, /* a part is written: the file may not grow further */
    {"flip", 0, flip, FAULT_AFTER},      /* a bit of the finished file changes */
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

struct fault {
    const char *stage;
    size_t point;
    const struct kind *kind;
    long nth;
    long rank; /* -1: every rank */
    atomic_long seen;
};

/* Set once by fault_setup before any thread starts; afterwards only the counts change. */
static struct {
    struct fault fault[MAX_FAULTS];
    size_t n;
    bool (*is_stopping)(void);
} plan;

/* Rank 0's coordinator writes status files beside the thread that works on a stage. */
static _Thread_local const char *stage_here;

/* ---- what happens ---- */

static int die(const char *path)
{
    (void)path;
    (void)kill(getpid(), SIGKILL);
    return 0;
}

static int hang(const char *path)
{
    (void)path;
    while (!plan.is_stopping || !plan.is_stopping())
        clock_sleep(5e-3);
    return 0;
}

/*
 * The lowest bit of the first byte from the middle on that is not zero: gaps, which hold nothing, are
 * zeros. A file that cannot be changed is a fault as well.
 */
static int flip(const char *path)
{
    struct stat st = {0};
    unsigned char byte = 0;
    off_t at;
    bool is_done;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st))
        return errno;
    for (at = st.st_size / 2; pread(fd, &byte, 1, at) == 1 && !byte;)
        at++;
    byte ^= 1;
    is_done = at < st.st_size && pwrite(fd, &byte, 1, at) == 1;
    (void)close(fd);
    return is_done ? 0 : EIO;
}

/* ---- the text ---- */

static int find_name(size_t *out, const char *name, const char *const *names, size_t n,
                     const char *what)
{
    int rc = ERR_OK;
    struct str list = {0};
    for (*out = 0; *out < n; (*out)++)
        if (strcmp(names[*out], name) == 0)
            return ERR_OK;
    for (size_t i = 0; i < n; i++)
        TRY(str_addf(&list, "%s%s", i ? ", " : "", names[i]));
    FAIL(ERR_CONFIG, "no %s \"%s\", wanted one of %s", what, name, list.text);
out:
    str_free(&list);
    return rc;
}

static int read_number(long *out, const char *text, long least, const char *what)
{
    int rc = ERR_OK;
    char *end = NULL;
    errno = 0;
    *out = strtol(text, &end, 10);
    if (end == text || *end || errno || *out < least)
        FAIL(ERR_CONFIG, "\"%s\" is no %s, wanted a whole number from %ld", text, what, least);
out:
    return rc;
}

static int read_kind(struct fault *f, const char *text)
{
    int rc = ERR_OK;
    const char *names[N_KINDS];
    size_t i;
    for (i = 0; i < N_KINDS; i++)
        names[i] = kinds[i].name;
    TRY(find_name(&i, text, names, N_KINDS, "kind"));
    f->kind = &kinds[i];
    if (f->kind->only >= 0 && f->point != (size_t)f->kind->only)
        FAIL(ERR_CONFIG, "%s happens at point %s only, not at %s", text, points[f->kind->only],
             points[f->point]);
out:
    return rc;
}

/* Cut text at the colons; how many fields there are, at most max + 1. */
static size_t cut(char *text, char **field, size_t max)
{
    size_t n = 0;
    for (char *colon = text; colon; n++) {
        if (n == max)
            return max + 1;
        field[n] = colon;
        colon = strchr(colon, ':');
        if (colon)
            *colon++ = '\0';
    }
    return n;
}

static int read_fault(struct fault *f, char *text, const struct fault_context *context)
{
    int rc = ERR_OK;
    char *field[N_FIELDS] = {NULL};
    size_t n = cut(text, field, N_FIELDS);
    size_t i;
    if (n != N_FIELDS && n != N_FIELDS - 1)
        FAIL(ERR_CONFIG, "wanted STAGE:POINT:NTH:KIND or STAGE:POINT:NTH:KIND:rank=R");
    TRY(find_name(&i, field[0], context->stage, context->n_stages, "stage"));
    f->stage = context->stage[i];
    TRY(find_name(&f->point, field[1], points, N_POINTS, "point"));
    TRY(read_number(&f->nth, field[2], 1, "count"));
    TRY(read_kind(f, field[3]));
    f->rank = -1;
    if (n == N_FIELDS && !str_starts(field[4], "rank="))
        FAIL(ERR_CONFIG, "\"%s\", wanted rank=R", field[4]);
    if (n == N_FIELDS)
        TRY(read_number(&f->rank, field[4] + strlen("rank="), 0, "rank"));
    atomic_init(&f->seen, 0);
out:
    return rc;
}

int fault_setup(const char *text, const struct fault_context *context)
{
    int rc = ERR_OK;
    char *copy = NULL;
    char *next = NULL;
    plan.n = 0;
    if (!text)
        return ERR_OK;
    plan.is_stopping = context->is_stopping;
    TRY(str_dup(&copy, text));
    for (char *one = copy; one; one = next) {
        struct fault *f = &plan.fault[plan.n];
        next = strchr(one, ',');
        if (next)
            *next++ = '\0';
        if (plan.n == MAX_FAULTS)
            FAIL(ERR_CONFIG, "more than %d faults", MAX_FAULTS);
        TRY(read_fault(f, one, context));
        if (f->rank < 0 || f->rank == context->rank)
            plan.n++;
    }
out:
    MEM_FREE(copy);
    if (rc) {
        plan.n = 0;
        err_prefix("MRAD_FAULT=%s: ", text);
    }
    return rc;
}

/* ---- in a run ---- */

const char *fault_stage(const char *name)
{
    const char *former = stage_here;
    stage_here = name;
    return former;
}

bool fault_at(enum fault_point point, const char *path)
{
    struct fault *hit = NULL;
    for (size_t i = 0; stage_here && i < plan.n; i++) {
        struct fault *f = &plan.fault[i];
        if (f->point == (size_t)point && strcmp(f->stage, stage_here) == 0 &&
            atomic_fetch_add(&f->seen, 1) + 1 == f->nth)
            hit = f;
    }
    if (!hit)
        return false;
    log_warn("fault", "%s:%s:%ld:%s at %s", hit->stage, points[point], hit->nth, hit->kind->name,
             path);
    errno = hit->kind->act ? hit->kind->act(path) : hit->kind->error;
    return errno != 0;
}
