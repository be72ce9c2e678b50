/* bank_int.h - what the files of bank/ share. */
#ifndef BANK_BANK_INT_H
#define BANK_BANK_INT_H

#include "bank/bank.h"

#define BANK_SCHEMA "mrad.bank"
enum { BANK_VERSION = 1 };

/* The weights of a bank that another program made. */
#define BANK_UNKNOWN "unknown"

/* A bank with room for so many entries, all zero. */
int bank_new(struct bank **out, size_t embed, size_t width, size_t n_image, size_t n_pixel);

/* What a file says about where its bank came from. */
struct bank_origin {
    const char *key, *features, *weights, *options, *dataset;
    const char *reduction, *full; /* of a reduced bank: how, and the key of the full one; or NULL */
};

/* Write a bank or a part of one; shard < 0 for the whole. */
int bank_write_of(const struct bank *bank, const char *path, const struct bank_origin *origin,
                  int64_t shard);

/* The same with the origin of a place; a reduced bank keeps what the full one's file says of its own. */
int bank_write(const struct bank *bank, const char *path, const struct bank_place *place,
               int64_t shard);

/* Read a file of this place; shard < 0 for the whole. */
int bank_read(struct bank **out, const char *path, const struct bank_place *place, int64_t shard);

/* Add the numbers of entries that a bank file says it has. */
int bank_add_counts(const char *path, size_t *n_image, size_t *n_pixel);

/* Are all keys unit vectors, and all labels 0 or 1? path: for messages. */
int bank_check(const struct bank *bank, const char *path);

#endif /* BANK_BANK_INT_H */
