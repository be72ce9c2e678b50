/* layout_pattern.c - paths against patterns, part by part. See dataset_int.h. */
#include "datasets/dataset_int.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <fnmatch.h>
#include <string.h>

/* The first part of a path; *rest is what follows its '/', or NULL. */
static int split_part(char **part, const char **rest, const char *path)
{
    const char *slash = strchr(path, '/');
    *rest = slash ? slash + 1 : NULL;
    return str_make(part, "%.*s", (int)(slash ? (size_t)(slash - path) : strlen(path)), path);
}

/* What the star of a pattern's part stands for in a part that fits; a part has one star at most. */
static int take_star(struct stars *stars, const char *pattern, const char *part)
{
    int rc = ERR_OK;
    const char *star = strchr(pattern, '*');
    size_t before, after;
    if (!star)
        return ERR_OK;
    BUG_ON(stars->n == MAX_STARS);
    before = (size_t)(star - pattern);
    after = strlen(star + 1);
    TRY(str_make(&stars->text[stars->n], "%.*s", (int)(strlen(part) - before - after),
                 part + before));
    stars->n++;
out:
    return rc;
}

/* Compare part by part until one ends; *fits says whether all compared ones fit. */
static int compare(bool *fits, struct stars *stars, const char **pattern, const char **path)
{
    int rc = ERR_OK;
    char *want = NULL;
    char *part = NULL;
    *fits = true;
    while (*fits && *pattern && *path) {
        const char *rest_pattern;
        const char *rest_path;
        TRY(split_part(&want, &rest_pattern, *pattern));
        TRY(split_part(&part, &rest_path, *path));
        *fits = fnmatch(want, part, FNM_CASEFOLD) == 0;
        if (*fits)
            TRY(take_star(stars, want, part));
        *pattern = rest_pattern;
        *path = rest_path;
        MEM_FREE(want);
        MEM_FREE(part);
    }
out:
    MEM_FREE(want);
    MEM_FREE(part);
    return rc;
}

int pattern_match(bool *fits, struct stars *stars, const char *pattern, const char *path)
{
    int rc = ERR_OK;
    *stars = (struct stars){0};
    TRY(compare(fits, stars, &pattern, &path));
    *fits = *fits && !pattern && !path;
out:
    if (rc != ERR_OK || !*fits)
        stars_free(stars);
    return rc;
}

int pattern_may_hold(bool *out, const char *pattern, const char *path)
{
    int rc = ERR_OK;
    struct stars stars = {0};
    const char *rest = path[0] ? path : NULL;
    TRY(compare(out, &stars, &pattern, &rest));
    *out = *out && !rest;
out:
    stars_free(&stars);
    return rc;
}

int pattern_fill(char **out, const char *pattern, const struct stars *stars)
{
    int rc = ERR_OK;
    size_t n = 0;
    struct str s = {0};
    *out = NULL;
    TRY(str_add(&s, ""));
    for (const char *p = pattern; *p; p++) {
        if (*p == '*' && n < stars->n)
            TRY(str_add(&s, stars->text[n++]));
        else
            TRY(str_add_bytes(&s, p, 1));
    }
    *out = s.text;
    s = (struct str){0};
out:
    str_free(&s);
    return rc;
}

void stars_free(struct stars *stars)
{
    for (size_t i = 0; i < stars->n; i++)
        MEM_FREE(stars->text[i]);
    stars->n = 0;
}
