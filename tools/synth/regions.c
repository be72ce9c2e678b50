/* regions.c - see regions.h. */
#include "synth/regions.h"

#include <string.h>

enum { SOLID = 255, SHADOW = 80 };

/* Weight by signed distance to a shape; keeps what is larger already. */
static void cover(struct region *r, const struct scene *s, const struct shape *shape, int soft,
                  int most)
{
    int from[2], to[2];
    shape_box(shape, soft + SCENE / s->size, s->size, from, to);
    int edge = soft > SCENE / s->size ? soft : SCENE / s->size;
    for (int y = from[1]; y < to[1]; y++)
        for (int x = from[0]; x < to[0]; x++) {
            int d = shape_distance(shape, pixel_middle(s, x), pixel_middle(s, y));
            int w = clamp(most / 2 - d * most / edge, 0, most), at = y * s->size + x;
            if (w > r->weight[at])
                r->weight[at] = (unsigned char)w;
        }
}

static void line_to(struct region *r, const struct scene *s, int at[2], int angle, int length,
                    int half_width)
{
    int to[2] = {at[0] + cosine(angle) * length / 1024, at[1] + sine(angle) * length / 1024};
    struct shape line =
        bar((at[0] + to[0]) / 2, (at[1] + to[1]) / 2, length / 2 + half_width, half_width, angle);
    line.round = half_width;
    cover(r, s, &line, 3 * PX / 2, SOLID);
    at[0] = to[0];
    at[1] = to[1];
}

static void blot(struct region *r, const struct scene *s, uint64_t seed, bool sharp)
{
    int cx = pixel_middle(s, r->x), cy = pixel_middle(s, r->y), stretch = pick(seed, 40, 100, 200);
    for (int at = 0; at < s->size * s->size; at++) {
        int u = pixel_middle(s, at % s->size) - cx, v = pixel_middle(s, at / s->size) - cy;
        if (u > 3 * r->radius || -u > 3 * r->radius || v > 3 * r->radius || -v > 3 * r->radius)
            continue;
        int64_t a = (u * r->nx + v * r->ny) / 1024, b = (v * r->nx - u * r->ny) / 1024;
        int64_t q = (a * a * 100 / stretch + b * b * stretch / 100) * 256 /
                    ((int64_t)r->radius * r->radius);
        q += noise(seed, u + FAR, v + FAR, r->radius) +
             noise(seed + 1, u + FAR, v + FAR, r->radius / 3) / 2;
        int w = (int)((256 - q) * (sharp ? 6 : 2));
        r->weight[at] = (unsigned char)clamp(w, 0, SOLID);
    }
}

static void dome(struct region *r, const struct scene *s)
{
    int cx = pixel_middle(s, r->x), cy = pixel_middle(s, r->y);
    for (int at = 0; at < s->size * s->size; at++) {
        int64_t u = pixel_middle(s, at % s->size) - cx, v = pixel_middle(s, at / s->size) - cy;
        int64_t q = 256 - (u * u + v * v) * 256 / ((int64_t)r->radius * r->radius);
        if (q > 0) /* steep at the border, flat in the middle */
            r->weight[at] = (unsigned char)clamp((int)(q * (512 - q) / 256), 0, SOLID);
    }
}

static void body(struct region *r, const struct scene *s, uint64_t seed, int angle)
{
    int half = r->radius, thick = r->radius * pick(seed, 41, 30, 80) / 100;
    struct shape shape =
        bar(pixel_middle(s, r->x) + 3 * PX, pixel_middle(s, r->y) + 3 * PX, half, thick, angle);
    shape.round = pick(seed, 42, 0, 1) ? thick : 0;
    cover(r, s, &shape, 4 * PX, SHADOW);
    shape.x -= 3 * PX;
    shape.y -= 3 * PX;
    cover(r, s, &shape, PX, SOLID);
}

static void forked(struct region *r, const struct scene *s, uint64_t seed, int angle, int grade)
{
    int at[2] = {pixel_middle(s, r->x), pixel_middle(s, r->y)},
        half = PX * 3 / 5 + PX * grade / 320;
    for (int k = 0; k < 8; k++) {
        int turn = angle + pick(seed, 50 + (uint64_t)k, -130, 130);
        if (k == 3 || k == 5) {
            int twig[2] = {at[0], at[1]}, aside = turn + (k == 3 ? 150 : -150);
            for (int i = 0; i < 3; i++)
                line_to(r, s, twig, aside + pick(seed, 70 + (uint64_t)(3 * k + i), -90, 90),
                        r->radius / 2, half * 3 / 4);
        }
        line_to(r, s, at, turn, r->radius * pick(seed, 60 + (uint64_t)k, 35, 80) / 100, half);
    }
}

static void curve(struct region *r, const struct scene *s, uint64_t seed, int angle, int half_width,
                  int bend)
{
    int at[2] = {pixel_middle(s, r->x), pixel_middle(s, r->y)}, turn = pick(seed, 43, -bend, bend);
    for (int k = 0; k < 8; k++) {
        line_to(r, s, at, angle, r->radius * 5 / 8, half_width);
        angle += turn + pick(seed, 50 + (uint64_t)k, -bend / 2, bend / 2);
    }
}

static void whole_part(struct region *r, const struct scene *s)
{
    int hit = s->part[r->y * s->size + r->x];
    for (int at = 0; at < s->size * s->size; at++)
        if (s->part[at] == hit)
            r->weight[at] = SOLID;
}

/* A pixel that belongs to a part; the last try counts when none was hit. */
static void find_middle(struct region *r, const struct scene *s, uint64_t seed)
{
    for (uint64_t k = 0; k < 200; k++) {
        r->x = pick(seed, 100 + 2 * k, s->size / 14, s->size - 1 - s->size / 14);
        r->y = pick(seed, 101 + 2 * k, s->size / 14, s->size - 1 - s->size / 14);
        if (s->part[r->y * s->size + r->x])
            return;
    }
}

void make_region(struct region *r, const struct scene *s, enum region_kind kind, uint64_t seed,
                 int grade, int percent)
{
    int angle = pick(seed, 2, 0, TURN - 1), vary = pick(seed, 3, 80, 120);
    memset(r->weight, 0, (size_t)s->size * (size_t)s->size);
    find_middle(r, s, seed);
    r->radius = (10 * PX + 9 * PX * grade / 256) * percent / 100 * vary / 100;
    r->nx = cosine(angle);
    r->ny = sine(angle);
    switch (kind) {
    case BLOT:
    case SHARP_BLOT:
        blot(r, s, seed, kind == SHARP_BLOT);
        break;
    case DOME:
        r->radius = r->radius * 13 / 10;
        dome(r, s);
        break;
    case PATCH:
    case SLIT: {
        struct shape patch = bar(pixel_middle(s, r->x), pixel_middle(s, r->y), r->radius * 13 / 10,
                                 r->radius, angle);
        patch.box = kind == PATCH;
        if (kind == SLIT)
            patch.rx = r->radius * 2;
        cover(r, s, &patch, PX, SOLID);
        break;
    }
    case BODY:
        body(r, s, seed, angle);
        break;
    case LINE:
        curve(r, s, seed, angle, PX + PX * grade / 256, 30);
        break;
    case THREAD:
        curve(r, s, seed, angle, PX + PX * grade / 512, 110);
        break;
    case FORKED:
        forked(r, s, seed, angle, grade);
        break;
    case WHOLE_PART:
        whole_part(r, s);
        break;
    }
    /* defects end where the parts end, except what lies on top of them */
    for (int at = 0; at < s->size * s->size && kind != BODY && kind != THREAD; at++)
        if (!s->part[at])
            r->weight[at] = 0;
}
