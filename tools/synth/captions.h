/* captions.h - one sentence for each picture. */
#ifndef SYNTH_CAPTIONS_H
#define SYNTH_CAPTIONS_H

#include "base/str.h"
#include "synth/families.h"

/*
 * Append a caption. kind NULL: the picture is normal. Which words are used depends on seed only;
 * every third caption says "object" in place of the family.
 */
int add_caption(struct str *out, const struct family *family, const struct kind *kind,
                uint64_t seed);

#endif /* SYNTH_CAPTIONS_H */
