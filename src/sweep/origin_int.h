/*
 * origin_int.h - what a product of the store was made from, and how that differs from what a sweep
 * would make it from.
 */
#ifndef SWEEP_ORIGIN_INT_H
#define SWEEP_ORIGIN_INT_H

#include "base/path.h"

#include <stdbool.h>
#include <stdint.h>

/* Kinds of products, in the order of the flow. */
enum artefact { FEATURES, BANK, REDUCED, HEAD, SCORES, ROWS, N_PRODUCTS };

enum { MAX_INPUTS = 4 };

/* A product: which kind, where, and the inputs of origin.c's table as texts. */
struct origin {
    char *dir;              /* its folder, owned */
    int64_t mtime;          /* of a file of it */
    char *said[MAX_INPUTS]; /* owned; NULL: not known */
};

void origin_release(struct origin *o);

/* Name of a kind for people. */
const char *artefact_name(enum artefact kind);

/* The number of the kind's input of that name; the name must be one of the table. */
size_t artefact_input(enum artefact kind, const char *name);

/* Products of one kind that lie below one folder, under any key. */
struct siblings {
    struct origin *origin; /* [n] */
    size_t n, cap;
};

/*
 * Read what the products below folder say of themselves. in_use: sorted places relative to the store,
 * which are left out. What cannot be read is left out too. Local. Release with siblings_release.
 */
int siblings_read(struct siblings *out, enum artefact kind, const char *folder, const char *store,
                  const struct path_list *in_use);
void siblings_release(struct siblings *s);

/*
 * The differences between two products of a kind, a text each, in the order of the table. The input
 * "manifest" of features gives the text MANIFEST_DIFFERS alone. Never empty.
 */
#define MANIFEST_DIFFERS "the images changed"
int origin_differences(struct path_list *out, enum artefact kind, const struct origin *old,
                       const struct origin *now);

#endif /* SWEEP_ORIGIN_INT_H */
