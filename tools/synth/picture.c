/* picture.c - see picture.h. */
#include "synth/picture.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

int paint_picture(struct scene *s, unsigned char *mask, const struct family *family,
                  const struct kind *kind, int grade)
{
    int rc = ERR_OK;
    const size_t n = 3 * (size_t)s->size * (size_t)s->size;
    unsigned char *bare = NULL;
    if (kind && form_needs_bare(kind->form)) {
        TRY(MEM_NEW(bare, n));
        s->bare = true;
        family->paint(s);
        memcpy(bare, s->pixels, n);
        s->bare = false;
    }
    family->paint(s);
    if (kind)
        TRY(draw_defect(s, mask, bare, kind, grade));
    light_up(s);
out:
    MEM_FREE(bare);
    return rc;
}
