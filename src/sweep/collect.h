/*
 * collect.h - what lies in a store that no job refers to, and its removal.
 *
 * Only what has the names of docs/FORMATS.md is ever touched. A folder where somebody works (a young lock,
 * or a temporary file whose writer may live), a file that a job names, and links stay.
 *
 *     struct collection c;
 *     TRY(collection_find(&c, "store", &places, &files));     (places, files: of every job, see sweep.h)
 *     TRY(collection_delete(&c));
 *     collection_release(&c);
 *
 * All functions are local.
 */
#ifndef SWEEP_COLLECT_H
#define SWEEP_COLLECT_H

#include "base/path.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The folders of a store: features, bank, head, scores, metrics, hashes. */
enum { N_AREAS = 6 };
const char *area_name(size_t area);

/* A key's folder that nobody refers to, or some files of a folder. */
struct leftover {
    char *dir;             /* relative to the store, owned */
    size_t area;           /* which folder of the store */
    const char *why;       /* static */
    struct path_list file; /* names in dir */
    uint64_t bytes;        /* of these files */
    bool is_kept;          /* somebody began to work there before it was deleted */
};

struct collection {
    char *store;
    struct leftover *item; /* [n] */
    size_t n, cap;
    struct path_list foreign; /* paths that are not ours, relative to the store */
    struct path_list busy;    /* "PATH: why", what stays because of somebody */
};

/*
 * Walk a store. places: sorted, relative to the store, what jobs refer to; files: paths that jobs name.
 * Release with collection_release. ERR_IO when a folder cannot be read.
 */
int collection_find(struct collection *out, const char *store, const struct path_list *places,
                    const struct path_list *files);
void collection_release(struct collection *c);

/*
 * Remove the files of all items, and the folders that are empty then. Looks again for locks before each
 * folder and sets is_kept where there is one. ERR_IO names the first file that cannot be removed.
 */
int collection_delete(struct collection *c);

/* Files and bytes of the items of an area, or of all (N_AREAS), that are not kept. */
void collection_sum(const struct collection *c, size_t area, size_t *files, uint64_t *bytes);

#endif /* SWEEP_COLLECT_H */
