/* encode.c - see encode.h. PNG by the writer of mrad-synth, the rest by stb_image_write. */
#include "mock/encode.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "synth/png.h"

#include <strings.h>

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
/* reported at the end of the file, so a pop would bring it back */
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image_write.h>

enum { JPEG_QUALITY = 95 };

int encode_picture(const char *path, const unsigned char *pixels, int size, int channels)
{
    int rc = ERR_OK;
    const char *ext = path_ext(path);
    char *dir = NULL;
    int is_written = 0;
    TRY(path_dir(&dir, path));
    TRY(path_mkdirs(dir));
    if (strcasecmp(ext, ".png") == 0) {
        TRY(png_write(path, pixels, size, channels));
        goto out;
    }
    if (strcasecmp(ext, ".bmp") == 0)
        is_written = stbi_write_bmp(path, size, size, channels, pixels);
    else if (strcasecmp(ext, ".jpg") == 0 || strcasecmp(ext, ".jpeg") == 0)
        is_written = stbi_write_jpg(path, size, size, channels, pixels, JPEG_QUALITY);
    else
        FAIL(ERR_USAGE, "%s: wanted .png, .jpg, .jpeg or .bmp", path);
    if (!is_written)
        FAIL(ERR_IO, "%s: cannot be written", path);
out:
    MEM_FREE(dir);
    return rc;
}
