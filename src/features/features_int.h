/* features_int.h - what the files of features/ share. */
#ifndef FEATURES_FEATURES_INT_H
#define FEATURES_FEATURES_INT_H

#include "features/features.h"

#define FEATURES_SCHEMA "mrad.features"
enum { FEATURES_VERSION = 1 };

/* Bytes of one packed mask. */
size_t features_mask_bytes(const struct features *f);

/*
 * Hash of image and mask content of every item, [n_items]. Files whose size and time are those
 * remembered in STORE/hashes/<dataset>.txt are not read again. Work is spread over ranks. A file that
 * cannot be read is ERR_IO, or contributes a zero hash when `lenient`. Collective.
 */
int content_hashes(struct hash *out, struct comm *comm, const char *store, const struct manifest *m,
                   bool lenient);

#endif /* FEATURES_FEATURES_INT_H */
