/* parts_bench.c - things on a ground: families of the benchmark. */
#include "synth/painters.h"

/* ---- a bottle seen from above ---- */

static void paint_facets(struct scene *s, int cx, int cy, int r, int turn)
{
    for (int k = 0; k < 24; k++) { /* reflections in the thick glass */
        uint64_t seed = s->seed + 50 + (uint64_t)k;
        int a = turn + k * TURN / 24 + pick(seed, 1, -8, 8), at = r + pick(seed, 2, -4, 4) * PX;
        int tone = pick(seed, 3, 30, 200);
        struct shape glint = bar(cx + cosine(a) * at / 1024, cy + sine(a) * at / 1024,
                                 pick(seed, 4, 2, 8) * PX, 2 * PX, a + TURN / 4);
        draw(s, &glint,
             &(struct coat){
                 .colour = {{tone + 20, tone + 10, tone * 3 / 4}}, .alpha = 150, .soft = 3 * PX});
    }
}

void paint_bottle(struct scene *s)
{
    int cx = SCENE / 2 + pick(s->seed, 1, -9, 9) * PX,
        cy = SCENE / 2 + pick(s->seed, 2, -9, 9) * PX;
    int turn = pick(s->seed, 3, 0, TURN), r = pick(s->seed, 4, 88, 98) * PX;
    int tone = pick(s->seed, 5, 150, 235);
    int glass = pick(s->seed, 6, 0, 2);
    struct rgb dark = glass == 0   ? (struct rgb){{64, 42, 24}}
                      : glass == 1 ? (struct rgb){{30, 62, 40}}
                                   : (struct rgb){{52, 58, 66}};
    draw(s, &(struct shape){.x = SCENE / 2, .y = SCENE / 2, .rx = SCENE, .ry = SCENE, .box = true},
         &(struct coat){.colour = {{tone, tone, tone - 6}}, .cut = true});
    if (s->bare)
        return;
    draw_disk(s, cx + 5 * PX, cy + 6 * PX, r + 3 * PX,
              &(struct coat){.colour = {{20, 20, 20}}, .alpha = 110, .soft = 16 * PX});
    draw_disk(s, cx, cy, r,
              &(struct coat){.colour = lit(dark, 150), .rim = 60, .grain = 20, .part = 1});
    paint_facets(s, cx, cy, r * 7 / 8, turn);
    draw_disk(s, cx, cy, r * 3 / 4,
              &(struct coat){.colour = dark, .dome = 50, .rim = -40, .grain = 20});
    struct shape rim = {.x = cx, .y = cy, .rx = r * 16 / 25, .ry = r * 16 / 25, .ring = 5 * PX};
    draw(s, &rim, &(struct coat){.colour = lit(dark, 620), .dome = 90, .grain = 20, .part = 2});
    paint_facets(s, cx, cy, r * 16 / 25, turn * 3);
    draw_disk(s, cx, cy, r / 2, &(struct coat){.colour = lit(dark, 130), .dome = -90, .grain = 16});
    draw_disk(s, cx + PX, cy + 2 * PX, r * 2 / 5,
              &(struct coat){.colour = lit(dark, 330), .dome = -60, .soft = 10 * PX});
    struct shape glow = {
        .x = cx - r / 8, .y = cy - r / 6, .rx = r / 8, .ry = r / 14, .cos = 800, .sin = -640};
    draw(s, &glow, &(struct coat){.colour = {{250, 246, 230}}, .alpha = 190, .soft = 4 * PX});
    s->light = (struct light){.slope = 70, .spot = 60, .shadow = 40, .tint = 8, .hiss = 6};
}

/* ---- screws and nuts on a tray ---- */

static struct rgb tray(const struct scene *s, int x, int y, unsigned char *part)
{
    /* embossed rubber: a lattice of small studs */
    int period = 14 * PX, dx = x % period - period / 2, dy = y % period - period / 2;
    int r = root(dx * dx + dy * dy);
    int stud = r < 4 * PX ? 20 - (dx + dy) / 5 : r < 5 * PX ? (dx + dy) / 8 : 0;
    int tone = pick(s->seed, 20, 60, 120), cold = pick(s->seed, 21, -10, 16);
    *part = 0;
    return shade(tone - cold, tone, tone + cold, 256 + stud + noise(s->seed + 1, x, y, 2 * PX) / 9);
}

static void paint_screw(struct scene *s, uint64_t seed, int x, int y, int part)
{
    struct coat steel = {.colour = {{172, 168, 156}},
                         .dome = 120,
                         .gloss = 60,
                         .grain = 14,
                         .part = (unsigned char)part};
    struct coat thread = {.colour = {{70, 68, 64}}, .alpha = 200};
    struct coat shadow = {.colour = {{6, 6, 8}}, .alpha = 130, .soft = 7 * PX};
    int a = pick(seed, 1, -50, 50) + (pick(seed, 2, 0, 1) ? TURN / 2 : 0), c = cosine(a),
        n = sine(a);
    int head[2] = {x - c * 40 * PX / 1024, y - n * 40 * PX / 1024};
    int tip[2] = {x + c * 42 * PX / 1024, y + n * 42 * PX / 1024};
    struct shape shank = bar(x + 4 * PX, y + 5 * PX, 42 * PX, 8 * PX, a);
    draw(s, &shank, &shadow);
    draw_line(s, head, tip, 6 * PX, &steel);
    for (int k = -4; k <= 15; k++) {
        int px = x + c * k * 5 * PX / 2048, py = y + n * k * 5 * PX / 2048;
        struct shape turn = bar(px, py, 7 * PX, PX * 3 / 4, a + TURN / 4 + 30);
        draw(s, &turn, &thread);
    }
    struct shape top = bar(head[0], head[1], 6 * PX, 14 * PX, a);
    top.round = 4 * PX;
    draw(s, &top, &steel);
    struct shape slot =
        bar(head[0] - c * 4 * PX / 1024, head[1] - n * 4 * PX / 1024, 3 * PX, 3 * PX / 2, a);
    draw(s, &slot, &thread);
}

static void paint_nut(struct scene *s, uint64_t seed, int x, int y, int part)
{
    int a = pick(seed, 1, 0, TURN);
    draw_disk(s, x + 4 * PX, y + 5 * PX, 20 * PX,
              &(struct coat){.colour = {{6, 6, 8}}, .alpha = 130, .soft = 8 * PX});
    for (int k = 0; k < 3; k++) { /* three bars make a hexagon */
        struct shape side = bar(x, y, 18 * PX, 21 * PX / 2, a + k * TURN / 6);
        draw(s, &side,
             &(struct coat){.colour = {{176, 164, 130}},
                            .dome = 20,
                            .rim = 20,
                            .grain = 14,
                            .part = (unsigned char)part});
    }
    draw_disk(s, x, y, 15 * PX,
              &(struct coat){.colour = {{182, 172, 140}}, .dome = 40, .grain = 14});
    draw_disk(s, x, y, 9 * PX, &(struct coat){.colour = {{70, 62, 48}}, .dome = -90, .cut = true});
    draw_disk(s, x, y, 6 * PX, &(struct coat){.colour = {{34, 32, 30}}});
}

void paint_screws(struct scene *s)
{
    set_pose(s, 30, 30);
    fill(s, tray);
    for (int k = 0; k < 4; k++) {
        uint64_t seed = s->seed + 100 + (uint64_t)k;
        int y = (36 + k * 50) * PX + pick(seed, 3, -3, 3) * PX;
        bool left = pick(seed, 4, 0, 1);
        int jitter = pick(seed, 5, -7, 7) * PX;
        if (s->bare)
            continue;
        paint_screw(s, seed, (left ? 74 : 150) * PX + jitter, y, 2 * k + 1);
        paint_nut(s, seed + 7, (left ? 180 : 42) * PX - jitter, y, 2 * k + 2);
    }
    s->light = (struct light){.slope = 90, .spot = 80, .shadow = 50, .tint = 8, .hiss = 7};
}

/* ---- a zipper ---- */

static struct rgb zip_cloth(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    int tone = pick(s->seed, 20, 40, 130), hue = pick(s->seed, 21, 0, 2);
    int rib = sine(x * 90 / PX) / 22 + sine((x + y) * 220 / PX) / 40;
    int light = 256 + rib + noise(s->seed, x, y, 2 * PX) / 6;
    int seam = x / PX % 66;
    light += seam < 2 ? -90 : 0;
    return shade(tone + (hue == 0 ? 50 : 0), tone + (hue == 1 ? 26 : 0), tone + (hue == 2 ? 50 : 8),
                 light);
}

void paint_zipper(struct scene *s)
{
    set_pose(s, 5, 30);
    fill(s, zip_cloth);
    int x = SCENE / 2 + pick(s->seed, 1, -30, 30) * PX, lean = pick(s->seed, 2, -14, 14) * PX;
    int step = pick(s->seed, 3, 10, 13) * PX, warm = pick(s->seed, 4, 0, 50);
    struct coat gap = {.colour = {{24, 22, 24}}, .part = 1};
    draw_line(s, (int[2]){x - lean, -PX * 20}, (int[2]){x + lean, SCENE + PX * 20}, 15 * PX, &gap);
    for (int k = -1, y = -step; y < SCENE + step && !s->bare; k++, y += step / 2) {
        int at = x + (y - SCENE / 2) * 2 * lean / SCENE, side = (k & 1) ? 1 : -1;
        struct shape tooth = bar(at + side * 8 * PX, y, 13 * PX, step / 3, 0);
        tooth.round = 2 * PX;
        draw(s, &tooth,
             &(struct coat){.colour = {{176 + warm / 2, 170 + warm / 4, 160 - warm}},
                            .dome = 110,
                            .grain = 14,
                            .part = (unsigned char)(2 + (k & 63))});
        draw_disk(s, at - side * 3 * PX, y, step / 4,
                  &(struct coat){.colour = {{210 + warm / 2, 204, 190 - warm}}, .dome = 90});
    }
    s->light = (struct light){.slope = 90, .spot = 60, .shadow = 50, .tint = 10, .hiss = 7};
}
