/* families.h - the table of families: who paints them, what can be wrong, where they are written. */
#ifndef SYNTH_FAMILIES_H
#define SYNTH_FAMILIES_H

#include "synth/defects.h"
#include "synth/painters.h"

enum { MAX_KINDS = 6 };

struct family {
    const char *part;   /* "train" or "benchmark"; no family is in both */
    const char *set;    /* the data set it belongs to */
    const char *name;   /* the class, a folder's name */
    const char *phrase; /* what captions call it */
    void (*paint)(struct scene *s);
    int channels;                /* 3, or 1: grey */
    struct kind kind[MAX_KINDS]; /* ends before the first without a name */
};

/* Families of a set stand together. */
extern const struct family families[];
extern const int n_families;

int count_kinds(const struct family *family);

#endif /* SYNTH_FAMILIES_H */
