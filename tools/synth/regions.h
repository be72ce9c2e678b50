/* regions.h - where a defect is: a weight for each pixel. */
#ifndef SYNTH_REGIONS_H
#define SYNTH_REGIONS_H

#include "synth/scene.h"

enum region_kind {
    BLOT,       /* ragged, with a soft border */
    SHARP_BLOT, /* ragged */
    DOME,       /* round, falling off smoothly to its border */
    PATCH,      /* a turned rectangle */
    BODY,       /* a short bar or a disk, with a shadow of a weight under 100 */
    LINE,       /* a bent line */
    THREAD,     /* a long curl */
    FORKED,     /* a jagged line with branches */
    SLIT,       /* a straight lens-shaped zone beside a cut */
    WHOLE_PART, /* all pixels of the part that is hit */
};

struct region {
    unsigned char *weight;  /* [size, size], owned by the caller */
    unsigned char *scratch; /* [size, size], the same */
    int x, y;               /* middle, in pixels */
    int radius;             /* rough, in units of the scene */
    int nx, ny;             /* its main direction, of 1024 */
};

/* Fill a region anew, middle on a part. grade, 0 .. 256, makes it larger; percent scales it. */
void make_region(struct region *r, const struct scene *s, enum region_kind kind, uint64_t seed,
                 int grade, int percent);

#endif /* SYNTH_REGIONS_H */
