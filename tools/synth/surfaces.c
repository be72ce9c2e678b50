/* surfaces.c - textures that fill the picture. */
#include "synth/painters.h"

static int distance_to_edge(int at, int period)
{
    int d = at % period;
    return d < period - d ? d : period - d;
}

/* ---- brushed metal ---- */

static struct rgb metal(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    int light = 150 + noise(s->seed, x / 40, y, 20) / 4 + noise(s->seed + 1, x / 24, y, 9) / 5 +
                noise(s->seed + 2, x, y, 60 * PX) / 3 + noise(s->seed + 3, x / 8, y, 3 * PX) / 6;
    /* the sheet mirrors a bright and a dark band across its grain */
    light += sine(x * 3 / PX + noise(s->seed + 4, x, y, 90 * PX)) / 24;
    return shade(246, 250, 262, light);
}

void paint_metal(struct scene *s)
{
    static const struct coat engraved = {.colour = {{70, 72, 78}}, .alpha = 190};
    set_pose(s, 60, 60);
    fill(s, metal);
    if (pick(s->seed, 1, 0, 2)) /* a milled edge */
        for (int k = 0; k < 2; k++) {
            int y = pick(s->seed, 2, 10, 50) * PX + k * 5 * PX;
            draw_line(s, (int[2]){-100, y}, (int[2]){SCENE + 100, y}, PX, &engraved);
        }
    if (pick(s->seed, 3, 0, 2)) { /* a stamped number */
        int x = pick(s->seed, 4, 20, 110) * PX, y = pick(s->seed, 5, 150, 196) * PX;
        for (int k = 0; k < 7; k++) {
            int shape = pick(s->seed, 10 + (uint64_t)k, 0, 3), x1 = x + k * 11 * PX;
            draw_line(s, (int[2]){x1, y}, (int[2]){x1 + (shape & 1) * 6 * PX, y + 12 * PX},
                      PX * 3 / 4, &engraved);
            draw_line(s, (int[2]){x1, y + (shape / 2) * 6 * PX}, (int[2]){x1 + 6 * PX, y},
                      PX * 3 / 4, &engraved);
        }
    }
    s->light = (struct light){.slope = 110, .spot = 70, .shadow = 40, .tint = 6, .hiss = 7};
}

/* ---- wood ---- */

static struct rgb wood(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    int board = y / (74 * PX);
    uint64_t seed = s->seed + (uint64_t)board;
    int bend = noise(seed, x / 3, y, 40 * PX) * PX / 9 + noise(seed + 9, x, y, 120 * PX) * PX / 5;
    int ring = sine((y + bend) * 13 / PX) / 9;
    int ring2 = noise(seed + 1, x / 14, y + bend + FAR, 3 * PX) / 3;
    int pore = noise(seed + 2, x / 12, y, 14) > 78 ? -40 : 0;
    int light = 214 + (ring > 40 ? -(ring - 40) : ring / 3) / 1 + ring2 / 2 + pore +
                pick(seed, 5, -38, 30) + noise(seed + 3, x / 2, y, 50 * PX) / 6;
    struct rgb knot_free = shade(206, 152, 92, light);
    return distance_to_edge(y, 74 * PX) < PX ? lit(knot_free, 90) : knot_free;
}

void paint_wood(struct scene *s)
{
    set_pose(s, 25, 50);
    fill(s, wood);
    s->light = (struct light){.slope = 90, .spot = 50, .shadow = 70, .tint = 10, .hiss = 6};
}

/* ---- tiles ---- */

static struct rgb tiles(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    const int side = 58 * PX;
    uint64_t seed = s->seed;
    int i = x / side, j = y / side;
    int ex = distance_to_edge(x, side), ey = distance_to_edge(y, side), edge = ex < ey ? ex : ey;
    if (edge < 2 * PX)
        return shade(170, 168, 160, 220 + noise(seed + 8, x, y, 2 * PX) / 4);
    bool is_dark = (i + j) & 1;
    int cx = x % side - side / 2, cy = y % side - side / 2;
    int q = (cx < 0 ? -cx : cx) + (cy < 0 ? -cy : cy);
    int marble = noise(seed + 1, x, y, 26 * PX) / 5 + noise(seed + 2, x, y, 7 * PX) / 9;
    int light = 232 + pick(seed, at2(i, j), -18, 18) - (edge < 4 * PX ? 30 : 0) + marble;
    struct rgb glaze = is_dark ? shade(92, 128, 150, light) : shade(214, 214, 204, light);
    if (q < 11 * PX || (q > 15 * PX && q < 18 * PX)) /* an ornament in the middle */
        glaze = is_dark ? shade(206, 196, 160, light) : shade(70, 100, 124, light);
    return glaze;
}

void paint_tiles(struct scene *s)
{
    set_pose(s, 40, 40);
    fill(s, tiles);
    s->light = (struct light){.slope = 60, .spot = 80, .shadow = 60, .tint = 8, .hiss = 6};
}

/* ---- brick ---- */

static struct rgb brick(const struct scene *s, int x, int y, unsigned char *part)
{
    const int w = 70 * PX, h = 31 * PX;
    int rough = noise(s->seed + 1, x, y, 5 * PX);
    x += rough * PX / 100;
    int j = y / h;
    x += (j & 1) ? w / 2 : 0;
    int ex = distance_to_edge(x, w), ey = distance_to_edge(y + rough * PX / 100, h);
    int edge = ex < ey ? ex : ey;
    int light = 226 + rough / 5 + noise(s->seed + 2, x, y, 2 * PX) / 6;
    if (edge < 5 * PX / 2) {
        *part = 1;
        return shade(176, 168, 154, light);
    }
    struct rgb tone = mix((struct rgb){{178, 92, 66}}, (struct rgb){{122, 74, 66}},
                          pick(s->seed, at2(x / w, j), 0, 256));
    int pit = noise(s->seed + 3, x, y, 2 * PX) > 92 ? -60 : 0;
    return lit(tone,
               light + pit + (edge < 4 * PX ? -20 : 0) + pick(s->seed + 4, at2(x / w, j), -20, 24));
}

void paint_brick(struct scene *s)
{
    set_pose(s, 20, 50);
    fill(s, brick);
    s->light = (struct light){.slope = 70, .spot = 40, .shadow = 90, .tint = 10, .hiss = 7};
}

/* ---- carpet ---- */

static struct rgb carpet(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    int tuft = nearest_point(s->seed, x, y, 5 * PX).dist;
    int light = 300 - tuft * 30 / PX + noise(s->seed + 1, x, y, 40 * PX) / 5 +
                noise(s->seed + 2, x, y, 12) / 5;
    /* a woven ornament of diamonds and stripes */
    int mx = distance_to_edge(x, 96 * PX), my = distance_to_edge(y, 96 * PX);
    int q = (mx + my) / PX;
    struct rgb wool = shade(112, 56, 62, light);
    if (q > 20 && q < 34)
        wool = shade(176, 152, 116, light);
    else if (q <= 20)
        wool = shade(64, 70, 92, light);
    return wool;
}

void paint_carpet(struct scene *s)
{
    set_pose(s, 60, 50);
    fill(s, carpet);
    s->light = (struct light){.slope = 70, .spot = 50, .shadow = 40, .tint = 14, .hiss = 8};
}

/* ---- terrazzo ---- */

static struct rgb terrazzo(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    static const struct rgb chip[] = {
        {{222, 214, 200}}, {{96, 92, 90}}, {{168, 112, 88}}, {{140, 146, 138}}, {{60, 66, 76}}};
    int light = 246 + noise(s->seed + 1, x, y, 2 * PX) / 14;
    for (int k = 0; k < 2; k++) {
        int grid = k ? 9 * PX : 24 * PX;
        struct near n = nearest_point(s->seed + 10 + (uint64_t)k, x, y, grid);
        int ragged = noise(n.id, x, y, grid / 3) * grid / 900;
        if (n.dist + ragged < grid * pick(n.id, 1, 18, 44) / 100)
            return lit(chip[pick(n.id, 2, 0, 4)], light + noise(n.id, x, y, 6 * PX) / 8);
    }
    return shade(190, 184, 172, light + noise(s->seed + 2, x, y, 50 * PX) / 8);
}

void paint_terrazzo(struct scene *s)
{
    set_pose(s, TURN / 2, 70);
    fill(s, terrazzo);
    if (pick(s->seed, 1, 0, 2) == 0) { /* the joint between two slabs */
        int x = pick(s->seed, 2, 30, 190) * PX, tilt = pick(s->seed, 3, -20, 20) * PX;
        draw_line(s, (int[2]){x, -PX}, (int[2]){x + tilt, SCENE + PX}, PX,
                  &(struct coat){.colour = {{178, 152, 92}}, .dome = 40});
    }
    s->light = (struct light){.slope = 50, .spot = 90, .shadow = 50, .tint = 8, .hiss = 5};
}

/* ---- a wire mesh ---- */

static struct rgb mesh(const struct scene *s, int x, int y, unsigned char *part)
{
    const int period = 17 * PX, half = 2 * PX;
    int ground = 40 + noise(s->seed, x, y, 60 * PX) / 5 + noise(s->seed + 1, x, y, 4 * PX) / 16;
    struct rgb under = shade(120, 128, 140, ground * 2);
    if (s->bare)
        return under;
    int i = x / period, j = y / period;
    int sway = sine(x * 60 / PX) * PX / 2048, sway2 = sine(y * 60 / PX) * PX / 2048;
    int dx = distance_to_edge(x + sway2, period), dy = distance_to_edge(y + sway, period);
    bool over = dx < half && (dy >= half || ((i + j) & 1));
    if (!over && dy >= half) {
        int sx = (x + period - 2 * PX) % period, sy = (y + period - 2 * PX) % period;
        bool shadow = sx < 3 * PX || sy < 3 * PX;
        *part = 1;
        return shadow ? lit(under, 150) : under;
    }
    int across = over ? dx : dy;
    int light = 256 - across * across * 150 / (half * half) + noise(s->seed + 2, x, y, 3 * PX) / 8;
    *part = 2;
    return shade(186, 180, 168, light);
}

void paint_mesh(struct scene *s)
{
    set_pose(s, 120, 50);
    fill(s, mesh);
    s->light = (struct light){.slope = 90, .spot = 60, .shadow = 50, .tint = 12, .hiss = 6};
}

/* ---- cloth in plain weave ---- */

static struct rgb weave(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    const int period = 8 * PX;
    int i = x / period, j = y / period;
    bool warp = ((i + j) & 1) != 0;
    int across = (warp ? x : y) % period, along = (warp ? y : x) % period;
    int round = across * (period - across) * 4 / (period * period / 256);
    int bow = along * (period - along) * 4 / (period * period / 256);
    int light = 90 + round * 110 / 256 + bow * 50 / 256 + noise(s->seed, x, y, 3 * PX) / 10 +
                pick(s->seed, at2(warp ? i : -j, 7), -22, 22) +
                noise(s->seed + 1, x, y, 70 * PX) / 5;
    /* coloured threads make checks, of other colours in each picture */
    int stripe = warp ? i % 14 : j % 14;
    int hue = pick(s->seed, 3, 0, 2);
    struct rgb yarn = {{206, 190, 158}};
    if (stripe < 4)
        yarn = hue == 0   ? (struct rgb){{120, 132, 160}}
               : hue == 1 ? (struct rgb){{168, 96, 84}}
                          : (struct rgb){{110, 134, 104}};
    else if (stripe == 8)
        yarn = (struct rgb){{96, 84, 78}};
    return lit(yarn, light);
}

void paint_weave(struct scene *s)
{
    set_pose(s, 40, 60);
    fill(s, weave);
    s->light = (struct light){.slope = 70, .spot = 40, .shadow = 70, .tint = 10, .hiss = 7};
}

/* ---- leather ---- */

static struct rgb leather(const struct scene *s, int x, int y, unsigned char *part)
{
    (void)part;
    int wx = x + noise(s->seed + 5, x, y, 12 * PX) * PX / 40;
    int wy = y + noise(s->seed + 6, x, y, 12 * PX) * PX / 40;
    struct near n = nearest_point(s->seed, wx, wy, 9 * PX);
    int groove = clamp(n.gap, 0, 3 * PX);
    int light = 150 + groove * 90 / (3 * PX) - (n.dx + n.dy) / 4 + pick(n.id, 3, -14, 14) +
                noise(s->seed + 1, x, y, 50 * PX) / 3 + noise(s->seed + 2, x, y, PX) / 12;
    return shade(150, 98, 62, light);
}

void paint_leather(struct scene *s)
{
    static const struct coat hole = {.colour = {{60, 36, 24}}};
    static const struct coat thread = {.colour = {{214, 186, 132}}, .dome = 90};
    set_pose(s, TURN / 2, 60);
    fill(s, leather);
    if (pick(s->seed, 1, 0, 1)) { /* a seam of stitches */
        int x = pick(s->seed, 2, 20, 200) * PX, lean = pick(s->seed, 3, -30, 30);
        draw_line(s, (int[2]){x, -9 * PX}, (int[2]){x + lean * 24, SCENE + 9 * PX}, 4 * PX,
                  &(struct coat){.colour = {{70, 42, 26}}, .alpha = 90, .soft = 3 * PX});
        for (int y = -5; y < 230; y += 13) {
            int at = x + lean * y * 24 / 224;
            draw_disk(s, at, y * PX, 3 * PX / 2, &hole);
            draw_line(s, (int[2]){at, (y + 2) * PX}, (int[2]){at, (y + 10) * PX}, 3 * PX / 2,
                      &thread);
        }
    }
    s->light = (struct light){.slope = 80, .spot = 90, .shadow = 40, .tint = 12, .hiss = 5};
}
