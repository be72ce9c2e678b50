/* defects.c - see defects.h. */
#include "synth/defects.h"

#include "base/err.h"
#include "base/mem.h"
#include "synth/regions.h"

#include <string.h>

/* A place for a defect on small parts, such as pills, is rare: most seeds need a few tries, some hundreds. */
enum { N_TRIES = 1024, PLAIN_TRIES = 24, VISIBLE = 9, CLEAR = 24 };

/* What an effect sees. */
struct patient {
    const struct scene *scene;
    const unsigned char *clean; /* [size, size, 3], as painted */
    const unsigned char *bare;
    const struct region *region;
    uint64_t seed;
    int strength;      /* of 256 */
    int sign;          /* lighter 1, darker -1 */
    struct rgb colour; /* found elsewhere in the picture */
};

/* The new colour of pixel (x, y), where the region's weight is w > 0. */
typedef struct rgb (*effect_fn)(const struct patient *p, int x, int y, int w);

static struct rgb look(const struct patient *p, int x, int y)
{
    int last = p->scene->size - 1;
    size_t at = (size_t)clamp(y, 0, last) * (size_t)p->scene->size + (size_t)clamp(x, 0, last);
    const unsigned char *c = p->clean + 3 * at;
    return (struct rgb){{c[0], c[1], c[2]}};
}

static int brightness(struct rgb c)
{
    return (c.c[0] * 77 + c.c[1] * 150 + c.c[2] * 29) / 256;
}

/* A length of SCENE units in pixels, at least 1. */
static int pixels(const struct patient *p, int length)
{
    int n = length * p->scene->size / SCENE;
    return n > 1 ? n : 1;
}

static struct rgb mean_around(const struct patient *p, int x, int y, int reach)
{
    struct rgb sum = {{0}};
    int step = reach > 4 ? reach / 4 : 1, n = 0;
    for (int dy = -reach; dy <= reach; dy += step)
        for (int dx = -reach; dx <= reach; dx += step, n++) {
            struct rgb c = look(p, x + dx, y + dy);
            for (int k = 0; k < 3; k++)
                sum.c[k] += c.c[k];
        }
    for (int k = 0; k < 3; k++)
        sum.c[k] /= n;
    return sum;
}

/* How much a surface with the region's weight as height leans to the upper left, about +-256. */
static int relief(const struct patient *p, int x, int y)
{
    int d = pixels(p, PX), last = p->scene->size - 1;
    const unsigned char *w = p->region->weight;
    int x0 = clamp(x - d, 0, last), y0 = clamp(y - d, 0, last);
    int x1 = clamp(x + d, 0, last), y1 = clamp(y + d, 0, last);
    return w[y1 * p->scene->size + x1] - w[y0 * p->scene->size + x0];
}

/* ---- effects ---- */

static struct rgb scratch(const struct patient *p, int x, int y, int w)
{
    struct rgb c = look(p, x, y);
    int light = 256 - relief(p, x, y) * p->strength / 300 - w * p->strength * p->sign / 1400;
    return lit(c, light);
}

static struct rgb tone(const struct patient *p, int x, int y, int w)
{
    return lit(look(p, x, y), 256 + p->sign * w * p->strength / 400);
}

static struct rgb darken(const struct patient *p, int x, int y, int w)
{
    return lit(look(p, x, y), 256 - w * p->strength / 330);
}

static struct rgb stain(const struct patient *p, int x, int y, int w)
{
    struct rgb c = look(p, x, y);
    int light = clamp(
        brightness(c) * 256 / (brightness(mean_around(p, x, y, pixels(p, 8 * PX))) + 1), 120, 400);
    struct rgb dyed = lit(p->colour, light);
    int rim = w > 40 && w < 150 ? 40 : 0; /* dries darker at its border */
    return lit(mix(c, dyed, w * p->strength / 256), 256 - rim * p->strength / 256);
}

static struct rgb hole(const struct patient *p, int x, int y, int w)
{
    int t = noise(p->seed, x + FAR, y + FAR, pixels(p, 5 * PX));
    struct rgb deep = lit(mean_around(p, x, y, pixels(p, 14 * PX)), 96 + t / 4);
    struct rgb c = mix(look(p, x, y), deep, w > 150 ? p->strength : w * p->strength / 300);
    return lit(c, 256 + relief(p, x, y) / 4);
}

static struct rgb uncover(const struct patient *p, int x, int y, int w)
{
    const unsigned char *b = p->bare + 3 * ((size_t)y * (size_t)p->scene->size + (size_t)x);
    return mix(look(p, x, y), (struct rgb){{b[0], b[1], b[2]}}, clamp(w * 2, 0, 256));
}

static struct rgb foreign(const struct patient *p, int x, int y, int w)
{
    int t = noise(p->seed, x + FAR, y + FAR, pixels(p, 3 * PX)) / 5;
    int light = 256 + t - relief(p, x, y) / 2;
    if (w < 100) /* its shadow */
        return lit(look(p, x, y), 256 - w * p->strength / 300);
    return mix(look(p, x, y), lit(p->colour, light), 96 + p->strength * 5 / 8);
}

/* The channels change places; brightness stays. */
static struct rgb hue(const struct patient *p, int x, int y, int w)
{
    struct rgb c = look(p, x, y), other;
    int turn = p->sign > 0 ? 1 : 2;
    for (int k = 0; k < 3; k++)
        other.c[k] = c.c[(k + turn) % 3] + (k == (p->sign > 0 ? 0 : 2) ? 22 : -8);
    int shift = brightness(c) - brightness(other);
    for (int k = 0; k < 3; k++)
        other.c[k] += shift;
    return mix(c, other, w * p->strength / 256);
}

static struct rgb warp(const struct patient *p, int x, int y, int w)
{
    int cx = p->region->x, cy = p->region->y, pull = w * p->strength / 256 * p->sign;
    return look(p, x + (x - cx) * pull / 330, y + (y - cy) * pull / 330);
}

static struct rgb swirl(const struct patient *p, int x, int y, int w)
{
    int cx = p->region->x, cy = p->region->y, a = p->sign * w * p->strength / 256 * 200 / 256;
    int c = cosine(a), s = sine(a);
    return look(p, cx + ((x - cx) * c - (y - cy) * s) / 1024,
                cy + ((x - cx) * s + (y - cy) * c) / 1024);
}

/* Raised like a polyp: the texture is stretched over it. */
static struct rgb bump(const struct patient *p, int x, int y, int w)
{
    int cx = p->region->x, cy = p->region->y, r = p->region->radius * p->scene->size / SCENE + 1;
    struct rgb c =
        look(p, cx + (x - cx) * (256 - w / 3) / 256, cy + (y - cy) * (256 - w / 3) / 256);
    int lean = ((x - cx) + (y - cy)) * 256 / r * clamp(w * 2, 0, 256) / 256;
    return lit(c, 256 - lean * p->sign * p->strength / 800 + w * p->strength / 2600);
}

static struct rgb blur(const struct patient *p, int x, int y, int w)
{
    return mix(look(p, x, y), mean_around(p, x, y, pixels(p, 3 * PX + p->strength * PX / 64)),
               clamp(w * 2, 0, 256));
}

static struct rgb turned(const struct patient *p, int x, int y, int w)
{
    int cx = p->region->x, cy = p->region->y;
    return mix(look(p, x, y), look(p, cx + p->sign * (y - cy), cy - p->sign * (x - cx)),
               clamp(w * 4, 0, 256));
}

static struct rgb scuff(const struct patient *p, int x, int y, int w)
{
    int reach = p->strength * 11 / 256, cell = pixels(p, 3 * PX);
    int dx = noise(p->seed, x + FAR, y + FAR, cell) * reach * PX / 64;
    int dy = noise(p->seed + 1, x + FAR, y + FAR, cell) * reach * PX / 64;
    struct rgb c = look(p, x + dx * p->scene->size / SCENE, y + dy * p->scene->size / SCENE);
    return mix(look(p, x, y), c, clamp(w * 3, 0, 256));
}

static struct rgb faded(const struct patient *p, int x, int y, int w)
{
    struct rgb mean = mean_around(p, x, y, pixels(p, 10 * PX));
    return mix(look(p, x, y), lit(mean, 256 + p->sign * 14), w * p->strength / 256);
}

static struct rgb fault(const struct patient *p, int x, int y, int w)
{
    int shift = pixels(p, (3 * PX + p->strength * PX / 36)) * p->sign;
    struct rgb c = look(p, x - p->region->ny * shift / 1024, y + p->region->nx * shift / 1024);
    return mix(look(p, x, y), lit(c, w < 100 ? 190 : 256), clamp(w * 3, 0, 256));
}

/* ---- the table of forms ---- */

static const struct {
    enum region_kind region;
    effect_fn effect;
    int lo, hi; /* strength of the subtle and of the plain */
    bool needs_bare;
} forms[N_FORMS] = {
    [SCRATCH] = {LINE, scratch, 130, 256, false},
    [CRACK] = {FORKED, darken, 130, 230, false},
    [STAIN] = {BLOT, stain, 120, 220, false},
    [SPOT] = {BLOT, tone, 90, 170, false},
    [HOLE] = {SHARP_BLOT, hole, 150, 250, false},
    [MISSING] = {SHARP_BLOT, uncover, 256, 256, true},
    [LOST] = {WHOLE_PART, uncover, 256, 256, true},
    [FOREIGN] = {BODY, foreign, 130, 250, false},
    [FIBRE] = {THREAD, foreign, 130, 250, false},
    [HUE] = {BLOT, hue, 90, 170, false},
    [PAINTED] = {WHOLE_PART, hue, 110, 200, false},
    [WARP] = {DOME, warp, 150, 250, false},
    [SWIRL] = {DOME, swirl, 150, 256, false},
    [BUMP] = {DOME, bump, 130, 250, false},
    [DENT] = {DOME, bump, 130, 250, false},
    [BLUR] = {BLOT, blur, 60, 220, false},
    [TURNED] = {PATCH, turned, 256, 256, false},
    [SCUFF] = {BLOT, scuff, 90, 240, false},
    [FADED] = {BLOT, faded, 150, 246, false},
    [FAULT] = {SLIT, fault, 80, 230, false},
};

bool form_needs_bare(enum form form)
{
    return forms[form].needs_bare;
}

/* What a mask holds. */
struct extent {
    int64_t area;  /* its pixels */
    int64_t clear; /* pixels that changed beyond doubt */
};

/* The mask: where the region is and a pixel near by visibly changed. */
static struct extent make_mask(unsigned char *mask, const struct patient *p)
{
    struct extent e = {0};
    int size = p->scene->size, reach = pixels(p, 2 * PX);
    unsigned char *rows = p->region->scratch;
    memset(rows, 0, (size_t)size * (size_t)size);
    for (int at = 0; at < size * size; at++) {
        int change = 0;
        for (int k = 0; k < 3; k++) {
            int d = p->scene->pixels[3 * at + k] - p->clean[3 * at + k];
            change = d > change ? d : -d > change ? -d : change;
        }
        if (change < VISIBLE || p->region->weight[at] < 40)
            continue;
        e.clear += change >= CLEAR;
        int x = at % size, from = x < reach ? x : reach,
            to = size - 1 - x < reach ? size - 1 - x : reach;
        memset(rows + at - from, 1, (size_t)(from + to) + 1);
    }
    for (int at = 0; at < size * size; at++) {
        bool hit = false;
        for (int dy = -reach; dy <= reach && !hit && p->region->weight[at]; dy++) {
            int other = at + dy * size;
            hit = other >= 0 && other < size * size && rows[other];
        }
        mask[at] = hit ? 255 : 0;
        e.area += hit;
    }
    return e;
}

/* A colour of the picture that differs from the place of the defect but is not rare. */
static struct rgb borrow(const struct patient *p)
{
    int size = p->scene->size;
    struct rgb here = mean_around(p, p->region->x, p->region->y, pixels(p, 4 * PX)), best = here;
    int most = -1;
    for (uint64_t k = 0; k < 6; k++) {
        int x = pick(p->seed, 20 + 2 * k, 0, size - 1), y = pick(p->seed, 21 + 2 * k, 0, size - 1);
        if (!p->scene->part[y * size + x])
            continue;
        struct rgb c = mean_around(p, x, y, pixels(p, PX));
        int far = 0;
        for (int i = 0; i < 3; i++)
            far += c.c[i] > here.c[i] ? c.c[i] - here.c[i] : here.c[i] - c.c[i];
        if (far > most) {
            most = far;
            best = c;
        }
    }
    /* where the picture has one colour only, the borrowed one becomes lighter or darker */
    return most < 60 ? lit(best, 256 + p->sign * 64) : best;
}

static void apply(struct scene *s, const struct patient *p, effect_fn effect)
{
    for (int at = 0; at < s->size * s->size; at++) {
        int w = p->region->weight[at];
        if (w == 0)
            continue;
        struct rgb c = effect(p, at % s->size, at / s->size, w);
        for (int k = 0; k < 3; k++)
            s->pixels[3 * at + k] = (unsigned char)clamp(c.c[k], 0, 255);
    }
}

int draw_defect(struct scene *s, unsigned char *mask, const unsigned char *bare,
                const struct kind *kind, int grade)
{
    int rc = ERR_OK;
    const size_t n = (size_t)s->size * (size_t)s->size;
    unsigned char *clean = NULL;
    struct region region = {0};
    TRY(MEM_NEW(clean, 3 * n));
    TRY(MEM_NEW(region.weight, n));
    TRY(MEM_NEW(region.scratch, n));
    memcpy(clean, s->pixels, 3 * n);
    for (int k = 0; k < N_TRIES; k++) {
        uint64_t seed = s->seed * 31 + 7000 + (uint64_t)k;
        struct patient p = {
            .scene = s, .clean = clean, .bare = bare, .region = &region, .seed = seed};
        p.strength =
            forms[kind->form].lo + (forms[kind->form].hi - forms[kind->form].lo) * grade / 256;
        p.sign = pick(seed, 1, 0, 1) ? 1 : -1;
        if (kind->form == BUMP || kind->form == DENT)
            p.sign = kind->form == BUMP ? 1 : -1;
        make_region(&region, s, forms[kind->form].region, seed, grade, kind->size);
        p.colour = borrow(&p);
        memcpy(s->pixels, clean, 3 * n);
        apply(s, &p, forms[kind->form].effect);
        struct extent e = make_mask(mask, &p);
        /* the first tries also want a tenth of it to be plain to see */
        if (e.area * 1000 >= 3 * (int64_t)n && e.area * 100 <= 8 * (int64_t)n &&
            (k >= PLAIN_TRIES || e.clear * 10 >= e.area))
            goto out;
    }
    FAIL(
        ERR_UNDEFINED,
        "\"%s\": found no place for a visible defect in %d tries, wanted 0.3 %% to 8 %% of the picture",
        kind->name, N_TRIES);
out:
    MEM_FREE(clean);
    MEM_FREE(region.weight);
    MEM_FREE(region.scratch);
    return rc;
}
