/*
 * manifest_int.h - building a manifest: inside datasets/ only.
 *
 * A builder makes an empty manifest, fills two splits, and hands them over with manifest_finish.
 * Until then the splits belong to the builder (split_free).
 */
#ifndef DATASETS_MANIFEST_INT_H
#define DATASETS_MANIFEST_INT_H

#include "datasets/datasets.h"

/* A manifest without items; free with manifest_free. */
int manifest_new(struct manifest **out, const char *name, const char *root);

/* Append a class; later items belong to it. */
int split_add_class(struct split *s, const char *name);

/* Append an item to the last class of s; its texts are copied into m, class_id is set here. */
int split_add_item(struct split *s, struct manifest *m, const struct item *item);

/* Sort the items of each class by the bytes of the image path. */
void split_sort(struct split *s);

/* Move both splits into m. */
void manifest_finish(struct manifest *m, struct split *test, struct split *train);

/* The test split of a manifest as a split that borrows everything. */
struct split manifest_test(const struct manifest *m);

/* Release the arrays. */
void split_free(struct split *s);

#endif /* DATASETS_MANIFEST_INT_H */
