/* medical.c - medical-like scenes: families a model is trained on. */
#include "synth/painters.h"

static struct rgb grey(int tone)
{
    return (struct rgb){{tone, tone, tone}};
}

/* ---- a blood smear ---- */

static struct rgb plasma(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    return shade(236, 226, 214,
                 250 + noise(s->seed, x, y, 50 * PX) / 9 + noise(s->seed + 1, x, y, 3 * PX) / 24);
}

void paint_blood(struct scene *s)
{
    set_pose(s, 0, 0);
    fill(s, plasma);
    int tone = pick(s->seed, 1, 0, 40), n = pick(s->seed, 2, 70, 100),
        r0 = pick(s->seed, 3, 10, 13);
    for (int k = 0; k < n; k++) {
        uint64_t seed = s->seed + 100 + (uint64_t)k;
        int x = pick(seed, 1, 0, SCENE), y = pick(seed, 2, 0, SCENE);
        int r = r0 * PX + pick(seed, 3, -24, 24), ry = r * pick(seed, 4, 82, 100) / 100,
            a = pick(seed, 5, 0, TURN);
        struct shape cell = {.x = x, .y = y, .rx = r, .ry = ry, .cos = cosine(a), .sin = sine(a)};
        draw(s, &cell,
             &(struct coat){.colour = {{206 - tone / 2, 124 + tone, 116 + tone}},
                            .rim = -34,
                            .alpha = 220,
                            .part = (unsigned char)(1 + k)});
        cell.rx = r * 5 / 9;
        cell.ry = ry * 5 / 9;
        draw(s, &cell, &(struct coat){.colour = {{232, 186, 174}}, .alpha = 200, .soft = 5 * PX});
    }
    for (int k = pick(s->seed, 4, 1, 3); k > 0;
         k--) { /* white cells with lobed nuclei, and platelets */
        uint64_t seed = s->seed + 300 + (uint64_t)k;
        int x = pick(seed, 1, 20 * PX, SCENE - 20 * PX),
            y = pick(seed, 2, 20 * PX, SCENE - 20 * PX);
        draw_disk(s, x, y, 18 * PX,
                  &(struct coat){.colour = {{206, 190, 214}}, .grain = 20, .rim = -20});
        for (int lobe = 0; lobe < 3; lobe++)
            draw_disk(s, x + pick(seed, 3 + (uint64_t)lobe, -7, 7) * PX,
                      y + pick(seed, 7 + (uint64_t)lobe, -7, 7) * PX, 7 * PX,
                      &(struct coat){.colour = {{110, 72, 146}}, .grain = 30, .soft = 2 * PX});
    }
    s->light = (struct light){.slope = 40, .spot = 30, .vignette = 70, .tint = 12, .hiss = 6};
}

/* ---- muscle fibres in cross-section ---- */

static struct rgb muscle(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    int wx = x + noise(s->seed + 5, x, y, 30 * PX) * PX / 12;
    struct near n = nearest_point(s->seed, wx, y, 25 * PX);
    int light = 244 + noise(s->seed + 1, x, y, 3 * PX) / 7 + noise(s->seed + 2, x, y, PX) / 9 +
                pick(n.id, 3, -30, 22);
    if (n.gap < 2 * PX)
        return shade(238, 216, 224, light);
    /* nuclei lie at the edge of a fibre */
    int a = pick(n.id, 4, 0, TURN), nx = n.dx - cosine(a) * 9 * PX / 1024,
        ny = n.dy - sine(a) * 9 * PX / 1024;
    if (nx * nx + ny * ny * 2 < 7 * PX * PX)
        return shade(96, 56, 124, light);
    return pick(n.id, 5, 0, 4) ? shade(206, 112, 134, light) : shade(178, 92, 128, light);
}

void paint_muscle(struct scene *s)
{
    set_pose(s, TURN / 2, 60);
    fill(s, muscle);
    s->light = (struct light){.slope = 50, .spot = 40, .vignette = 40, .tint = 16, .hiss = 6};
}

/* ---- an X-ray of a chest ---- */

static struct rgb chest(const struct scene *s, int x, int y, unsigned char *part)
{
    int t = 150 + noise(s->seed, x + FAR, y + FAR, 60 * PX) / 5;
    int lung = 0;
    for (int side = -1; side <= 1; side += 2) {
        struct shape field = {.x = side * 48 * PX,
                              .y = 4 * PX,
                              .rx = 36 * PX,
                              .ry = 76 * PX,
                              .cos = 1016,
                              .sin = side * 120};
        int d =
            shape_distance(&field, x, y) + noise(s->seed + 2, x + FAR, y + FAR, 24 * PX) * PX / 40;
        lung = clamp(-d * 2, lung, 256);
    }
    if (lung)
        t -= lung * 96 / 256;
    *part = lung > 60;
    int ax = x < 0 ? -x : x;
    int arc = y - ax * ax / (150 * PX) + ax / 4;
    int rib = (arc + 40 * FAR) % (25 * PX) - 12 * PX;
    if (ax > 12 * PX && ax < 100 * PX && rib > -5 * PX && rib < 5 * PX)
        t += rib < -3 * PX || rib > 3 * PX ? 36 : 24;
    if (ax < 11 * PX)
        t += 34 + ((y + FAR) % (19 * PX) < 3 * PX ? -30 : 0);
    int hx = x - 22 * PX, hy = y - 40 * PX;
    int heart = 256 - (int)(((int64_t)hx * hx + (int64_t)hy * hy) * 256 / (38 * PX * 38 * PX));
    t += heart > 0 ? clamp(heart * 2, 0, 56) : 0;
    t += noise(s->seed + 3, x + FAR, y + FAR, 5 * PX) / 10 +
         noise(s->seed + 4, x + FAR, (y + FAR) / 3, 9 * PX) / 9;
    if (ax > 100 * PX)
        t -= (ax - 100 * PX) * 6 / PX;
    return grey(t);
}

void paint_xray(struct scene *s)
{
    set_object_pose(s, 14, 26, 9 * PX);
    fill(s, chest);
    struct coat letter = {.colour = {{230, 230, 230}}};
    int x = pick(s->seed, 3, 6, 16) * PX,
        y = pick(s->seed, 4, 6, 20) * PX; /* the marker of the left side */
    draw_line(s, (int[2]){x, y}, (int[2]){x, y + 14 * PX}, 3 * PX / 2, &letter);
    draw_line(s, (int[2]){x, y + 14 * PX}, (int[2]){x + 8 * PX, y + 14 * PX}, 3 * PX / 2, &letter);
    s->light = (struct light){.slope = 50, .spot = 40, .vignette = 50, .hiss = 9};
}

/* ---- skin with hairs, pores and moles ---- */

static struct rgb skin(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    struct near n = nearest_point(s->seed, x, y * 5 / 4, 7 * PX);
    int light = 236 + clamp(n.gap, 0, 2 * PX) * 26 / (2 * PX) +
                noise(s->seed + 1, x, y, 30 * PX) / 7 + noise(s->seed + 2, x, y, 3 * PX) / 12;
    int red = noise(s->seed + 3, x, y, 20 * PX) / 8;
    int tone = pick(s->seed, 20, 0, 80);
    return shade(226 - tone + red / 2, 178 - tone, 152 - tone, light);
}

void paint_skin(struct scene *s)
{
    set_pose(s, TURN / 2, 60);
    fill(s, skin);
    for (int k = pick(s->seed, 1, 0, 5); k > 0; k--) { /* small freckles are normal */
        uint64_t seed = s->seed + 100 + (uint64_t)k;
        draw_disk(s, pick(seed, 1, 0, SCENE), pick(seed, 2, 0, SCENE), pick(seed, 3, 20, 52),
                  &(struct coat){.colour = {{124, 80, 60}}, .alpha = 160, .soft = 2 * PX});
    }
    for (int k = pick(s->seed, 2, 4, 16); k > 0; k--) { /* hairs */
        uint64_t seed = s->seed + 200 + (uint64_t)k;
        int a = pick(s->seed, 3, 0, TURN) + pick(seed, 1, -80, 80), x = pick(seed, 2, 0, SCENE),
            y = pick(seed, 3, 0, SCENE);
        for (int part = 0; part < 4; part++) {
            int to[2] = {x + cosine(a) * 14 * PX / 1024, y + sine(a) * 14 * PX / 1024};
            draw_line(s, (int[2]){x, y}, to, PX * 3 / 5,
                      &(struct coat){.colour = {{60, 44, 36}}, .alpha = 220});
            x = to[0];
            y = to[1];
            a += pick(seed, 4, -30, 30);
        }
    }
    s->light = (struct light){.slope = 60, .spot = 50, .vignette = 60, .tint = 10, .hiss = 5};
}

/* ---- an angiogram: a tree of vessels ---- */

static struct rgb angio_ground(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    return grey(170 + noise(s->seed, x, y, 60 * PX) / 4 + noise(s->seed + 1, x, y, 20 * PX) / 8 +
                noise(s->seed + 2, x, y, 2 * PX) / 12);
}

/* One vessel from (x, y) on, which forks into smaller ones. */
static void grow(struct scene *s, uint64_t seed, const int from[2], int angle, int width, int depth)
{
    int at[2] = {from[0], from[1]};
    for (int step = 0; step < 7 && width >= PX / 2; step++) {
        uint64_t k = (uint64_t)step * 4;
        angle += pick(seed, k, -46, 46);
        int length = 7 * PX + width,
            to[2] = {at[0] + cosine(angle) * length / 1024, at[1] + sine(angle) * length / 1024};
        draw_line(
            s, at, to, width,
            &(struct coat){
                .colour = {{62, 62, 62}}, .dome = 20, .alpha = 210, .soft = 2 * PX, .part = 2});
        at[0] = to[0];
        at[1] = to[1];
        width = width * 15 / 16;
        if (depth > 0 && (step == 3 || step == 6)) {
            int side = pick(seed, k + 1, 0, 1) ? 1 : -1;
            grow(s, seed * 5 + k + 11, at, angle + side * pick(seed, k + 2, 70, 150), width * 3 / 4,
                 depth - 1);
        }
    }
}

void paint_vessels(struct scene *s)
{
    set_pose(s, 0, 0);
    fill(s, angio_ground);
    for (int k = 0; k < 3 && !s->bare; k++) {
        int side = (pick(s->seed, 1, 0, 3) + k) % 4;
        int from[2] = {side == 0   ? 0
                       : side == 1 ? SCENE
                                   : pick(s->seed, 2, 60, 160) * PX,
                       side == 2   ? 0
                       : side == 3 ? SCENE
                                   : pick(s->seed, 3, 60, 160) * PX};
        int angle = side == 0 ? 0 : side == 1 ? TURN / 2 : side == 2 ? TURN / 4 : -TURN / 4;
        grow(s, s->seed + 40 + (uint64_t)k, from, angle, 5 * PX - k * PX, 4);
    }
    s->light = (struct light){.slope = 80, .spot = 50, .vignette = 90, .hiss = 9};
}

/* ---- a slice of a brain ---- */

static struct rgb brain(const struct scene *s, int x, int y, unsigned char *part)
{
    int wob = noise(s->seed, x + FAR, y + FAR, 60 * PX) * PX / 24;
    int ey = y * 5 / 6, r = root((int64_t)x * x + (int64_t)ey * ey) + wob;
    int hiss = noise(s->seed + 1, x + FAR, y + FAR, 2 * PX) / 12;
    *part = 0;
    if (r > 88 * PX)
        return grey(8 + hiss);
    if (r > 80 * PX)
        return grey(r > 84 * PX ? 176 + hiss : 40);
    *part = 1;
    /* folds: bands of the distance to the rim, bent strongly */
    int fold = noise(s->seed + 2, (x < 0 ? -x : x) + FAR, y + FAR, 15 * PX) +
               noise(s->seed + 3, x + FAR, y + FAR, 9 * PX) / 2;
    int deep = 80 * PX - r;
    int t = 132 + noise(s->seed + 4, x + FAR, y + FAR, 30 * PX) / 8 + hiss;
    if (deep < 34 * PX)
        t += fold > 24 ? -46 : fold > 4 ? -8 : 18;
    int ax = x < 0 ? -x : x;
    if (ax < PX + PX / 2 && (y < -20 * PX || y > 26 * PX))
        t = 50;
    struct shape ventricle = {
        .x = 11 * PX, .y = -2 * PX, .rx = 7 * PX, .ry = 25 * PX, .cos = 990, .sin = 250};
    int v = shape_distance(&ventricle, ax, y) + wob / 2;
    if (v < 0)
        t = 36 + hiss;
    else if (v < 9 * PX)
        t += 34;
    return grey(t);
}

void paint_brain(struct scene *s)
{
    set_object_pose(s, 40, 30, 10 * PX);
    fill(s, brain);
    s->light = (struct light){.slope = 60, .spot = 40, .hiss = 7};
}
