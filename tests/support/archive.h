/* archive.h - zip archives in memory, for tests of readers of such files. */
#ifndef SUPPORT_ARCHIVE_H
#define SUPPORT_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive_part {
    const char *name;
    const void *bytes;
    size_t n;
    bool deflate; /* else stored */
};

/* The bytes of an archive with these entries; free() them. Aborts when libzip does not do it. */
uint8_t *archive_build(const struct archive_part *part, size_t n_parts, size_t *n);

#endif /* SUPPORT_ARCHIVE_H */
