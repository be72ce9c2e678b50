/*
 * painters.h - the families' normal looks. A painter covers a scene with a picture that is drawn anew
 * from scene->seed; families.c says which family has which painter.
 */
#ifndef SYNTH_PAINTERS_H
#define SYNTH_PAINTERS_H

#include "synth/scene.h"

/* surfaces.c: textures that fill the picture */
void paint_metal(struct scene *s);
void paint_wood(struct scene *s);
void paint_tiles(struct scene *s);
void paint_brick(struct scene *s);
void paint_carpet(struct scene *s);
void paint_terrazzo(struct scene *s);
void paint_mesh(struct scene *s);
void paint_weave(struct scene *s);
void paint_leather(struct scene *s);

/* parts.c: things on a ground */
void paint_pills(struct scene *s);
void paint_gear(struct scene *s);
void paint_cable(struct scene *s);
void paint_hazelnut(struct scene *s);
void paint_board(struct scene *s);
void paint_label(struct scene *s);

/* parts_bench.c: things on a ground */
void paint_bottle(struct scene *s);
void paint_screws(struct scene *s);
void paint_zipper(struct scene *s);

/* medical.c */
void paint_blood(struct scene *s);
void paint_muscle(struct scene *s);
void paint_xray(struct scene *s);
void paint_skin(struct scene *s);
void paint_vessels(struct scene *s);
void paint_brain(struct scene *s);

/* medical_bench.c */
void paint_culture(struct scene *s);
void paint_glands(struct scene *s);
void paint_retina(struct scene *s);
void paint_endoscopy(struct scene *s);
void paint_ultrasound(struct scene *s);

#endif /* SYNTH_PAINTERS_H */
