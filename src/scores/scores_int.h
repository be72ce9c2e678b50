/* scores_int.h - what the files of scores/ share. */
#ifndef SCORES_SCORES_INT_H
#define SCORES_SCORES_INT_H

#include "scores/scores.h"

#define SCORES_SCHEMA "mrad.scores"
enum { SCORES_VERSION = 1 };

/* Room for n items of n_patch patches. */
int scores_new(struct scores **out, size_t n, size_t n_patch);

/* Write a part (shard >= 0, items from first) or the whole (shard < 0). */
int scores_write(const struct scores *s, const char *path, const struct score_place *place,
                 int64_t shard);

/* Read a part or the whole and check key, part and number of items. */
int scores_read(struct scores **out, const char *path, const struct score_place *place,
                int64_t shard);

#endif /* SCORES_SCORES_INT_H */
