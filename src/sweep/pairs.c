/* pairs.c - which pairs of data sets a job means. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "sweep/sweep_int.h"

#include <string.h>
#include <strings.h>

static const struct dataset_entry *entry_like(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_datasets; i++)
        if (strcasecmp(c->dataset[i].name, name) == 0)
            return &c->dataset[i];
    return NULL;
}

static int find_entry(const struct dataset_entry **out, const struct config *c, const char *name)
{
    int rc = ERR_OK;
    const char **names = NULL;
    const char *near;
    *out = config_dataset(c, name);
    if (*out)
        return ERR_OK;
    TRY(MEM_NEW(names, c->n_datasets + 1));
    for (size_t i = 0; i < c->n_datasets; i++)
        names[i] = c->dataset[i].name;
    near = str_nearest(name, names, c->n_datasets);
    if (near)
        FAIL(ERR_CONFIG, "pairs: no data set \"%s\", did you mean \"%s\"?", name, near);
    FAIL(ERR_CONFIG, "pairs: no data set \"%s\" among the %zu of \"datasets\"", name,
         c->n_datasets);
out:
    mem_release((void *)names);
    return rc;
}

static int protocol_pairs(struct ends *out, size_t *n, const struct config *c)
{
    int rc = ERR_OK;
    const struct dataset_entry *visa = entry_like(c, "visa");
    const struct dataset_entry *mvtec = entry_like(c, "mvtec");
    if (!visa || !mvtec)
        FAIL(ERR_CONFIG,
             "pairs: \"protocol\" trains on visa and, to test visa, on mvtec; "
             "\"datasets\" has no %s",
             visa ? "mvtec" : "visa");
    for (size_t i = 0; i < c->n_datasets; i++) {
        const struct dataset_entry *test = &c->dataset[i];
        out[(*n)++] = (struct ends){test == visa ? mvtec : visa, test};
    }
out:
    return rc;
}

static int list_pairs(struct ends *out, size_t *n, const struct config *c)
{
    int rc = ERR_OK;
    if (c->pairing == PAIRS_PROTOCOL)
        return protocol_pairs(out, n, c);
    if (c->pairing == PAIRS_ALL)
        for (size_t a = 0; a < c->n_datasets; a++)
            for (size_t b = 0; b < c->n_datasets; b++)
                if (a != b)
                    out[(*n)++] = (struct ends){&c->dataset[a], &c->dataset[b]};
    for (size_t i = 0; c->pairing == PAIRS_LISTED && i < c->n_pairs; i++) {
        TRY(find_entry(&out[*n].train, c, c->pair[i].train));
        TRY(find_entry(&out[*n].test, c, c->pair[i].test));
        (*n)++;
    }
out:
    return rc;
}

enum { N_VARIANTS = 3 };
static const char *const variants[N_VARIANTS] = {"mrad-tf", "mrad-ft", "mrad-clip"};

static int check_variants(const struct config *c)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < c->n_variants; i++) {
        bool is_known = false;
        for (size_t k = 0; k < N_VARIANTS; k++)
            is_known = is_known || strcmp(c->variant[i], variants[k]) == 0;
        if (!is_known)
            FAIL(ERR_CONFIG, "variants: no variant \"%s\"; known: mrad-tf, mrad-ft, mrad-clip",
                 c->variant[i]);
    }
out:
    return rc;
}

/* Rows of the same cell twice would say the same. */
static int listed_twice(const struct sweep *s, size_t variant, size_t pair, size_t seed)
{
    int rc = ERR_OK;
    FAIL(ERR_CONFIG, "%s, seed %zu, %s -> %s is listed twice in the job",
         s->config->variant[variant], s->config->seed[seed], s->pair[pair].train->name,
         s->pair[pair].test->name);
out:
    return rc;
}

static int check_listed_once(const struct sweep *s)
{
    int rc = ERR_OK;
    const struct config *c = s->config;
    for (size_t i = 0; i < c->n_variants; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(c->variant[i], c->variant[j]) == 0)
                TRY(listed_twice(s, i, 0, 0));
    for (size_t i = 0; i < s->n_pairs; i++)
        for (size_t j = 0; j < i; j++)
            if (s->pair[i].train == s->pair[j].train && s->pair[i].test == s->pair[j].test)
                TRY(listed_twice(s, 0, i, 0));
    for (size_t i = 0; i < c->n_seeds; i++)
        for (size_t j = 0; j < i; j++)
            if (c->seed[i] == c->seed[j])
                TRY(listed_twice(s, 0, 0, i));
out:
    return rc;
}

/* Leave the pairs of run.part only. */
static int keep_part(struct sweep *s, const char *text)
{
    int rc = ERR_OK;
    size_t index;
    size_t count;
    size_t kept = 0;
    TRY(sweep_part(&index, &count, text));
    if (count > s->n_pairs)
        FAIL(ERR_CONFIG, "run.part: found \"%s\", but there are only %zu pairs to share", text,
             s->n_pairs);
    for (size_t i = index; i < s->n_pairs; i += count)
        s->pair[kept++] = s->pair[i];
    s->n_pairs = kept;
out:
    return rc;
}

int pairs_open(struct sweep *s)
{
    int rc = ERR_OK;
    const struct config *c = s->config;
    TRY(check_variants(c));
    TRY(MEM_NEW(s->pair, c->n_datasets * c->n_datasets + c->n_pairs + 1));
    TRY(list_pairs(s->pair, &s->n_pairs, c));
    if (s->n_pairs == 0)
        FAIL(ERR_CONFIG, "pairs: nothing to do: %zu data sets give no pair", c->n_datasets);
    TRY(check_listed_once(s));
    if (c->part)
        TRY(keep_part(s, c->part));
out:
    return rc;
}
