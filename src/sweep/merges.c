/* merges.c - several data sets as one to train on: by a name of the configuration, or as NAME+NAME. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "sweep/sweep_int.h"

#include <string.h>

/* Longer names would not fit the file system's limit with what is put behind them. */
enum { MAX_NAME = 160 };

static int no_such(const struct config *c, const char *name)
{
    int rc = ERR_OK;
    const char **names = NULL;
    const char *near;
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

int merge_add(const struct dataset_entry **out, struct sweep *s, const char *name,
              const char *parts)
{
    int rc = ERR_OK;
    struct dataset_entry *entry = NULL;
    for (size_t i = 0; i < s->n_merges; i++)
        if (strcmp(s->merge[i]->name, name) == 0 && strcmp(s->merge[i]->merge, parts) == 0) {
            *out = s->merge[i];
            return ERR_OK;
        }
    if (config_dataset(s->config, name))
        FAIL(ERR_CONFIG, "datasets: \"%s\" is the name of a data set and of merged ones", name);
    if (strlen(name) > MAX_NAME)
        FAIL(ERR_CONFIG,
             "pairs: found %zu characters for \"%.40s...\", wanted at most %d; give it a name: "
             "\"datasets\": {\"NAME\": {\"merge\": [...]}}",
             strlen(name), name, MAX_NAME);
    TRY(MEM_GROW(s->merge, &s->merge_cap, s->n_merges + 1));
    TRY(MEM_NEW(entry, 1));
    s->merge[s->n_merges++] = entry;
    TRY(str_dup(&entry->name, name));
    TRY(str_dup(&entry->merge, parts));
    *out = entry;
out:
    return rc;
}

int merge_find(const struct dataset_entry **out, struct sweep *s, const char *name)
{
    int rc = ERR_OK;
    *out = config_dataset(s->config, name);
    if (*out)
        return ERR_OK;
    if (!strchr(name, '+'))
        TRY(no_such(s->config, name));
    TRY(merge_add(out, s, name, name));
out:
    return rc;
}

void merges_close(struct sweep *s)
{
    for (size_t i = 0; i < s->n_merges; i++) {
        MEM_FREE(s->merge[i]->name);
        MEM_FREE(s->merge[i]->merge);
        MEM_FREE(s->merge[i]);
    }
    MEM_FREE(s->merge);
}
