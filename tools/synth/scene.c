/* scene.c - see scene.h. */
#include "synth/scene.h"

#include "base/rng.h"

#include <stdlib.h>

/* ---- numbers ---- */

int pick(uint64_t seed, uint64_t index, int lo, int hi)
{
    return lo + (int)rng_below(seed, index, (uint64_t)(hi - lo) + 1);
}

uint64_t at2(int i, int j)
{
    return (uint64_t)(uint32_t)i << 32 | (uint32_t)j;
}

/* Bhaskara's approximation: 16 x (pi - x) / (5 pi^2 - 4 x (pi - x)). */
int sine(int angle)
{
    const int half = TURN / 2;
    int a = angle & (TURN - 1);
    int x = a % half;
    int value = 16 * x * (half - x) / ((5 * half * half - 4 * x * (half - x)) / 1024);
    return a < half ? value : -value;
}

int cosine(int angle)
{
    return sine(angle + TURN / 4);
}

int root(int64_t n)
{
    uint64_t rest = (uint64_t)n, r = 0;
    /* the largest power of 4 that is not above n */
    uint64_t bit = n > 0 ? UINT64_C(1) << ((63 - __builtin_clzll(rest)) & ~1) : 0;
    for (; bit; bit >>= 2) {
        uint64_t trial = r + bit;
        r >>= 1;
        if (rest >= trial) {
            rest -= trial;
            r += bit;
        }
    }
    return (int)r;
}

int clamp(int x, int lo, int hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* A cheaper hash than rng_u64: it is called several times for every pixel. */
static uint32_t lattice(uint64_t seed, int i, int j)
{
    uint32_t h = (uint32_t)(seed ^ (seed >> 32)) * UINT32_C(0xC2B2AE3D) +
                 (uint32_t)i * UINT32_C(0x9E3779B1) + (uint32_t)j * UINT32_C(0x85EBCA77);
    h = (h ^ (h >> 15)) * UINT32_C(0x2C1B3C6D);
    h = (h ^ (h >> 12)) * UINT32_C(0x297A2D39);
    return h ^ (h >> 15);
}

int noise(uint64_t seed, int x, int y, int cell)
{
    int i = x / cell, j = y / cell;
    int fx = (x - i * cell) * 256 / cell, fy = (y - j * cell) * 256 / cell;
    fx = fx * fx * (768 - 2 * fx) / 65536;
    fy = fy * fy * (768 - 2 * fy) / 65536;
    int corner[4];
    for (int k = 0; k < 4; k++)
        corner[k] = (int)(lattice(seed, i + k % 2, j + k / 2) & 255);
    int top = corner[0] * (256 - fx) + corner[1] * fx;
    int low = corner[2] * (256 - fx) + corner[3] * fx;
    return (top * (256 - fy) + low * fy) / 65536 - 128;
}

struct near nearest_point(uint64_t seed, int x, int y, int grid)
{
    struct near near = {0};
    int64_t first = INT64_MAX, second = INT64_MAX;
    int i0 = x / grid, j0 = y / grid;
    for (int k = 0; k < 9; k++) {
        int i = i0 + k % 3 - 1, j = j0 + k / 3 - 1;
        uint32_t h = lattice(seed, i, j);
        int dx = x - i * grid - grid / 2 - ((int)(h & 255) - 128) * grid / 320;
        int dy = y - j * grid - grid / 2 - ((int)(h >> 8 & 255) - 128) * grid / 320;
        int64_t d2 = (int64_t)dx * dx + (int64_t)dy * dy;
        if (d2 < first) {
            second = first;
            first = d2;
            near.id = (uint64_t)h << 20 | (seed & 0xFFFFF);
            near.dx = dx;
            near.dy = dy;
        } else if (d2 < second) {
            second = d2;
        }
    }
    near.dist = root(first);
    near.gap = root(second) - near.dist;
    return near;
}

/* ---- colours ---- */

struct rgb shade(int r, int g, int b, int light)
{
    return (struct rgb){{r * light / 256, g * light / 256, b * light / 256}};
}

struct rgb lit(struct rgb colour, int light)
{
    return shade(colour.c[0], colour.c[1], colour.c[2], light);
}

struct rgb mix(struct rgb a, struct rgb b, int share_of_b)
{
    for (int k = 0; k < 3; k++)
        a.c[k] += (b.c[k] - a.c[k]) * share_of_b / 256;
    return a;
}

/* ---- drawing ---- */

int pixel_middle(const struct scene *s, int pixel)
{
    return (2 * pixel + 1) * SCENE / (2 * s->size);
}

static void put(struct scene *s, int at, struct rgb colour)
{
    for (int k = 0; k < 3; k++)
        s->pixels[3 * at + k] = (unsigned char)clamp(colour.c[k], 0, 255);
}

void set_pose(struct scene *s, int turn, int zoom)
{
    int angle = pick(s->seed, 1000, -turn, turn);
    s->pose = (struct pose){.dx = FAR + pick(s->seed, 1001, 0, FAR),
                            .dy = FAR + pick(s->seed, 1002, 0, FAR),
                            .cos = cosine(angle),
                            .sin = sine(angle),
                            .zoom = 256 + pick(s->seed, 1003, -zoom, zoom)};
}

void set_object_pose(struct scene *s, int turn, int zoom, int shift)
{
    set_pose(s, turn, zoom);
    s->pose.dx = pick(s->seed, 1001, -shift, shift);
    s->pose.dy = pick(s->seed, 1002, -shift, shift);
}

void fill(struct scene *s, texture_fn texture)
{
    const struct pose *p = &s->pose;
    for (int at = 0; at < s->size * s->size; at++) {
        int u = pixel_middle(s, at % s->size) - SCENE / 2,
            v = pixel_middle(s, at / s->size) - SCENE / 2;
        int x = (u * p->cos + v * p->sin) / 1024 * p->zoom / 256 + p->dx;
        int y = (v * p->cos - u * p->sin) / 1024 * p->zoom / 256 + p->dy;
        unsigned char part = 1;
        put(s, at, texture(s, x, y, &part));
        s->part[at] = part;
    }
}

/* Place (u, v) in the axes of a shape. */
static void to_local(const struct shape *shape, int u, int v, int local[2])
{
    int x = u - shape->x, y = v - shape->y;
    int c = shape->cos || shape->sin ? shape->cos : 1024;
    local[0] = (x * c + y * shape->sin) / 1024;
    local[1] = (y * c - x * shape->sin) / 1024;
}

int shape_distance(const struct shape *shape, int u, int v)
{
    int local[2], d;
    to_local(shape, u, v, local);
    int x = local[0] < 0 ? -local[0] : local[0], y = local[1] < 0 ? -local[1] : local[1];
    if (shape->box) {
        int ex = x - shape->rx + shape->round, ey = y - shape->ry + shape->round;
        int out_x = ex > 0 ? ex : 0, out_y = ey > 0 ? ey : 0;
        int in = ex > ey ? ex : ey;
        d = (in < 0 ? in : 0) - shape->round;
        if (out_x && out_y)
            d += root((int64_t)out_x * out_x + (int64_t)out_y * out_y);
        else
            d += out_x + out_y;
    } else {
        int64_t qx = (int64_t)x * 1024 / shape->rx, qy = (int64_t)y * 1024 / shape->ry;
        int least = shape->rx < shape->ry ? shape->rx : shape->ry;
        d = (root(qx * qx + qy * qy) - 1024) * least / 1024;
    }
    if (shape->ring > 0)
        d = (d < 0 ? -d : d) - shape->ring;
    return d;
}

/* The light on a body at a place inside it. Light comes from the upper left. */
static int body_light(const struct shape *shape, const struct coat *coat, int u, int v, int d)
{
    int local[2];
    to_local(shape, u, v, local);
    int c = shape->cos || shape->sin ? shape->cos : 1024;
    int px = local[0] * 256 / shape->rx, py = local[1] * 256 / shape->ry;
    if (shape->rx > 2 * shape->ry) /* a long body is round across only */
        px = 0;
    int nx = (px * c - py * shape->sin) / 1024, ny = (px * shape->sin + py * c) / 1024;
    int light = 256 - (nx + ny) * coat->dome / 256;
    int gx = nx + 90, gy = ny + 90, reach = 110 * 110 - gx * gx - gy * gy;
    if (coat->gloss && reach > 0)
        light += coat->gloss * reach / (110 * 110);
    if (coat->rim && d > -3 * PX / 2)
        light += coat->rim;
    return light;
}

void shape_box(const struct shape *shape, int margin, int size, int from[2], int to[2])
{
    int c = shape->cos || shape->sin ? abs(shape->cos) : 1024, n = abs(shape->sin);
    int middle[2] = {shape->x, shape->y};
    int half[2] = {(c * shape->rx + n * shape->ry) / 1024, (n * shape->rx + c * shape->ry) / 1024};
    for (int a = 0; a < 2; a++) {
        int reach = half[a] + shape->ring + margin + PX;
        from[a] = clamp((middle[a] - reach) * size / SCENE, 0, size);
        to[a] = clamp((middle[a] + reach) * size / SCENE + 1, 0, size);
    }
}

void draw(struct scene *s, const struct shape *shape, const struct coat *coat)
{
    int from[2], to[2];
    shape_box(shape, coat->soft + SCENE / s->size, s->size, from, to);
    int edge = coat->soft ? coat->soft : SCENE / s->size;
    for (int y = from[1]; y < to[1]; y++)
        for (int x = from[0]; x < to[0]; x++) {
            int u = pixel_middle(s, x), v = pixel_middle(s, y), at = y * s->size + x;
            int d = shape_distance(shape, u, v);
            int cover = clamp(128 - d * 256 / edge, 0, 256);
            if (cover == 0)
                continue;
            int light = body_light(shape, coat, u, v, d);
            if (coat->grain)
                light += noise(s->seed + 77, u + FAR, v + FAR, 3 * PX) * coat->grain / 128;
            const unsigned char *p = s->pixels + (size_t)at * 3;
            struct rgb under = {{p[0], p[1], p[2]}};
            cover = coat->alpha ? cover * coat->alpha / 256 : cover;
            put(s, at, mix(under, lit(coat->colour, light), cover));
            if (d <= 0 && (coat->part || coat->cut))
                s->part[at] = coat->part;
        }
}

void draw_disk(struct scene *s, int x, int y, int r, const struct coat *coat)
{
    draw(s, &(struct shape){.x = x, .y = y, .rx = r, .ry = r}, coat);
}

void draw_line(struct scene *s, const int from[2], const int to[2], int half_width,
               const struct coat *coat)
{
    int dx = to[0] - from[0], dy = to[1] - from[1];
    int length = root((int64_t)dx * dx + (int64_t)dy * dy);
    struct shape line = {.x = (from[0] + to[0]) / 2,
                         .y = (from[1] + to[1]) / 2,
                         .rx = length / 2 + half_width,
                         .ry = half_width,
                         .cos = length ? dx * 1024 / length : 1024,
                         .sin = length ? dy * 1024 / length : 0,
                         .box = true,
                         .round = half_width};
    draw(s, &line, coat);
}

struct shape bar(int x, int y, int half_length, int half_width, int angle)
{
    return (struct shape){.x = x,
                          .y = y,
                          .rx = half_length,
                          .ry = half_width,
                          .cos = cosine(angle),
                          .sin = sine(angle),
                          .box = true};
}

/* ---- light ---- */

void light_up(struct scene *s)
{
    const struct light *light = &s->light;
    const uint64_t seed = s->seed + 5;
    int slope[2], spot[2], tint[3];
    for (int k = 0; k < 2; k++) {
        slope[k] = pick(seed, (uint64_t)k, -light->slope, light->slope);
        spot[k] = pick(seed, 2 + (uint64_t)k, 0, SCENE);
    }
    for (int k = 0; k < 3; k++)
        tint[k] = 256 + pick(seed, 4 + (uint64_t)k, -light->tint, light->tint);
    int spot_light = pick(seed, 8, -light->spot / 2, light->spot);
    int spot_reach = pick(seed, 9, SCENE / 4, SCENE * 2 / 3) / PX;
    int angle = pick(seed, 10, 0, TURN - 1);
    int nx = cosine(angle), ny = sine(angle), off = pick(seed, 11, SCENE / 10, SCENE / 3);
    int overall = pick(seed, 12, 238, 270);
    for (int at = 0; at < s->size * s->size; at++) {
        int u = pixel_middle(s, at % s->size), v = pixel_middle(s, at / s->size);
        int x = u - SCENE / 2, y = v - SCENE / 2;
        int l = overall + (slope[0] * x + slope[1] * y) / SCENE;
        int du = (u - spot[0]) / PX, dv = (v - spot[1]) / PX;
        int q = 256 - (du * du + dv * dv) * 256 / (spot_reach * spot_reach);
        if (q > 0)
            l += spot_light * q * q / 65536;
        int beyond = (x * nx + y * ny) / 1024 - off;
        l -= light->shadow * clamp(beyond * 2, 0, 256) / 256;
        l -= (int)((int64_t)light->vignette * (x * x + y * y) / (SCENE * (SCENE / 2)));
        int h = (int)(lattice(seed, at, 1) & 255);
        h = (h - 128) * light->hiss / 128;
        for (int k = 0; k < 3; k++) {
            unsigned char *p = s->pixels + (size_t)at * 3 + k;
            *p = (unsigned char)clamp(*p * l / 256 * tint[k] / 256 + h, 0, 255);
        }
    }
}
