/* picture.h - one whole picture of a family: painted, damaged, lit. */
#ifndef SYNTH_PICTURE_H
#define SYNTH_PICTURE_H

#include "synth/families.h"

/*
 * Fill s->pixels. kind NULL: normal, mask is not written; else mask [size, size] gets 255 where the defect
 * shows, which goes from subtle to plain with grade, 0 .. 256. The scene stays the caller's.
 * ERR_UNDEFINED as draw_defect, ERR_MEMORY.
 */
int paint_picture(struct scene *s, unsigned char *mask, const struct family *family,
                  const struct kind *kind, int grade);

#endif /* SYNTH_PICTURE_H */
