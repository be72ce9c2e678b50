/* pairs.c - which pairs of data sets a job means. */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "datasets/datasets.h"
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

static void add_pair(struct sweep *s, const struct dataset_entry *train,
                     const struct dataset_entry *test)
{
    s->pair[s->n_pairs++] = (struct ends){train, test};
}

static int protocol_pairs(struct sweep *s)
{
    int rc = ERR_OK;
    const struct config *c = s->config;
    const struct dataset_entry *visa = entry_like(c, "visa");
    const struct dataset_entry *mvtec = entry_like(c, "mvtec");
    if (!visa || !mvtec)
        FAIL(ERR_CONFIG,
             "pairs: \"protocol\" trains on visa and, to test visa, on mvtec; "
             "\"datasets\" has no %s",
             visa ? "mvtec" : "visa");
    for (size_t i = 0; i < c->n_datasets; i++)
        if (!c->dataset[i].merge)
            add_pair(s, &c->dataset[i] == visa ? mvtec : visa, &c->dataset[i]);
out:
    return rc;
}

static int all_pairs(struct sweep *s)
{
    const struct config *c = s->config;
    for (size_t a = 0; a < c->n_datasets; a++)
        for (size_t b = 0; b < c->n_datasets; b++)
            if (a != b && !c->dataset[a].merge && !c->dataset[b].merge)
                add_pair(s, &c->dataset[a], &c->dataset[b]);
    return ERR_OK;
}

static int listed_pairs(struct sweep *s)
{
    int rc = ERR_OK;
    const struct dataset_entry *train;
    const struct dataset_entry *test;
    for (size_t i = 0; i < s->config->n_pairs; i++) {
        TRY(merge_find(&train, s, s->config->pair[i].train));
        TRY(merge_find(&test, s, s->config->pair[i].test));
        if (test->merge)
            FAIL(ERR_CONFIG,
                 "pairs[%zu]: found \"%s\" to test on, which is merged of %s; wanted a data set", i,
                 test->name, test->merge);
        add_pair(s, train, test);
    }
out:
    return rc;
}

/* ---- leave one out ---- */

static int domain_of(const char **out, const struct catalog *catalog,
                     const struct dataset_entry *entry)
{
    int rc = ERR_OK;
    const struct dataset_info *info = catalog_find(catalog, entry->name);
    *out = entry->domain ? entry->domain : info ? info->domain : NULL;
    if (!*out)
        FAIL(
            ERR_CONFIG,
            "datasets.%s.domain: missing; \"leave-one-domain-out\" wants it of a data set that the "
            "catalog does not have",
            entry->name);
out:
    return rc;
}

/* Regions of anomalous images without masks count as normal: no use to learn from. */
static bool has_masks(const struct catalog *catalog, const struct dataset_entry *entry)
{
    const struct dataset_info *info = catalog_find(catalog, entry->name);
    return !info || info->has_pixel;
}

/* Names of all data sets but the one that is tested, or but those of its domain. */
static int list_others(struct str *out, const struct config *c, const struct catalog *catalog,
                       const struct dataset_entry *test, const char *domain)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < c->n_datasets; i++) {
        const struct dataset_entry *entry = &c->dataset[i];
        const char *own = NULL;
        if (entry == test || entry->merge || !has_masks(catalog, entry))
            continue;
        if (domain)
            TRY(domain_of(&own, catalog, entry));
        if (!domain || strcmp(own, domain) != 0)
            TRY(str_addf(out, "%s%s", out->len ? "+" : "", entry->name));
    }
    if (!out->len)
        FAIL(ERR_CONFIG, "pairs: no data set with masks is left to train on where %s%s is left out",
             domain ? "the domain " : "", domain ? domain : test->name);
out:
    return rc;
}

static int leave_out(struct sweep *s, const struct catalog *catalog,
                     const struct dataset_entry *test)
{
    int rc = ERR_OK;
    const struct dataset_entry *train;
    const char *domain = NULL;
    struct str others = {0};
    char *name = NULL;
    if (s->config->pairing == PAIRS_LEAVE_ONE_DOMAIN_OUT)
        TRY(domain_of(&domain, catalog, test));
    TRY(list_others(&others, s->config, catalog, test, domain));
    TRY(str_make(&name, "all-but-%s", domain ? domain : test->name));
    TRY(merge_add(&train, s, name, others.text));
    add_pair(s, train, test);
out:
    str_free(&others);
    MEM_FREE(name);
    return rc;
}

static int leave_one_out_pairs(struct sweep *s)
{
    int rc = ERR_OK;
    const struct config *c = s->config;
    struct catalog *catalog = NULL;
    TRY(catalog_load(&catalog, NULL));
    for (size_t i = 0; i < c->n_datasets; i++) {
        if (c->dataset[i].merge)
            continue;
        TRY(leave_out(s, catalog, &c->dataset[i]));
        if (!has_masks(catalog, &c->dataset[i]))
            log_root("pairs", "%s has no masks: it is tested, and left out of all banks",
                     c->dataset[i].name);
    }
out:
    catalog_free(&catalog);
    return rc;
}

static int list_pairs(struct sweep *s)
{
    static int (*const list[])(struct sweep * s) = {
        [PAIRS_PROTOCOL] = protocol_pairs,
        [PAIRS_ALL] = all_pairs,
        [PAIRS_LEAVE_ONE_OUT] = leave_one_out_pairs,
        [PAIRS_LEAVE_ONE_DOMAIN_OUT] = leave_one_out_pairs,
        [PAIRS_LISTED] = listed_pairs,
    };
    return list[s->config->pairing](s);
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
    TRY(list_pairs(s));
    if (s->n_pairs == 0)
        FAIL(ERR_CONFIG, "pairs: nothing to do: %zu data sets give no pair", c->n_datasets);
    TRY(check_listed_once(s));
    if (c->part)
        TRY(keep_part(s, c->part));
out:
    return rc;
}
