/*
 * fault.h - failures on demand, at the points of a file's commit (base/file.h), to test that a run goes
 * on after any of them.
 *
 * MRAD_FAULT=STAGE:POINT:NTH:KIND[:rank=R], several separated by commas: the NTH time that a file of
 * STAGE passes POINT on a rank (on rank R only, if given), KIND happens there, once. Points and kinds
 * are the tables of fault.c; docs/DEVELOPMENT.md has them in words.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>
#include <stddef.h>

enum fault_point {
    FAULT_BEFORE, /* nothing is written yet */
    FAULT_WRITE,  /* a part of the temporary file is written */
    FAULT_SYNC,   /* all of it is, but not yet made durable */
    FAULT_RENAME, /* it is durable under its temporary name */
    FAULT_AFTER,  /* it has its final name; the folder is not yet durable */
};

/* What a caller knows and this file does not. */
struct fault_context {
    const char *const
        *stage; /* [n_stages] names that may be given; the names are borrowed for good */
    size_t n_stages;
    int rank;
    bool (*is_stopping)(void); /* ends a hang; NULL: nothing does */
};

/*
 * Take the faults of a text in the form above; NULL: none, as before the first call. Replaces what was
 * there. Local, before threads start. ERR_CONFIG says what is wrong with the text.
 */
int fault_setup(const char *text, const struct fault_context *context);

/* Name the stage whose files this thread writes from now on, NULL: none. Returns the former one. */
const char *fault_stage(const char *name);

/*
 * A file passes a point. True when the caller's next step must fail, as if the system had refused it
 * with the errno that is set then. Does nothing unless a fault was set up for this. path: the file that
 * is there now.
 */
bool fault_at(enum fault_point point, const char *path);

#endif /* BASE_FAULT_H */
