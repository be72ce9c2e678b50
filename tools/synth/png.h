/* png.h - a picture as a PNG file, fast rather than small. */
#ifndef SYNTH_PNG_H
#define SYNTH_PNG_H

/*
 * Write pixels [size, size, channels] of 8 bits, 1 (grey) or 3 channels. ERR_IO when the file cannot be
 * written, ERR_MEMORY.
 */
int png_write(const char *path, const unsigned char *pixels, int size, int channels);

#endif /* SYNTH_PNG_H */
