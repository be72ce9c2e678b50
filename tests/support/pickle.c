/* pickle.c - see pickle.h. */
#include "pickle.h"

#include "archive.h"

#include <stdbool.h>

uint8_t *pickle_archive(size_t *n)
{
    static const float floats[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    static const int64_t wide[3] = {5, -6, (int64_t)1 << 40};
    static const uint16_t half[3] = {0x3c00, 0xc000, 0x3800};
    static const double real[2] = {0.1, 2};
    uint8_t small[256];
    const struct archive_part part[] = {
        {"a/data.pkl", "\x80\2N.", 4, false},     {"a/data/0", floats, sizeof floats, false},
        {"a/data/1", wide, sizeof wide, true},    {"a/data/2", half, sizeof half, false},
        {"a/data/3", small, sizeof small, false}, {"a/data/4", real, sizeof real, false},
    };
    for (size_t i = 0; i < sizeof small; i++)
        small[i] = (uint8_t)i;
    return archive_build(part, sizeof part / sizeof *part, n);
}
