/* parts.c - things on a ground: families a model is trained on. */
#include "synth/painters.h"

/* Cover the picture with a plain ground that no defect sits on. */
static struct rgb ground_texture(const struct scene *s, int x, int y, unsigned char *part)
{
    int tone = pick(s->seed, 20, 60, 200), warm = pick(s->seed, 21, -14, 14);
    int light = 256 + noise(s->seed + 1, x, y, 3 * PX) / 9 + noise(s->seed + 2, x, y, 60 * PX) / 4;
    *part = 0;
    return shade(tone + warm, tone, tone - warm, light);
}

/* ---- pills in a tray ---- */

static void paint_pill(struct scene *s, uint64_t seed, int x, int y, unsigned char part)
{
    static const struct rgb dye[] = {
        {{232, 226, 214}}, {{206, 94, 78}}, {{92, 134, 180}}, {{222, 186, 88}}, {{126, 164, 112}}};
    struct rgb a = dye[pick(s->seed, 30, 0, 4)], b = dye[pick(s->seed, 31, 0, 4)];
    int angle = pick(seed, 1, 0, TURN - 1);
    struct coat shadow = {.colour = {{20, 20, 24}}, .alpha = 110, .soft = 8 * PX};
    if (pick(s->seed, 32, 0, 1)) { /* a round tablet with a score line */
        int r = 21 * PX;
        draw_disk(s, x + 3 * PX, y + 4 * PX, r + PX, &shadow);
        draw_disk(s, x, y, r,
                  &(struct coat){.colour = a, .dome = 46, .rim = -40, .grain = 16, .part = part});
        draw_disk(s, x, y, r - 4 * PX, &(struct coat){.colour = a, .dome = -24, .grain = 16});
        struct shape line = bar(x, y, r - 4 * PX, PX, angle);
        draw(s, &line, &(struct coat){.colour = lit(a, 170)});
        return;
    }
    int c = cosine(angle), n = sine(angle), half = 15 * PX;
    int tip[2] = {x + c * half / 1024, y + n * half / 1024};
    int end[2] = {x - c * half / 1024, y - n * half / 1024};
    draw_line(s, (int[2]){tip[0] + 3 * PX, tip[1] + 4 * PX},
              (int[2]){end[0] + 3 * PX, end[1] + 4 * PX}, 12 * PX, &shadow);
    draw_line(s, tip, end, 11 * PX, &(struct coat){.colour = b, .dome = 100, .part = part});
    draw_line(s, tip, (int[2]){x, y}, 12 * PX,
              &(struct coat){.colour = a, .dome = 100, .part = part});
    draw_line(s, (int[2]){tip[0] - 4 * PX, tip[1] - 5 * PX},
              (int[2]){end[0] - 4 * PX, end[1] - 5 * PX}, PX,
              &(struct coat){.colour = {{255, 255, 255}}, .alpha = 110, .soft = 2 * PX});
}

void paint_pills(struct scene *s)
{
    set_pose(s, 0, 0);
    fill(s, ground_texture);
    int x0 = pick(s->seed, 2, 24, 44) * PX, y0 = pick(s->seed, 3, 24, 44) * PX;
    for (int k = 0; k < 9; k++) {
        uint64_t seed = s->seed + 100 + (uint64_t)k;
        int x = x0 + k % 3 * 70 * PX + pick(seed, 2, -2, 2) * PX;
        int y = y0 + k / 3 * 70 * PX + pick(seed, 3, -2, 2) * PX;
        draw(s,
             &(struct shape){
                 .x = x, .y = y, .rx = 32 * PX, .ry = 32 * PX, .box = true, .round = 10 * PX},
             &(struct coat){.colour = {{146, 150, 156}}, .dome = -30, .rim = 50, .alpha = 150});
        if (!s->bare)
            paint_pill(s, seed, x, y, (unsigned char)(k + 1));
    }
    s->light =
        (struct light){.slope = 70, .spot = 70, .shadow = 60, .vignette = 30, .tint = 8, .hiss = 6};
}

/* ---- a gear wheel ---- */

void paint_gear(struct scene *s)
{
    set_pose(s, 0, 0);
    fill(s, ground_texture);
    int cx = SCENE / 2 + pick(s->seed, 1, -10, 10) * PX,
        cy = SCENE / 2 + pick(s->seed, 2, -10, 10) * PX;
    int r = pick(s->seed, 3, 66, 80) * PX, teeth = pick(s->seed, 4, 14, 22),
        turn = pick(s->seed, 5, 0, TURN);
    int tone = pick(s->seed, 6, 110, 190), warm = pick(s->seed, 7, 0, 40);
    struct rgb steel = {{tone + warm, tone + warm / 2, tone}};
    struct rgb under = {{60, 60, 62}};
    if (!s->bare)
        draw_disk(s, cx + 5 * PX, cy + 7 * PX, r + 8 * PX,
                  &(struct coat){.colour = {{16, 16, 18}}, .alpha = 120, .soft = 14 * PX});
    for (int k = 0; k < teeth && !s->bare; k++) {
        int a = turn + k * TURN / teeth, reach = r + 4 * PX;
        struct shape tooth = bar(cx + cosine(a) * reach / 1024, cy + sine(a) * reach / 1024,
                                 10 * PX, r * 2 / teeth, a);
        draw(s, &tooth,
             &(struct coat){
                 .colour = steel, .rim = 36, .grain = 16, .part = (unsigned char)(k + 2)});
    }
    if (s->bare)
        return;
    draw_disk(s, cx, cy, r, &(struct coat){.colour = steel, .grain = 22, .part = 1});
    draw_disk(s, cx, cy, r * 4 / 5,
              &(struct coat){.colour = lit(steel, 200), .dome = 40, .grain = 22, .rim = -40});
    int holes = pick(s->seed, 8, 4, 6);
    for (int k = 0; k < holes; k++) {
        int a = turn + k * TURN / holes;
        draw_disk(s, cx + cosine(a) * r / 1900, cy + sine(a) * r / 1900, r / 7,
                  &(struct coat){.colour = under, .rim = 90, .cut = true});
    }
    draw_disk(s, cx, cy, r / 3,
              &(struct coat){.colour = steel, .dome = 50, .grain = 16, .rim = 40});
    draw_disk(s, cx, cy, r / 6, &(struct coat){.colour = under, .rim = 80, .cut = true});
    s->light =
        (struct light){.slope = 90, .spot = 70, .shadow = 60, .vignette = 40, .tint = 8, .hiss = 7};
}

/* ---- the cross-section of a cable ---- */

static void paint_core(struct scene *s, int x, int y, int k)
{
    static const struct rgb jacket[] = {{{86, 132, 84}}, {{64, 98, 156}}, {{138, 92, 62}}};
    unsigned char part = (unsigned char)(10 + k);
    draw_disk(
        s, x, y, 37 * PX,
        &(struct coat){.colour = jacket[k], .dome = 36, .rim = -40, .grain = 14, .part = part});
    draw_disk(s, x, y, 27 * PX, &(struct coat){.colour = {{50, 34, 26}}, .part = part});
    for (int i = 0; i < 19; i++) { /* strands: 1, 6 and 12 in rings */
        int ring = i == 0 ? 0 : i < 7 ? 1 : 2;
        int a = i < 7 ? i * TURN / 6 : (i - 7) * TURN / 12;
        a += pick(s->seed, 40 + (uint64_t)k, 0, TURN);
        int at = ring * 10 * PX;
        draw_disk(
            s, x + cosine(a) * at / 1024, y + sine(a) * at / 1024, 11 * PX / 2,
            &(struct coat){.colour = {{196, 126, 84}}, .dome = 90, .gloss = 110, .grain = 20});
    }
}

void paint_cable(struct scene *s)
{
    set_pose(s, 0, 0);
    fill(s, ground_texture);
    int cx = SCENE / 2 + pick(s->seed, 1, -6, 6) * PX,
        cy = SCENE / 2 + pick(s->seed, 2, -6, 6) * PX;
    int turn = pick(s->seed, 3, 0, TURN - 1), tone = pick(s->seed, 4, 70, 170);
    draw_disk(s, cx + 6 * PX, cy + 6 * PX, 100 * PX,
              &(struct coat){.colour = {{10, 10, 12}}, .alpha = 120, .soft = 14 * PX});
    draw_disk(
        s, cx, cy, 98 * PX,
        &(struct coat){
            .colour = {{tone, tone, tone + 4}}, .dome = 30, .grain = 26, .rim = 30, .part = 1});
    draw_disk(s, cx, cy, 86 * PX,
              &(struct coat){.colour = {{112, 108, 102}}, .grain = 40, .rim = -40, .part = 2});
    for (int k = 0; k < 3 && !s->bare; k++) {
        int a = turn + k * TURN / 3;
        paint_core(s, cx + cosine(a) * 44 * PX / 1024, cy + sine(a) * 44 * PX / 1024, k);
    }
    s->light =
        (struct light){.slope = 80, .spot = 60, .shadow = 30, .vignette = 40, .tint = 8, .hiss = 6};
}

/* ---- a hazelnut ---- */

static struct rgb nut(const struct scene *s, int x, int y, unsigned char *part)
{
    int wob = noise(s->seed + 3, x + FAR, y + FAR, 50 * PX) * PX / 14;
    int top = y < 0 ? -y * 9 / 10 : y;
    int r = root((int64_t)x * x + (int64_t)top * top) + wob, edge = 80 * PX;
    if (r > edge || s->bare)
        return ground_texture(s, x + FAR, y + FAR, part);
    int stripe = noise(s->seed + 4, (x + FAR) * 2, y / 7 + FAR, 9 * PX) / 5 +
                 noise(s->seed + 5, x + FAR, y / 4 + FAR, 3 * PX) / 7;
    int fall = r * 100 / edge * r / edge;
    int light = 270 + stripe - fall - (x + y) * 60 / edge;
    *part = 1;
    /* the pale cap */
    int cap = y - 46 * PX + x * x / (90 * PX) + noise(s->seed + 6, x + FAR, FAR, 10 * PX) * PX / 30;
    if (cap > 0)
        return shade(206, 176, 136, light + noise(s->seed + 7, x + FAR, y + FAR, 2 * PX) / 4);
    int gx = x + 26 * PX, gy = y + 30 * PX;
    int gloss = clamp(80 - root((int64_t)gx * gx + (int64_t)gy * gy) * 80 / (30 * PX), 0, 80);
    return shade(158, 98, 54, light + gloss);
}

void paint_hazelnut(struct scene *s)
{
    set_object_pose(s, TURN / 2, 36, 12 * PX);
    fill(s, nut);
    s->light = (struct light){
        .slope = 60, .spot = 50, .shadow = 30, .vignette = 30, .tint = 10, .hiss = 7};
}

/* ---- a printed board ---- */

static struct rgb laminate(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    int hue = pick(s->seed, 20, 0, 2);
    int light = 230 + noise(s->seed, x, y, 2 * PX) / 10 + noise(s->seed + 1, x, y, 40 * PX) / 8;
    return hue == 0   ? shade(34, 104, 66, light)
           : hue == 1 ? shade(36, 70, 128, light)
                      : shade(48, 92, 96, light);
}

static void paint_chip(struct scene *s, int x, int y, int k)
{
    int w = pick(s->seed, 60 + (uint64_t)k, 12, 22) * PX,
        h = pick(s->seed, 70 + (uint64_t)k, 10, 18) * PX;
    unsigned char part = (unsigned char)(2 + k);
    for (int p = -w + 3 * PX; p < w; p += 5 * PX) {
        struct shape pin = bar(x + p, y, h + 5 * PX, 3 * PX / 2, TURN / 4);
        draw(s, &pin, &(struct coat){.colour = {{198, 198, 190}}, .dome = 60, .part = part});
    }
    struct shape body = bar(x, y, w, h, 0);
    draw(s, &body, &(struct coat){.colour = {{46, 46, 50}}, .rim = 60, .grain = 12, .part = part});
    draw_disk(s, x - w + 4 * PX, y - h + 4 * PX, 3 * PX / 2,
              &(struct coat){.colour = {{110, 110, 110}}});
    for (int p = 0; p < 4; p++) {
        struct shape text = bar(x - w / 2 + p * w / 4, y + PX, w / 12,
                                2 * PX + pick(s->seed, at2(k, p), 0, 2) * PX, 0);
        draw(s, &text, &(struct coat){.colour = {{150, 150, 148}}});
    }
}

void paint_board(struct scene *s)
{
    static const struct coat copper = {.colour = {{136, 158, 104}}, .rim = -30, .part = 1};
    static const struct coat pad = {.colour = {{204, 186, 120}}, .dome = 50, .part = 1};
    set_pose(s, 0, 0);
    fill(s, laminate);
    int x0 = pick(s->seed, 1, 0, 20) * PX, y0 = pick(s->seed, 2, 0, 20) * PX;
    for (int k = 0; k < 15; k++) { /* tracks with a bend and a pad at each end */
        uint64_t seed = s->seed + 200 + (uint64_t)k;
        int a[2] = {x0 + k * 14 * PX, pick(seed, 1, 4, 90) * PX};
        int b[2] = {a[0], pick(seed, 2, 110, 150) * PX};
        int c[2] = {a[0] + pick(seed, 3, -2, 2) * 14 * PX, b[1] + pick(seed, 4, 14, 60) * PX};
        draw_line(s, a, b, 3 * PX / 2, &copper);
        draw_line(s, b, c, 3 * PX / 2, &copper);
        for (int e = 0; e < 2; e++) {
            draw_disk(s, e ? c[0] : a[0], e ? c[1] : a[1], 4 * PX, &pad);
            draw_disk(s, e ? c[0] : a[0], e ? c[1] : a[1], 2 * PX,
                      &(struct coat){.colour = {{40, 36, 30}}});
        }
    }
    for (int k = 0; k < 6 && !s->bare; k++)
        paint_chip(s, x0 + 36 * PX + k % 3 * 66 * PX + pick(s->seed, 30 + (uint64_t)k, -8, 8) * PX,
                   y0 + 50 * PX + k / 3 * 92 * PX + pick(s->seed, 40 + (uint64_t)k, -12, 12) * PX,
                   k);
    s->light = (struct light){.slope = 80, .spot = 90, .shadow = 50, .tint = 6, .hiss = 7};
}

/* ---- a printed label ---- */

void paint_label(struct scene *s)
{
    set_pose(s, 0, 0);
    fill(s, ground_texture);
    static const struct rgb ink[] = {{{40, 40, 44}}, {{150, 40, 44}}, {{36, 64, 130}}};
    int angle = pick(s->seed, 1, -16, 16), cx = SCENE / 2, cy = SCENE / 2;
    struct shape paper = bar(cx, cy, 98 * PX, 88 * PX, angle);
    draw(s, &paper,
         &(struct coat){.colour = {{226, 220, 204}}, .grain = 10, .rim = -50, .part = 1});
    struct rgb band = ink[pick(s->seed, 2, 0, 2)];
    int c = cosine(angle), n = sine(angle);
    struct shape top =
        bar(cx + n * 70 * PX / 1024, cy - c * 70 * PX / 1024, 98 * PX, 14 * PX, angle);
    draw(s, &top, &(struct coat){.colour = band, .grain = 14});
    for (int row = 0; row < 9 && !s->bare; row++) {
        int y = -42 * PX + row * 14 * PX, x = -88 * PX, k = 0;
        int stop = pick(s->seed, 300 + (uint64_t)row, 20, 88) * PX;
        bool is_code = row >= 6;
        for (; x < stop; k++) { /* letters, and a bar code at the bottom */
            uint64_t seed = s->seed + at2(row < 6 ? row : 6, k);
            int w = pick(seed, 1, 1, is_code ? 3 : 2) * PX;
            int lx = x + w, h = is_code ? 7 * PX : pick(seed, 2, 3, 5) * PX;
            struct shape mark =
                bar(cx + (lx * c - y * n) / 1024, cy + (lx * n + y * c) / 1024, w, h, angle);
            draw(s, &mark, &(struct coat){.colour = ink[0], .alpha = 220});
            if (!is_code && pick(seed, 4, 0, 1)) {
                struct shape eye = mark;
                eye.rx = eye.rx / 2;
                eye.ry = eye.ry / 3;
                draw(s, &eye, &(struct coat){.colour = {{226, 220, 204}}});
            }
            x += 2 * w + pick(seed, 3, 1, is_code ? 2 : 4) * PX;
        }
    }
    s->light = (struct light){.slope = 60, .spot = 50, .shadow = 90, .tint = 12, .hiss = 6};
}
