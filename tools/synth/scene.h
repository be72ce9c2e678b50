/*
 * scene.h - a picture under construction: pixels, which part of the scene each belongs to, and what
 * painters draw with: random numbers, noise, textures, shapes, light.
 *
 * Only integers are used, so that a seed means the same pixels everywhere. Lengths are units of 1/16
 * pixel of a picture of 224 (SCENE a side), so that other sizes show the same scene; angles are 1/1024
 * of a turn; factors are of 256.
 */
#ifndef SYNTH_SCENE_H
#define SYNTH_SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PX = 16, SCENE = 224 * PX, TURN = 1024, FAR = 1 << 20 };

struct rgb {
    int c[3];
};

/* Where a texture lies in its endless plane. */
struct pose {
    int dx, dy;   /* of the picture's middle, in FAR .. 2 FAR */
    int cos, sin; /* of 1024 */
    int zoom;     /* of 256; larger shows more */
};

/* How much the lighting of a family varies; each picture draws its own. */
struct light {
    int slope;    /* how much it may differ between two sides, of 256 */
    int spot;     /* how much brighter or darker a large round place may be */
    int shadow;   /* darkness of a straight shadow that lies over a part of the picture */
    int vignette; /* darkness of the corners */
    int tint;     /* how much channels may differ */
    int hiss;     /* noise of the sensor */
};

struct scene {
    uint64_t seed; /* of this picture; painters draw all variation from it */
    int size;      /* pixels a side */
    bool bare;     /* only what lies under the parts: what a missing part uncovers */
    struct pose pose;
    struct light light;    /* set by the painter */
    unsigned char *pixels; /* [size, size, 3] */
    unsigned char *part; /* [size, size]: 0 where no defect can sit, else the number of the part */
};

/* ---- numbers ---- */

/* The index-th number of a seed, lo <= number <= hi. */
int pick(uint64_t seed, uint64_t index, int lo, int hi);

/* Two lattice coordinates as one index of `pick`. */
uint64_t at2(int i, int j);

/* The sine of an angle, of 1024, to 2 parts in 1000. */
int sine(int angle);
int cosine(int angle);

/* floor(sqrt(n)), n >= 0. */
int root(int64_t n);

int clamp(int x, int lo, int hi);

/* Value noise in -128..127 with features of size `cell`; x and y are not negative. */
int noise(uint64_t seed, int x, int y, int cell);

/* The nearest of the points scattered one in each square of side `grid`. */
struct near {
    uint64_t id;   /* of the nearest point: a seed */
    int dx, dy;    /* from it */
    int dist, gap; /* the distance to it, and by how much the second is farther */
};
struct near nearest_point(uint64_t seed, int x, int y, int grid);

/* ---- colours ---- */

struct rgb shade(int r, int g, int b, int light);
struct rgb lit(struct rgb colour, int light);
struct rgb mix(struct rgb a, struct rgb b, int share_of_b);

/* ---- drawing ---- */

/* A colour at a place of a texture; `part` may be changed (it comes as 1). */
typedef struct rgb (*texture_fn)(const struct scene *s, int x, int y, unsigned char *part);

/* Cover the picture with a texture in the scene's pose. */
void fill(struct scene *s, texture_fn texture);

/* Turn and scale of the pose: angle within +-turn, zoom within 256 +- zoom. */
void set_pose(struct scene *s, int turn, int zoom);

/* The same with any angle about a fixed middle: for textures that are objects, (0, 0) in the middle. */
void set_object_pose(struct scene *s, int turn, int zoom, int shift);

struct shape {
    int x, y;     /* middle */
    int rx, ry;   /* half axes, or half sides of a box */
    int cos, sin; /* the direction of rx, of 1024; both 0 is taken as no turn */
    bool box;
    int round; /* of a box: radius of its corners */
    int ring;  /* > 0: only the outline, this far to each side */
};

struct coat {
    struct rgb colour;
    int dome;           /* shading of a round body, 0 flat .. 128 */
    int gloss;          /* a highlight, 0 .. 255 */
    int rim;            /* the edge is lighter or (< 0) darker by this */
    int grain;          /* noise of the surface */
    int alpha;          /* 0: opaque, else of 256 */
    int soft;           /* width of the edge, 0: one pixel */
    unsigned char part; /* 0: leave as it is */
    bool cut;           /* set the part to 0 */
};

/* Signed distance to a shape's edge, < 0 inside; exact for boxes, near for ellipses. */
int shape_distance(const struct shape *shape, int u, int v);

/* The pixels that may lie within `margin` of a shape: from[] up to but without to[]. */
void shape_box(const struct shape *shape, int margin, int size, int from[2], int to[2]);

/* The middle of a pixel in units of the scene. */
int pixel_middle(const struct scene *s, int pixel);

void draw(struct scene *s, const struct shape *shape, const struct coat *coat);
void draw_disk(struct scene *s, int x, int y, int r, const struct coat *coat);
/* A line with round ends. */
void draw_line(struct scene *s, const int from[2], const int to[2], int half_width,
               const struct coat *coat);
/* A bar of a given angle. */
struct shape bar(int x, int y, int half_length, int half_width, int angle);

/* ---- light ---- */

/* Light the whole picture as scene->light says, in place; it comes after the defects. */
void light_up(struct scene *s);

#endif /* SYNTH_SCENE_H */
