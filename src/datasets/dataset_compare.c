/* dataset_compare.c - the counts of a manifest against those of the catalog. See datasets.h. */
#include "datasets/datasets.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* How far a number is from the wanted one; nothing is wanted where nobody counted. */
static size_t apart(size_t found, long wanted)
{
    if (wanted < 0)
        return 0;
    return found > (size_t)wanted ? found - (size_t)wanted : (size_t)wanted - found;
}

static size_t line_apart(const struct count_line *line)
{
    return apart(line->found.n_normal, line->wanted.normal) +
           apart(line->found.n_anomalous, line->wanted.anomalous) +
           apart(line->found.n_masks, line->wanted.masks);
}

bool count_line_is_right(const struct count_line *line)
{
    return line_apart(line) == 0;
}

static bool is_known(const struct variant *v)
{
    return v->total.normal >= 0 || v->total.anomalous >= 0;
}

static const struct known_count *find_class(const struct variant *v, const char *name)
{
    for (size_t i = 0; i < v->n_classes; i++)
        if (strcasecmp(v->class[i].class_name, name) == 0)
            return &v->class[i];
    return NULL;
}

static bool has_class(const struct manifest *m, const char *name)
{
    for (size_t i = 0; i < m->n_classes; i++)
        if (strcasecmp(m->class_name[i], name) == 0)
            return true;
    return false;
}

/* What a variant wants of a class: nothing of a class that it does not have. */
static struct known_count wanted_of(const struct variant *v, const struct manifest *m,
                                    size_t class_id)
{
    const struct known_count none = {NULL, 0, 0, 0};
    const struct known_count unknown = {NULL, -1, -1, -1};
    const struct known_count *found = find_class(v, m->class_name[class_id]);
    if (v->n_classes == 1 && m->n_classes == 1)
        found = &v->class[0];
    if (found)
        return *found;
    return v->n_classes ? none : unknown;
}

static void add_counts(struct class_count *sum, const struct class_count *count)
{
    sum->n_normal += count->n_normal;
    sum->n_anomalous += count->n_anomalous;
    sum->n_masks += count->n_masks;
}

/* Fill the lines for one variant. */
static int compare(struct tally *out, const struct manifest *m, const struct variant *v)
{
    int rc = ERR_OK;
    struct class_count *count = NULL;
    *out = (struct tally){.variant = v, .total = {"", {0}, v->total}};
    TRY(manifest_count(&count, m));
    TRY(MEM_NEW(out->line, m->n_classes + v->n_classes));
    for (size_t i = 0; i < m->n_classes; i++) {
        out->line[out->n_lines++] =
            (struct count_line){m->class_name[i], count[i], wanted_of(v, m, i)};
        add_counts(&out->total.found, &count[i]);
    }
    for (size_t i = 0; i < v->n_classes; i++)
        if (!has_class(m, v->class[i].class_name) && !(v->n_classes == 1 && m->n_classes == 1))
            out->line[out->n_lines++] =
                (struct count_line){v->class[i].class_name, {0}, v->class[i]};
    for (size_t i = 0; i < out->n_lines; i++)
        out->n_wrong += !count_line_is_right(&out->line[i]);
    out->n_wrong += !v->n_classes && !count_line_is_right(&out->total);
    out->state = !is_known(v) ? COUNTS_UNKNOWN : out->n_wrong ? COUNTS_WRONG : COUNTS_RIGHT;
out:
    MEM_FREE(count);
    return rc;
}

/* How far a comparison is from right; one that compares nothing is farther than any. */
static size_t distance(const struct tally *c)
{
    size_t sum = line_apart(&c->total);
    for (size_t i = 0; i < c->n_lines; i++)
        sum += line_apart(&c->line[i]);
    return c->state == COUNTS_UNKNOWN ? SIZE_MAX : sum;
}

/* A cut that comes with a meta.json of its own is meant only where it is right or was asked for. */
static bool is_candidate(const struct tally *c, const char *name)
{
    return name || c->variant->is_indexed || c->state == COUNTS_RIGHT;
}

static int unknown_variant(const struct dataset_info *set, const char *name)
{
    int rc = ERR_OK;
    struct str all = {0};
    for (size_t i = 0; i < set->n_variants; i++)
        TRY(str_addf(&all, "%s%s", i ? ", " : "", set->variant[i].name));
    FAIL(ERR_USAGE, "%s has no variant \"%s\"; known: %s", set->name, name, all.text);
out:
    str_free(&all);
    return rc;
}

int manifest_compare(struct tally *out, const struct manifest *m, const struct dataset_info *set,
                     const char *name)
{
    int rc = ERR_OK;
    struct tally next = {0};
    *out = (struct tally){0};
    for (size_t i = 0; i < set->n_variants; i++) {
        if (name && strcasecmp(name, set->variant[i].name) != 0)
            continue;
        TRY(compare(&next, m, &set->variant[i]));
        if (is_candidate(&next, name) && (!out->variant || distance(&next) < distance(out))) {
            tally_free(out);
            *out = next;
            next = (struct tally){0};
        }
        tally_free(&next);
    }
    if (!out->variant)
        TRY(unknown_variant(set, name));
out:
    tally_free(&next);
    return rc;
}

void tally_free(struct tally *c)
{
    MEM_FREE(c->line);
    *c = (struct tally){0};
}
