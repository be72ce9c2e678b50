/* members.c - the data sets of a sweep under every model and options of features, merged ones included. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "sweep/sweep_int.h"

#include <string.h>

static size_t find(const struct sweep *s, const struct dataset_entry *entry, size_t setting)
{
    size_t i = 0;
    while (i < s->n_members && (s->member[i].entry != entry || s->member[i].setting != setting))
        i++;
    return i;
}

size_t member_find(const struct sweep *s, const struct dataset_entry *entry, size_t setting)
{
    size_t i = find(s, entry, s->setting[setting].like[LEVEL_FEATURES]);
    BUG_ON(i == s->n_members);
    return i;
}

/* One of the names of a merge: a data set with files, not named before. */
static int check_part(const struct sweep *s, const struct member *m, const char *name,
                      const struct dataset_entry *entry)
{
    int rc = ERR_OK;
    if (!entry)
        FAIL(ERR_CONFIG, "merging %s: no data set \"%s\" among the %zu of \"datasets\"",
             m->entry->merge, name, s->config->n_datasets);
    if (entry->merge)
        FAIL(ERR_CONFIG, "merging %s: found \"%s\", which is merged itself; wanted data sets",
             m->entry->merge, name);
    for (size_t i = 0; i < m->n_parts; i++)
        if (s->member[m->part[i]].entry == entry)
            FAIL(ERR_CONFIG, "merging %s: found \"%s\" twice, wanted each data set once",
                 m->entry->merge, name);
out:
    return rc;
}

static int append(struct sweep *s, struct member *m)
{
    int rc = ERR_OK;
    TRY(MEM_GROW(s->member, &s->member_cap, s->n_members + 1));
    s->member[s->n_members++] = *m;
    *m = (struct member){0}; /* the list's */
out:
    MEM_FREE(m->part);
    return rc;
}

/* A data set with files, unless it is there. */
static int add_plain(size_t *out, struct sweep *s, const struct dataset_entry *entry,
                     size_t setting)
{
    int rc = ERR_OK;
    *out = find(s, entry, setting);
    if (*out == s->n_members)
        TRY(append(s, &(struct member){.entry = entry, .setting = setting}));
out:
    return rc;
}

/* The parts of a merge, and then itself. */
static int add_merged(struct sweep *s, const struct dataset_entry *entry, size_t setting)
{
    int rc = ERR_OK;
    struct member m = {.entry = entry, .setting = setting};
    size_t cap = 0;
    char *name = NULL;
    const char *at = entry->merge;
    while (*at) {
        size_t n = strcspn(at, "+");
        const struct dataset_entry *part;
        TRY(str_make(&name, "%.*s", (int)n, at));
        part = config_dataset(s->config, name);
        TRY(check_part(s, &m, name, part));
        TRY(MEM_GROW(m.part, &cap, m.n_parts + 1));
        TRY(add_plain(&m.part[m.n_parts], s, part, setting));
        m.n_parts++;
        MEM_FREE(name);
        at += n + (at[n] == '+');
    }
    TRY(append(s, &m));
out:
    MEM_FREE(name);
    MEM_FREE(m.part);
    return rc;
}

static int add_member(struct sweep *s, const struct dataset_entry *entry, size_t setting,
                      bool is_goal)
{
    int rc = ERR_OK;
    size_t i = find(s, entry, setting);
    if (i == s->n_members && entry->merge)
        TRY(add_merged(s, entry, setting));
    else
        TRY(add_plain(&i, s, entry, setting));
    if (is_goal)
        s->member[find(s, entry, setting)].is_goal = true;
out:
    return rc;
}

/* Where cells are not the goal: what the configuration names, or every data set. */
static int add_goals(struct sweep *s, size_t setting)
{
    int rc = ERR_OK;
    const struct dataset_entry *entry;
    if (s->config->auxiliary) {
        TRY(merge_find(&entry, s, s->config->auxiliary));
        TRY(add_member(s, entry, setting, true));
        return ERR_OK;
    }
    for (size_t i = 0; i < s->config->n_datasets; i++)
        TRY(add_member(s, &s->config->dataset[i], setting, true));
out:
    return rc;
}

int members_open(struct sweep *s)
{
    int rc = ERR_OK;
    for (size_t k = 0; k < s->n_settings; k++) {
        if (s->setting[k].like[LEVEL_FEATURES] != k)
            continue;
        for (size_t i = 0; i < s->n_pairs; i++) {
            TRY(add_member(s, s->pair[i].train, k, false));
            TRY(add_member(s, s->pair[i].test, k, false));
        }
        if (s->goal != SWEEP_ALL)
            TRY(add_goals(s, k));
    }
out:
    return rc;
}

/* Manifests of the parts are there: they stand before it. */
static int load_merged(struct sweep *s, struct member *m)
{
    int rc = ERR_OK;
    const struct manifest **manifest = NULL;
    const struct features **features = NULL;
    TRY(MEM_NEW(manifest, m->n_parts));
    TRY(MEM_NEW(features, m->n_parts));
    for (size_t i = 0; i < m->n_parts; i++) {
        manifest[i] = s->member[m->part[i]].manifest;
        features[i] = s->member[m->part[i]].features;
    }
    TRY(manifest_merge(&m->manifest, m->entry->name, manifest, m->n_parts));
    TRY(features_merge(&m->features, features, m->n_parts, m->manifest));
out:
    mem_release((void *)manifest);
    mem_release((void *)features);
    return rc;
}

static int load_plain(struct sweep *s, struct member *m)
{
    int rc = ERR_OK;
    const struct setting *setting = &s->setting[m->setting];
    TRY_ALL(s->comm, manifest_load(&m->manifest, m->entry->name, m->entry->root, m->entry->meta));
    TRY(features_plan(&m->features, s->comm, setting->config, &setting->model, m->manifest));
out:
    return rc;
}

int members_load(struct sweep *s)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < s->n_settings; i++)
        if (s->setting[i].like[LEVEL_FEATURES] == i)
            TRY(model_info(&s->setting[i].model, s->comm, s->setting[i].config));
    for (size_t i = 0; i < s->n_members; i++) {
        struct member *m = &s->member[i];
        TRY_ALL(s->comm, m->n_parts ? load_merged(s, m) : load_plain(s, m));
    }
out:
    return rc;
}

void members_close(struct sweep *s)
{
    for (size_t i = 0; i < s->n_members; i++) {
        features_free(&s->member[i].features);
        manifest_free(&s->member[i].manifest);
        MEM_FREE(s->member[i].part);
    }
    MEM_FREE(s->member);
}

void member_want_features(struct sweep *s, size_t member)
{
    struct member *m = &s->member[member];
    m->wants_features = 1;
    for (size_t i = 0; i < m->n_parts; i++)
        member_want_features(s, m->part[i]);
}
