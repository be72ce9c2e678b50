/* layout_rule.c - which rule of a layout speaks of a folder. See dataset_int.h. */
#include "datasets/dataset_int.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

/* The part of a path that patterns speak of. */
static const char *below_inner(const struct indexer *ix, const char *path)
{
    const char *inner = ix->layout->inner;
    if (inner && str_starts(path, inner) && path[strlen(inner)] == '/')
        return path + strlen(inner) + 1;
    return path;
}

int rule_find(const struct rule **out, struct stars *stars, const struct indexer *ix,
              const char *path)
{
    int rc = ERR_OK;
    bool fits = false;
    *out = NULL;
    *stars = (struct stars){0};
    for (const struct rule *r = ix->layout->rule; r < ix->layout->rule + MAX_RULES && r->images;
         r++) {
        TRY(pattern_match(&fits, stars, r->images, below_inner(ix, path)));
        if (fits) {
            *out = r;
            break;
        }
    }
out:
    return rc;
}

/* Do masks of r lie in that folder? Not where another rule has the images they would belong to. */
static int has_masks_of(bool *out, const struct indexer *ix, const struct rule *r, const char *path)
{
    int rc = ERR_OK;
    char *images = NULL;
    const struct rule *owner = NULL;
    struct stars stars = {0};
    struct stars ignored = {0};
    *out = false;
    if (!r->masks)
        return ERR_OK;
    TRY(pattern_match(out, &stars, r->masks, path));
    if (!*out)
        goto out;
    TRY(pattern_fill(&images, r->images, &stars));
    if (!strchr(images, '*')) {
        TRY(rule_find(&owner, &ignored, ix, images));
        *out = owner == r;
    }
out:
    stars_free(&ignored);
    stars_free(&stars);
    MEM_FREE(images);
    return rc;
}

int rule_has_masks(bool *out, const struct indexer *ix, const char *path)
{
    int rc = ERR_OK;
    *out = false;
    for (const struct rule *r = ix->layout->rule;
         !*out && r < ix->layout->rule + MAX_RULES && r->images; r++)
        TRY(has_masks_of(out, ix, r, path));
out:
    return rc;
}

int rule_may_fit(bool *out, const struct indexer *ix, const char *path)
{
    int rc = ERR_OK;
    *out = false;
    for (const struct rule *r = ix->layout->rule;
         !*out && r < ix->layout->rule + MAX_RULES && r->images; r++) {
        const char *patterns[] = {r->images, r->masks, r->list};
        for (size_t i = 0; !*out && i < sizeof patterns / sizeof *patterns; i++)
            if (patterns[i])
                TRY(pattern_may_hold(out, patterns[i], below_inner(ix, path)));
    }
out:
    return rc;
}

int rule_has_list(bool *out, const struct indexer *ix, const char *path)
{
    int rc = ERR_OK;
    char *dir = NULL;
    *out = false;
    for (const struct rule *r = ix->layout->rule;
         !*out && r < ix->layout->rule + MAX_RULES && r->images; r++) {
        struct stars stars;
        if (!r->list)
            continue;
        TRY(path_dir(&dir, r->list));
        TRY(pattern_match(out, &stars, dir, path));
        stars_free(&stars);
        MEM_FREE(dir);
    }
out:
    MEM_FREE(dir);
    return rc;
}
