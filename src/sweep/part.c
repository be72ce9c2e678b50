/* part.c - run.part: which of several jobs that share a grid this is. See sweep.h. */
#include "base/err.h"
#include "sweep/sweep.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>

/* Digits only: strtoul alone takes blanks and signs. */
static bool read_count(size_t *out, const char **text)
{
    char *end = NULL;
    if (!isdigit((unsigned char)**text))
        return false;
    *out = strtoul(*text, &end, 10);
    *text = end;
    return *out <= 1000000;
}

int sweep_part(size_t *index, size_t *count, const char *text)
{
    int rc = ERR_OK;
    const char *at = text;
    bool is_read = read_count(index, &at) && *at++ == '/' && read_count(count, &at) && !*at;
    if (!is_read || *index >= *count)
        FAIL(ERR_CONFIG, "run.part: found \"%s\", wanted I/N with I from 0 to N - 1", text);
out:
    return rc;
}
