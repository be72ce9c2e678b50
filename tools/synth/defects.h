/*
 * defects.h - what can be wrong with a picture: forms of defects, shared by all families.
 *
 * A form is a region (where) and an effect (what happens to the pixels there). Effects take their
 * colours from the picture itself, so that brightness or a rare colour does not give them away.
 */
#ifndef SYNTH_DEFECTS_H
#define SYNTH_DEFECTS_H

#include "synth/scene.h"

enum form {
    SCRATCH, /* a thin line, light on one side and dark on the other */
    CRACK,   /* a jagged, forked dark line */
    STAIN,   /* a blot of a colour found elsewhere in the picture */
    SPOT,    /* a small darker or lighter blot */
    HOLE,    /* a sharp dark opening with a lit rim */
    MISSING, /* a bite: what lies under the parts is seen */
    LOST,    /* a whole part is missing */
    FOREIGN, /* a small body that does not belong here, with its own shadow */
    FIBRE,   /* a long thin body */
    HUE,     /* other colour, same brightness */
    PAINTED, /* a whole part of another colour, same brightness */
    WARP,    /* squeezed towards a point */
    SWIRL,   /* turned about a point, less and less outwards */
    BUMP,    /* raised: lit from the upper left */
    DENT,    /* pressed in */
    BLUR,    /* the texture is smeared */
    TURNED,  /* a piece of the picture put in at a right angle */
    SCUFF,   /* the texture is shuffled */
    FADED,   /* the texture has lost its contrast */
    FAULT,   /* the two sides of a cut are shifted against each other */
    N_FORMS
};

/* A defect of a family: its name in paths and captions, its form, its size in percent of the usual. */
struct kind {
    const char *name;
    enum form form;
    int size;
};

/*
 * Draw a defect into s->pixels. bare [size, size, 3] is the scene without its parts; only read by
 * forms with form_needs_bare. grade, 0 .. 256, goes from subtle to plain. mask [size, size] gets 255
 * where the picture visibly changed, else 0. ERR_UNDEFINED after 48 places and shapes of which none
 * gave a visible defect of 0.3 % to 8 % of the picture. Scene and masks stay the caller's.
 */
int draw_defect(struct scene *s, unsigned char *mask, const unsigned char *bare,
                const struct kind *kind, int grade);

bool form_needs_bare(enum form form);

#endif /* SYNTH_DEFECTS_H */
