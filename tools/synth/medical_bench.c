/* medical_bench.c - medical-like scenes: families of the benchmark. */
#include "synth/painters.h"

/* ---- a cell culture under phase contrast ---- */

static struct rgb medium(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    int t = 138 + noise(s->seed, x, y, 40 * PX) / 8 + noise(s->seed + 1, x, y, 3 * PX) / 14;
    return (struct rgb){{t - 8, t + 2, t - 2}};
}

void paint_culture(struct scene *s)
{
    set_pose(s, 0, 0);
    fill(s, medium);
    int n = pick(s->seed, 1, 34, 46), along = pick(s->seed, 2, 0, TURN);
    for (int k = 0; k < n; k++) {
        uint64_t seed = s->seed + 100 + (uint64_t)k;
        int x = pick(seed, 1, 0, SCENE), y = pick(seed, 2, 0, SCENE),
            a = along + pick(seed, 3, -110, 110);
        int rx = pick(seed, 4, 22, 34) * PX, ry = pick(seed, 5, 5, 9) * PX;
        struct shape cell = {
            .x = x, .y = y, .rx = rx + 3 * PX, .ry = ry + 3 * PX, .cos = cosine(a), .sin = sine(a)};
        draw(s, &cell,
             &(struct coat){
                 .colour = {{206, 216, 204}}, .alpha = 150, .soft = 5 * PX}); /* the halo */
        cell.rx = rx;
        cell.ry = ry;
        draw(s, &cell,
             &(struct coat){
                 .colour = {{112, 124, 116}}, .dome = 50, .grain = 50, .soft = 2 * PX, .part = 2});
        cell.rx = cell.ry = ry * 3 / 5;
        draw(s, &cell, &(struct coat){.colour = {{84, 98, 92}}, .dome = 40, .rim = 50});
        draw_disk(s, x + PX, y, PX * 5 / 4, &(struct coat){.colour = {{40, 52, 48}}});
    }
    s->light = (struct light){.slope = 60, .spot = 40, .vignette = 80, .tint = 10, .hiss = 7};
}

/* ---- glands in a stained tissue ---- */

static struct rgb stroma(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    int fibre = noise(s->seed, x / 3 + noise(s->seed + 1, x, y, 40 * PX) * PX / 8, y, 4 * PX) / 5;
    struct near n = nearest_point(s->seed + 2, x, y, 17 * PX);
    int light = 246 + fibre + noise(s->seed + 3, x, y, PX) / 12;
    if (n.dx * n.dx * 4 + n.dy * n.dy < 9 * PX * PX)
        return shade(116, 70, 138, light);
    return shade(224, 158, 190, light);
}

void paint_glands(struct scene *s)
{
    set_pose(s, TURN / 2, 40);
    fill(s, stroma);
    for (int k = 0; k < 12; k++) {
        uint64_t seed = s->seed + 100 + (uint64_t)k;
        int x = (k % 3 * 76 + (k / 3 & 1) * 36) * PX + pick(seed, 1, -8, 8) * PX,
            y = (k / 3 * 62 + 12) * PX + pick(seed, 2, -8, 8) * PX;
        int rx = pick(seed, 3, 24, 33) * PX, ry = pick(seed, 4, 19, 26) * PX,
            a = pick(seed, 5, 0, TURN);
        struct shape gland = {.x = x, .y = y, .rx = rx, .ry = ry, .cos = cosine(a), .sin = sine(a)};
        draw(s, &gland,
             &(struct coat){.colour = {{196, 140, 190}}, .grain = 26, .soft = 2 * PX, .part = 2});
        int nuclei = pick(seed, 6, 20, 26);
        for (int i = 0; i < nuclei; i++) { /* a ring of nuclei near the border */
            int b = i * TURN / nuclei + pick(seed, 20 + (uint64_t)i, -10, 10);
            int lx = cosine(b) * (rx - 5 * PX) / 1024, ly = sine(b) * (ry - 5 * PX) / 1024;
            struct shape nucleus = {.x = x + (lx * gland.cos - ly * gland.sin) / 1024,
                                    .y = y + (lx * gland.sin + ly * gland.cos) / 1024,
                                    .rx = 4 * PX,
                                    .ry = 5 * PX / 2,
                                    .cos = cosine(b + a),
                                    .sin = sine(b + a)};
            draw(s, &nucleus, &(struct coat){.colour = {{92, 56, 130}}, .grain = 40});
        }
        gland.rx = rx * 5 / 12;
        gland.ry = ry * 5 / 12;
        draw(s, &gland,
             &(struct coat){
                 .colour = {{244, 236, 242}}, .soft = 5 * PX, .rim = -12}); /* the lumen */
    }
    s->light = (struct light){.slope = 40, .spot = 30, .vignette = 50, .tint = 14, .hiss = 6};
}

/* ---- the back of an eye ---- */

static struct rgb fundus(const struct scene *s, int x, int y, unsigned char *part)
{
    int r = root((int64_t)x * x + (int64_t)y * y);
    *part = r < 86 * PX;
    if (r > 102 * PX)
        return (struct rgb){{10, 8, 8}};
    int mx = x + 14 * PX,
        macula = clamp(60 - root((int64_t)mx * mx + (int64_t)y * y) * 60 / (26 * PX), 0, 60);
    int light = 244 + noise(s->seed, x + FAR, y + FAR, 40 * PX) / 7 +
                noise(s->seed + 1, x + FAR, y + FAR, 4 * PX) / 11 - macula - r / (3 * PX);
    if (r > 98 * PX)
        light -= (r - 98 * PX) * 3;
    return shade(206, 104, 52, light);
}

static void artery(struct scene *s, uint64_t seed, int start[2], int angle, int width)
{
    int at[2] = {start[0], start[1]};
    for (int k = 0; k < 16 && width >= PX / 2; k++) {
        int x = at[0] - SCENE / 2, y = at[1] - SCENE / 2;
        if ((int64_t)x * x + (int64_t)y * y > 97 * PX * 97 * PX)
            break;
        int to[2] = {at[0] + cosine(angle) * 9 * PX / 1024, at[1] + sine(angle) * 9 * PX / 1024};
        draw_line(s, at, to, width,
                  &(struct coat){.colour = {{122, 30, 22}}, .alpha = 200, .soft = PX * 3 / 2});
        if (width > PX && (k == 4 || k == 9)) {
            int side = pick(seed, 50 + (uint64_t)k, 0, 1) ? 90 : -90;
            artery(s, seed * 3 + (uint64_t)k, to, angle + side, width * 5 / 8);
        }
        angle += pick(seed, (uint64_t)k, -34, 34);
        at[0] = to[0];
        at[1] = to[1];
        width = width * 19 / 20;
    }
}

void paint_retina(struct scene *s)
{
    set_object_pose(s, 0, 0, 0);
    fill(s, fundus);
    int side = pick(s->seed, 1, 0, 1) ? 1 : -1;
    int disc[2] = {SCENE / 2 + side * pick(s->seed, 2, 40, 56) * PX,
                   SCENE / 2 + pick(s->seed, 3, -14, 14) * PX};
    draw_disk(s, disc[0], disc[1], 15 * PX,
              &(struct coat){.colour = {{240, 196, 116}}, .soft = 6 * PX});
    draw_disk(s, disc[0], disc[1], 6 * PX,
              &(struct coat){.colour = {{252, 232, 176}}, .soft = 5 * PX});
    for (int k = 0; k < 8; k++) {
        int up = k & 1 ? 1 : -1, inward = k < 4 ? TURN / 2 : 0;
        int angle = (side > 0 ? inward : TURN / 2 - inward) +
                    up * (k / 2 % 2 ? 190 : 110) * (side > 0 && k < 4 ? -1 : 1) +
                    pick(s->seed, 20 + (uint64_t)k, -20, 20);
        artery(s, s->seed + 70 + (uint64_t)k, disc, angle,
               2 * PX + pick(s->seed, 30 + (uint64_t)k, -6, 10));
    }
    s->light = (struct light){.slope = 60, .spot = 50, .vignette = 30, .tint = 10, .hiss = 6};
}

/* ---- inside a bowel ---- */

static struct rgb bowel(const struct scene *s, int x, int y, unsigned char *part)
{
    int cx = x - pick(s->seed, 2, -40, 40) * PX, cy = y - pick(s->seed, 3, -40, 40) * PX;
    int wob = noise(s->seed, x + FAR, y + FAR, 50 * PX) * PX / 9;
    int r = root((int64_t)cx * cx + (int64_t)cy * cy) + wob;
    int depth = clamp(r - 12 * PX, 0, 140 * PX);
    /* folds are rings that come closer to each other towards the dark end */
    int phase = root((int64_t)depth * 90 * PX) * 12 / PX +
                noise(s->seed + 1, x + FAR, y + FAR, 60 * PX) * 2;
    int fold = sine(phase * 3) / 14;
    int light = clamp(40 + depth * 5 / PX, 40, 236) + (depth > 6 * PX ? fold : 0) +
                noise(s->seed + 4, x + FAR, y + FAR, 14 * PX) / 10;
    int vein = noise(s->seed + 5, x + FAR, y + FAR, 18 * PX) +
               noise(s->seed + 6, x + FAR, y + FAR, 7 * PX) / 3;
    int edge = root((int64_t)x * x + (int64_t)y * y);
    *part = depth > 10 * PX && edge < 106 * PX;
    if (edge > 122 * PX)
        return (struct rgb){{12, 10, 12}};
    bool is_vein = vein > -5 && vein < 5;
    return shade(232 - (is_vein ? 26 : 0), 142 - (is_vein ? 40 : 0), 116 - (is_vein ? 22 : 0),
                 light);
}

void paint_endoscopy(struct scene *s)
{
    set_object_pose(s, TURN / 2, 30, 4 * PX);
    fill(s, bowel);
    for (int k = pick(s->seed, 5, 4, 10); k > 0; k--) { /* wet highlights */
        uint64_t seed = s->seed + 100 + (uint64_t)k;
        int a = pick(seed, 1, 0, TURN);
        struct shape wet = {.x = pick(seed, 2, 20, 200) * PX,
                            .y = pick(seed, 3, 20, 200) * PX,
                            .rx = pick(seed, 4, 2, 7) * PX,
                            .ry = pick(seed, 5, 1, 3) * PX,
                            .cos = cosine(a),
                            .sin = sine(a)};
        draw(s, &wet, &(struct coat){.colour = {{255, 244, 236}}, .alpha = 230, .soft = 2 * PX});
    }
    s->light = (struct light){.slope = 50, .spot = 50, .tint = 12, .hiss = 6};
}

/* ---- an ultrasound sector ---- */

static struct rgb sector(const struct scene *s, int x, int y, unsigned char *part)
{
    int ox = x, oy = y + 150 * PX, r = root((int64_t)ox * ox + (int64_t)oy * oy),
        ax = ox < 0 ? -ox : ox;
    *part = 0;
    if (r < 62 * PX || r > 252 * PX || ax * 16 > oy * 11)
        return (struct rgb){{6, 6, 6}};
    *part = r > 72 * PX && r < 240 * PX && ax * 16 < oy * 10;
    int across = oy ? ox * 150 / oy * PX : 0;
    int speckle =
        noise(s->seed, across * 2 + FAR, r, 4 * PX) + noise(s->seed + 1, across + FAR, r, 2 * PX);
    int depth = r + noise(s->seed + 2, x + FAR, y + FAR, 50 * PX) * PX / 9;
    int base = 84 + noise(s->seed + 3, FAR, depth, 20 * PX) / 3 +
               noise(s->seed + 4, x + FAR, y + FAR, 36 * PX) / 4 - (r - 62 * PX) / (6 * PX);
    struct shape organ = {.x = pick(s->seed, 5, -30, 30) * PX,
                          .y = pick(s->seed, 6, -20, 30) * PX,
                          .rx = 44 * PX,
                          .ry = 28 * PX,
                          .cos = 990,
                          .sin = pick(s->seed, 7, -260, 260)};
    int d = shape_distance(&organ, x, y) + noise(s->seed + 8, x + FAR, y + FAR, 26 * PX) * PX / 20;
    if (d < 0)
        base = base * 3 / 5;
    else if (d < 3 * PX)
        base += 56;
    int t = base * (256 + speckle * 5 / 4) / 256;
    return (struct rgb){{t, t, t}};
}

void paint_ultrasound(struct scene *s)
{
    set_object_pose(s, 0, 10, 4 * PX);
    fill(s, sector);
    struct coat mark = {.colour = {{150, 150, 150}}};
    for (int k = 0; k < 8; k++) /* the depth scale at the side */
        draw_line(s, (int[2]){214 * PX, (20 + 24 * k) * PX},
                  (int[2]){(k % 2 ? 217 : 221) * PX, (20 + 24 * k) * PX}, PX * 3 / 4, &mark);
    s->light = (struct light){.slope = 50, .spot = 30, .hiss = 6};
}
