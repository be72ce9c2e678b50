/* bank_int.h - what the files of bank/ share. */
#ifndef BANK_BANK_INT_H
#define BANK_BANK_INT_H

#include "bank/bank.h"

#define BANK_SCHEMA "mrad.bank"
enum { BANK_VERSION = 1 };

/* A bank with room for so many entries, all zero. */
int bank_new(struct bank **out, size_t embed, size_t width, size_t n_image, size_t n_pixel);

/* Write a bank or a part of one; shard < 0 for the whole. */
int bank_write(const struct bank *bank, const char *path, const struct bank_place *place,
               int64_t shard);

/* Read a file of this place; shard < 0 for the whole. */
int bank_read(struct bank **out, const char *path, const struct bank_place *place, int64_t shard);

#endif /* BANK_BANK_INT_H */
