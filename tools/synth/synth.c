/*
 * synth.c - mrad-synth: small generated anomaly data sets in MVTec's layout.
 *
 * In:  a seed, the side of a picture, how many normal and anomalous pictures a class has.
 * Out: SET/CLASS/test/good/NNN.png, test/DEFECT/NNN.png, ground_truth/DEFECT/NNN_mask.png for four
 *      sets of two classes with two kinds of defect each, from subtle (000) to plain (the last).
 * Only integers are used, so a seed means the same pixels everywhere; their hash goes to stdout (the
 * bytes of a PNG also depend on the version of stb). Coordinates are 1/16 of a pixel of a picture of
 * 224, so that other sizes show the same scene.
 */
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "base/str.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

enum { PX = 16, SCENE = 224 * PX, FAR = 1 << 20, N_BENDS = 4 };

struct rgb {
    int c[3];
};

/* One picture's normal look. */
struct look {
    uint64_t seed;
    int variant;  /* the class: 0 or 1 */
    int dx, dy;   /* where in the endless pattern the picture lies */
    int tint[3];  /* lighting of this picture */
    int slope[2]; /* its gradient across the picture */
    int pixel[2]; /* the pixel painted now, for noise without extent */
};

typedef struct rgb (*paint_fn)(const struct look *look, int u, int v);

enum form { BLOB, LINE };

struct kind {
    const char *name;
    enum form form;
    bool swaps;       /* shows the pattern turned, in place of a colour */
    struct rgb mixed; /* the colour that is mixed in */
    int lo, hi;       /* share of it, of 256, in the first and the last picture */
};

struct set {
    const char *name;
    paint_fn paint;
    int channels;
    struct {
        const char *name;
        struct kind kind[2];
    } class[2];
};

/* One defect in one picture. */
struct defect {
    const struct kind *kind;
    uint64_t seed;
    int share;              /* of 256 */
    int radius;             /* of the blob, or half the line's width */
    int at[N_BENDS + 1][2]; /* the blob's centre, or the corners of the line */
};

static int pick(uint64_t seed, uint64_t index, int lo, int hi)
{
    return lo + (int)rng_below(seed, index, (uint64_t)(hi - lo) + 1);
}

static uint64_t at2(int i, int j)
{
    return (uint64_t)(uint32_t)i << 32 | (uint32_t)j;
}

/* Value noise in -128..127 with features of size `cell`. u and v are not negative. */
static int noise(uint64_t seed, int u, int v, int cell)
{
    int i = u / cell, j = v / cell;
    int fx = u % cell * 256 / cell, fy = v % cell * 256 / cell;
    fx = fx * fx * (768 - 2 * fx) / 65536;
    fy = fy * fy * (768 - 2 * fy) / 65536;
    int corner[4];
    for (int k = 0; k < 4; k++)
        corner[k] = pick(seed, at2(i + k % 2, j + k / 2), 0, 255);
    int top = corner[0] * (256 - fx) + corner[1] * fx;
    int low = corner[2] * (256 - fx) + corner[3] * fx;
    return (top * (256 - fy) + low * fy) / 65536 - 128;
}

static int hiss(const struct look *look, int amount)
{
    return pick(look->seed + 99, at2(look->pixel[0], look->pixel[1]), -amount, amount);
}

static struct rgb shade(int r, int g, int b, int light)
{
    return (struct rgb){{r * light / 256, g * light / 256, b * light / 256}};
}

/* ---- the normal looks ---- */

/* Cloth: plain weave, or a finer twill. */
static struct rgb paint_weave(const struct look *look, int u, int v)
{
    int period = look->variant ? 10 * PX : 14 * PX;
    int i = u / period, j = v / period;
    bool warp = look->variant ? ((i - j) & 3) < 2 : ((i + j) & 1) != 0;
    int across = (warp ? u : v) % period, along = (warp ? v : u) % period;
    int round = 4 * across * (period - across) / (period * period / 256);
    int bow = 4 * along * (period - along) / (period * period / 256);
    int light = 96 + round * 110 / 256 + bow * 40 / 256 + hiss(look, 8) +
                pick(look->seed, at2(warp ? i : -j, 7), -9, 9) +
                noise(look->seed, u, v, 3 * PX) / 10;
    if (look->variant)
        return warp ? shade(120, 140, 190, light) : shade(70, 80, 130, light);
    return warp ? shade(226, 208, 170, light) : shade(190, 164, 120, light);
}

/* A wall: square tiles, or bricks in stretcher bond. */
static struct rgb paint_tiles(const struct look *look, int u, int v)
{
    int w = look->variant ? 64 * PX : 52 * PX, h = look->variant ? 30 * PX : 52 * PX;
    int j = v / h;
    int x = u + (look->variant && (j & 1) ? w / 2 : 0);
    int i = x / w;
    int edge = x % w < w - x % w ? x % w : w - x % w;
    int edge_v = v % h < h - v % h ? v % h : h - v % h;
    edge = edge < edge_v ? edge : edge_v;
    if (edge < 2 * PX)
        return shade(150, 148, 142, 236 + hiss(look, 20));
    int tone = pick(look->seed, at2(i, j), -14, 14) - (edge < 4 * PX ? 26 : 0);
    int marble = noise(look->seed + 1, u, v, 22 * PX) / 5 + noise(look->seed + 2, u, v, 6 * PX) / 9;
    int light = 236 + tone + marble + hiss(look, 6);
    return look->variant ? shade(176, 92, 66, light) : shade(150, 186, 190, light);
}

/* A stained smear: round cells with nuclei, or longer ones, more densely packed. */
static struct rgb paint_cells(const struct look *look, int u, int v)
{
    int grid = look->variant ? 30 * PX : 40 * PX;
    int nearest = 1 << 30, core = 0;
    for (int k = 0; k < 9; k++) {
        int i = u / grid + k % 3 - 1, j = v / grid + k / 3 - 1;
        uint64_t cell = rng_u64(look->seed, at2(i, j));
        int dx = u - i * grid - grid / 2 - pick(cell, 0, -grid / 6, grid / 6);
        int dy = v - j * grid - grid / 2 - pick(cell, 1, -grid / 6, grid / 6);
        int r = grid * pick(cell, 2, 30, 42) / 100;
        int stretch = look->variant ? pick(cell, 3, 120, 260) : pick(cell, 3, 80, 110);
        int64_t d2 = (int64_t)dx * dx * stretch / 100 + (int64_t)dy * dy * 100 / stretch;
        int q = (int)(d2 * 256 / ((int64_t)r * r));
        if (q < nearest) {
            nearest = q;
            core = pick(cell, 4, 44, 84);
        }
    }
    int light = 250 + noise(look->seed + 3, u, v, 30 * PX) / 12 +
                noise(look->seed, u, v, 2 * PX) / 10 + hiss(look, 5);
    if (nearest < core)
        return shade(104, 62, 140, light);
    if (nearest < 214)
        return shade(222, 164, 196, light);
    return nearest < 256 ? shade(188, 116, 160, light) : shade(240, 226, 232, light);
}

/* An ultrasound-like field: layers, or tissue with dark round follicles. One channel. */
static struct rgb paint_grain(const struct look *look, int u, int v)
{
    int speckle = noise(look->seed, u, v, 3 * PX) + noise(look->seed + 1, u, v, 5 * PX / 2);
    int base = 96 + noise(look->seed + 2, u, v, 50 * PX) / 4;
    if (look->variant) {
        int grid = 62 * PX;
        int i = u / grid, j = v / grid;
        uint64_t cell = rng_u64(look->seed, at2(i, j));
        int dx = u % grid - grid / 2 - pick(cell, 0, -grid / 9, grid / 9);
        int dy = v % grid - grid / 2 - pick(cell, 1, -grid / 9, grid / 9);
        int r = grid * pick(cell, 2, 18, 30) / 100;
        int q = (int)((int64_t)(dx * dx + dy * dy) * 256 / (r * r));
        base = q < 200 ? 34 : q < 300 ? 34 + (q - 200) * (base - 34) / 100 : base;
    } else {
        int depth = v + noise(look->seed + 4, u, 0, 60 * PX) * PX / 12;
        base += noise(look->seed + 3, 0, depth, 16 * PX) / 2;
    }
    int grey = base * (256 + speckle) / 256 + hiss(look, 5);
    return shade(grey, grey, grey, 256);
}

static const struct set sets[] = {
    {"weave",
     paint_weave,
     3,
     {{"plain",
       {{"hole", BLOB, false, {{26, 22, 20}}, 120, 250},
        {"stain", BLOB, false, {{112, 70, 40}}, 40, 150}}},
      {"twill",
       {{"pull", LINE, false, {{214, 216, 226}}, 70, 230},
        {"misweave", BLOB, true, {{0}}, 150, 256}}}}},
    {"tiles",
     paint_tiles,
     3,
     {{"square",
       {{"crack", LINE, false, {{40, 40, 44}}, 70, 240},
        {"chip", BLOB, false, {{226, 222, 210}}, 90, 240}}},
      {"brick",
       {{"scratch", LINE, false, {{232, 200, 186}}, 60, 220},
        {"moss", BLOB, false, {{76, 106, 52}}, 60, 190}}}}},
    {"cells",
     paint_cells,
     3,
     {{"round",
       {{"giant", BLOB, false, {{92, 48, 130}}, 80, 236},
        {"pallor", BLOB, false, {{246, 238, 226}}, 90, 220}}},
      {"long",
       {{"fibre", LINE, false, {{120, 150, 196}}, 80, 230},
        {"necrosis", BLOB, false, {{140, 96, 70}}, 60, 190}}}}},
    {"grain",
     paint_grain,
     1,
     {{"layers",
       {{"lesion", BLOB, false, {{222, 222, 222}}, 50, 170},
        {"shadow", LINE, false, {{12, 12, 12}}, 80, 220}}},
      {"follicle",
       {{"mass", BLOB, false, {{176, 176, 176}}, 60, 190},
        {"scar", LINE, false, {{236, 236, 236}}, 60, 200}}}}},
};

enum { N_SETS = sizeof sets / sizeof sets[0] };

/* ---- defects ---- */

/* The index-th of n pictures: stronger and larger from one to the next. */
static struct defect make_defect(const struct kind *kind, uint64_t seed, int index, int n)
{
    int grade = n > 1 ? 256 * index / (n - 1) : 256;
    struct defect d = {.kind = kind, .seed = seed};
    d.share = kind->lo + (kind->hi - kind->lo) * grade / 256;
    d.radius = kind->form == LINE ? PX + 2 * PX * grade / 256 : 9 * PX + 17 * PX * grade / 256;
    int margin = kind->form == LINE ? SCENE / 8 : d.radius * 3 / 2;
    int step = SCENE / 14 + SCENE / 12 * grade / 256;
    int way[2] = {pick(seed, 2, 0, 1) ? step : -step, pick(seed, 3, -step, step)};
    for (int a = 0; a < 2; a++) {
        d.at[0][a] = pick(seed, (uint64_t)a, margin, SCENE - margin);
        /* towards the middle, so that the line stays in the picture */
        if ((d.at[0][a] > SCENE / 2) == (way[a] > 0))
            way[a] = -way[a];
        for (int k = 1; k <= N_BENDS; k++)
            d.at[k][a] = d.at[k - 1][a] + way[a] +
                         pick(seed, 8 + 2 * (uint64_t)k + (uint64_t)a, -step / 2, step / 2);
    }
    return d;
}

static bool near_line(const struct defect *d, int u, int v)
{
    for (int k = 0; k < N_BENDS; k++) {
        int64_t sx = d->at[k + 1][0] - d->at[k][0], sy = d->at[k + 1][1] - d->at[k][1];
        int64_t x = u - d->at[k][0], y = v - d->at[k][1];
        int64_t len = sx * sx + sy * sy;
        int64_t t = x * sx + y * sy;
        t = t < 0 || len == 0 ? 0 : t > len ? len : t;
        x -= len ? sx * t / len : 0;
        y -= len ? sy * t / len : 0;
        if (x * x + y * y <= (int64_t)d->radius * d->radius)
            return true;
    }
    return false;
}

static bool is_defect(const struct defect *d, int u, int v)
{
    if (d->kind->form == LINE)
        return near_line(d, u, v);
    int64_t x = u - d->at[0][0], y = v - d->at[0][1];
    int64_t q = (x * x + y * y) * 256 / ((int64_t)d->radius * d->radius);
    return q + noise(d->seed, u, v, 14 * PX) + noise(d->seed + 1, u, v, 5 * PX) / 2 < 256;
}

/* ---- pictures ---- */

static struct look make_look(int variant, uint64_t seed)
{
    struct look look = {.seed = seed, .variant = variant};
    look.dx = FAR + pick(seed, 1, 0, FAR);
    look.dy = FAR + pick(seed, 2, 0, FAR);
    for (int k = 0; k < 3; k++)
        look.tint[k] = pick(seed, 3 + (uint64_t)k, 248, 264);
    for (int k = 0; k < 2; k++)
        look.slope[k] = pick(seed, 6 + (uint64_t)k, -20, 20);
    return look;
}

/* pixels [size, size, channels]; mask [size, size], may be NULL together with d. */
static void draw(unsigned char *pixels, unsigned char *mask, const struct set *set,
                 struct look look, const struct defect *d, int size)
{
    for (int at = 0; at < size * size; at++) {
        int u = at % size * SCENE / size, v = at / size * SCENE / size;
        look.pixel[0] = at % size;
        look.pixel[1] = at / size;
        struct rgb p = set->paint(&look, u + look.dx, v + look.dy);
        bool hit = d && is_defect(d, u, v);
        if (mask)
            mask[at] = hit ? 255 : 0;
        struct rgb mixed = hit ? d->kind->mixed : p;
        if (hit && d->kind->swaps)
            mixed = set->paint(&look, v + look.dy, u + look.dx + 5 * PX);
        int light =
            256 + (look.slope[0] * (u - SCENE / 2) + look.slope[1] * (v - SCENE / 2)) / SCENE;
        for (int k = 0; k < set->channels; k++) {
            int c = hit ? (p.c[k] * (256 - d->share) + mixed.c[k] * d->share) / 256 : p.c[k];
            c = c * light / 256 * (set->channels == 1 ? look.tint[0] : look.tint[k]) / 256;
            pixels[at * set->channels + k] = (unsigned char)(c < 0 ? 0 : c > 255 ? 255 : c);
        }
    }
}

struct job {
    const char *out;
    uint64_t seed;
    int size, normal, anomalous;
    unsigned char *pixels, *mask;
    struct hasher *hasher; /* names and pixels of everything written */
    int n_written;
};

/* DIR/SET/CLASS/PART/KIND/NNN[SUFFIX].png; part is "test" or "ground_truth". */
static int save(struct job *job, const char *folder, int index, bool is_mask, int channels)
{
    int rc = ERR_OK;
    char *dir = NULL;
    char *path = NULL;
    const unsigned char *pixels = is_mask ? job->mask : job->pixels;
    TRY(path_join(&dir, job->out, folder));
    TRY(path_mkdirs(dir));
    TRY(str_make(&path, "%s/%03d%s.png", dir, index, is_mask ? "_mask" : ""));
    errno = 0;
    if (!stbi_write_png(path, job->size, job->size, channels, pixels, job->size * channels))
        FAIL(ERR_IO, "cannot write %s: %s", path, strerror(errno));
    hasher_add_text(job->hasher, path + strlen(job->out));
    hasher_add(job->hasher, pixels, (size_t)job->size * (size_t)job->size * (size_t)channels);
    job->n_written++;
out:
    MEM_FREE(path);
    MEM_FREE(dir);
    return rc;
}

/* The pictures of one class; kind NULL: the normal ones. */
static int make_pictures(struct job *job, const struct set *set, int variant, int kind, int n)
{
    int rc = ERR_OK;
    char *folder = NULL;
    const char *class_name = set->class[variant].name;
    const struct kind *k = kind < 0 ? NULL : &set->class[variant].kind[kind];
    uint64_t stream = (uint64_t)((set - sets) * 100 + variant * 10 + kind + 1);
    for (int i = 0; i < n; i++) {
        uint64_t seed = rng_u64(job->seed, stream << 32 | (uint32_t)i);
        struct defect d = {0};
        if (k)
            d = make_defect(k, rng_u64(seed, 50), i, n);
        draw(job->pixels, k ? job->mask : NULL, set, make_look(variant, seed), k ? &d : NULL,
             job->size);
        MEM_FREE(folder);
        TRY(str_make(&folder, "%s/%s/test/%s", set->name, class_name, k ? k->name : "good"));
        TRY(save(job, folder, i, false, set->channels));
        if (!k)
            continue;
        MEM_FREE(folder);
        TRY(str_make(&folder, "%s/%s/ground_truth/%s", set->name, class_name, k->name));
        TRY(save(job, folder, i, true, 1));
    }
out:
    MEM_FREE(folder);
    return rc;
}

static int make_all(struct job *job)
{
    int rc = ERR_OK;
    size_t n = (size_t)job->size * (size_t)job->size;
    char hex[HASH_HEX];
    TRY(MEM_NEW(job->pixels, 3 * n));
    TRY(MEM_NEW(job->mask, n));
    TRY(hasher_new(&job->hasher));
    for (int s = 0; s < N_SETS; s++)
        for (int variant = 0; variant < 2; variant++) {
            TRY(make_pictures(job, &sets[s], variant, -1, job->normal));
            TRY(make_pictures(job, &sets[s], variant, 0, (job->anomalous + 1) / 2));
            TRY(make_pictures(job, &sets[s], variant, 1, job->anomalous / 2));
        }
    hash_hex(hex, hasher_finish(&job->hasher));
    (void)printf("%d files, pixels %s\n", job->n_written, hex);
out:
    hasher_free(&job->hasher);
    MEM_FREE(job->mask);
    MEM_FREE(job->pixels);
    return rc;
}

static int parse_number(uint64_t *out, const char *text, uint64_t lo, uint64_t hi)
{
    int rc = ERR_OK;
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || *out < lo || *out > hi)
        FAIL(ERR_USAGE, "\"%s\" is not a whole number from %llu to %llu", text,
             (unsigned long long)lo, (unsigned long long)hi);
out:
    return rc;
}

static int parse_options(struct job *job, int argc, char **argv)
{
    int rc = ERR_OK;
    int option = 0;
    uint64_t value = 0;
    static const struct option options[] = {
        {"out", required_argument, NULL, 'o'},
        {"seed", required_argument, NULL, 's'},
        {"size", required_argument, NULL, 'z'},
        {"normal", required_argument, NULL, 'n'},
        {"anomalous", required_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'o') {
            job->out = optarg;
        } else if (option == 's') {
            TRY(parse_number(&job->seed, optarg, 0, UINT64_MAX));
        } else if (option == 'z') {
            TRY(parse_number(&value, optarg, 32, 2048));
            job->size = (int)value;
        } else if (option == 'n' || option == 'a') {
            TRY(parse_number(&value, optarg, 0, 1000));
            *(option == 'n' ? &job->normal : &job->anomalous) = (int)value;
        } else if (option == 'h') {
            (void)puts(
                "usage: mrad-synth --out DIR [--seed N] [--size PIXELS] [--normal N] [--anomalous N]\n"
                "Write four generated data sets (weave, tiles, cells, grain) of two classes each, in\n"
                "MVTec's layout; N pictures a class. Defaults: seed 1, size 224, 8 and 8.");
            exit(0);
        } else {
            FAIL(ERR_USAGE, "see mrad-synth --help");
        }
    }
    if (!job->out || optind != argc)
        FAIL(ERR_USAGE, "%s; see mrad-synth --help", job->out ? argv[optind] : "--out is missing");
out:
    return rc;
}

int main(int argc, char **argv)
{
    int rc = ERR_OK;
    struct job job = {.seed = 1, .size = 224, .normal = 8, .anomalous = 8};
    TRY(parse_options(&job, argc, argv));
    TRY(make_all(&job));
out:
    if (rc != ERR_OK)
        log_error();
    return err_exit_status(rc);
}
