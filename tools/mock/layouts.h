/*
 * layouts.h - the raw layouts that mrad-mock writes: what lies where, with every quirk of the names.
 *
 * In paths '@' is the class and a run of '#' the number of the picture, padded with zeros to its length.
 */
#ifndef MOCK_LAYOUTS_H
#define MOCK_LAYOUTS_H

#include <stdbool.h>

enum mask_style {
    MASK_WHITE,  /* 255 where the defect is */
    MASK_LABELS, /* 1 or 2 there */
    MASK_BLACK,  /* nothing */
};

/* The files that tell labels. */
enum list_style { LIST_NONE, LIST_VISA, LIST_DAGM, LIST_HEADCT };

/* Pictures of one kind in each class. */
struct group {
    const char *set; /* a name of the catalog */
    const char
        *classes; /* blank-separated; NULL: those of the catalog, "" where it has one class */
    const char *image;
    bool is_anomalous;
    int first;        /* number of the first */
    const char *mask; /* NULL: none */
    enum mask_style style;
    const char *list; /* of the labels, or NULL */
    enum list_style list_style;
    const char *split; /* what the list says */
};

/* Groups of a set stand together; the last has no set. */
extern const struct group groups[];

#endif /* MOCK_LAYOUTS_H */
