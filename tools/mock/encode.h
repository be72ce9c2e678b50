/* encode.h - a square picture as PNG, JPEG or BMP, which the extension chooses. */
#ifndef MOCK_ENCODE_H
#define MOCK_ENCODE_H

/*
 * Write pixels [size, size, channels] of 8 bits, 1 (grey) or 3 channels; folders are made. ERR_IO, ERR_USAGE
 * for another extension, ERR_MEMORY.
 */
int encode_picture(const char *path, const unsigned char *pixels, int size, int channels);

#endif /* MOCK_ENCODE_H */
