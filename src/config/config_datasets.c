/* config_datasets.c - the data sets of a job, and which pairs of them it means. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config_int.h"

#include <string.h>

/* What "pairs" may be besides a list; in the order of enum pairing. */
static const char *const pairings[] = {"protocol", "all", "leave-one-out", "leave-one-domain-out"};
enum { N_PAIRINGS = sizeof pairings / sizeof *pairings };

/* ---- data sets ---- */

/* A text, or a list of texts that are then joined by '+'. */
static int join_names(char **out, const cJSON *value)
{
    int rc = ERR_OK;
    struct str joined = {0};
    const cJSON *one;
    *out = NULL;
    if (cJSON_IsString(value) && value->valuestring[0])
        return str_dup(out, value->valuestring);
    if (!cJSON_IsArray(value))
        return ERR_OK;
    cJSON_ArrayForEach(one, value)
    {
        if (!cJSON_IsString(one) || !one->valuestring[0])
            goto out;
        TRY(str_addf(&joined, "%s%s", joined.len ? "+" : "", one->valuestring));
    }
    *out = joined.text;
    joined.text = NULL;
out:
    str_free(&joined);
    return rc;
}

static int dataset_member(struct dataset_entry *d, const cJSON *member, const char *from)
{
    static const char *const known[] = {"root", "meta", "bank", "domain", "merge"};
    enum { N_KNOWN = sizeof known / sizeof *known };
    char **const slot[N_KNOWN] = {&d->root, &d->meta, &d->bank, &d->domain, &d->merge};
    int rc = ERR_OK;
    char found[DESCRIPTION];
    const char *near;
    size_t k = 0;
    while (k < N_KNOWN && strcmp(member->string, known[k]) != 0)
        k++;
    if (k == N_KNOWN) {
        near = str_nearest(member->string, known, N_KNOWN);
        FAIL(ERR_CONFIG, "%s: datasets.%s.%s: no such key%s%s%s", from, d->name, member->string,
             near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
    if (slot[k] == &d->merge || cJSON_IsString(member))
        TRY(join_names(slot[k], member));
    if (!*slot[k])
        FAIL(ERR_CONFIG, "%s: datasets.%s.%s: found %s, wanted %s", from, d->name, member->string,
             config_describe(found, member),
             slot[k] == &d->merge ? "a list of names of data sets" : "a text");
out:
    return rc;
}

static int check_dataset(const struct dataset_entry *d, const char *from)
{
    int rc = ERR_OK;
    if (!d->name[0] || strchr(d->name, '/') || d->name[0] == '.')
        FAIL(ERR_CONFIG,
             "%s: datasets: \"%s\" cannot be the name of a data set: it names "
             "a folder of the store",
             from, d->name);
    if (strchr(d->name, '+'))
        FAIL(ERR_CONFIG,
             "%s: datasets: \"%s\" cannot be the name of a data set: '+' stands between the names "
             "of merged ones",
             from, d->name);
    if (d->merge && (d->root || d->meta || d->bank))
        FAIL(ERR_CONFIG,
             "%s: datasets.%s: found \"merge\" beside \"%s\"; merged data sets have no files of "
             "their own",
             from, d->name,
             d->root   ? "root"
             : d->meta ? "meta"
                       : "bank");
    if (!d->merge && !d->root)
        FAIL(ERR_CONFIG, "%s: datasets.%s.root: missing", from, d->name);
out:
    return rc;
}

int config_assign_datasets(struct config *c, const cJSON *value, const char *from)
{
    int rc = ERR_OK;
    char found[DESCRIPTION];
    const cJSON *one;
    const cJSON *member;
    if (!cJSON_IsObject(value))
        FAIL(ERR_CONFIG, "%s: datasets: found %s, wanted an object of data sets", from,
             config_describe(found, value));
    config_drop_datasets(c);
    TRY(MEM_NEW(c->dataset, (size_t)cJSON_GetArraySize(value) + 1));
    cJSON_ArrayForEach(one, value)
    {
        struct dataset_entry *d = &c->dataset[c->n_datasets++];
        TRY(str_dup(&d->name, one->string));
        if (!cJSON_IsObject(one))
            FAIL(ERR_CONFIG, "%s: datasets.%s: found %s, wanted {\"root\": ...}", from, d->name,
                 config_describe(found, one));
        cJSON_ArrayForEach(member, one) TRY(dataset_member(d, member, from));
        TRY(check_dataset(d, from));
    }
out:
    return rc;
}

void config_drop_datasets(struct config *c)
{
    for (size_t i = 0; i < c->n_datasets; i++) {
        MEM_FREE(c->dataset[i].name);
        MEM_FREE(c->dataset[i].root);
        MEM_FREE(c->dataset[i].meta);
        MEM_FREE(c->dataset[i].bank);
        MEM_FREE(c->dataset[i].domain);
        MEM_FREE(c->dataset[i].merge);
    }
    MEM_FREE(c->dataset);
    c->n_datasets = 0;
}

static void put_text(cJSON *object, const char *key, const char *text)
{
    if (text)
        (void)cJSON_AddStringToObject(object, key, text);
}

cJSON *config_datasets_value(const struct config *c)
{
    cJSON *all = cJSON_CreateObject();
    for (size_t i = 0; i < c->n_datasets; i++) {
        const struct dataset_entry *d = &c->dataset[i];
        cJSON *one = cJSON_AddObjectToObject(all, d->name);
        put_text(one, "root", d->root);
        put_text(one, "meta", d->meta);
        put_text(one, "bank", d->bank);
        put_text(one, "domain", d->domain);
        put_text(one, "merge", d->merge);
    }
    return all;
}

/* ---- pairs ---- */

static int assign_pair(struct config *c, const cJSON *one, const char *from)
{
    int rc = ERR_OK;
    const cJSON *train = cJSON_GetArrayItem(one, 0);
    const cJSON *test = cJSON_GetArrayItem(one, 1);
    struct pair *p = &c->pair[c->n_pairs];
    TRY(join_names(&p->train, train));
    c->n_pairs++;
    if (cJSON_GetArraySize(one) != 2 || !p->train || !cJSON_IsString(test))
        FAIL(ERR_CONFIG,
             "%s: pairs[%zu]: wanted [\"train\", \"test\"] or [[\"train\", ...], \"test\"]", from,
             c->n_pairs - 1);
    TRY(str_dup(&p->test, test->valuestring));
out:
    return rc;
}

int config_assign_pairs(struct config *c, const cJSON *value, const char *from)
{
    int rc = ERR_OK;
    const char *word = cJSON_GetStringValue(value);
    char found[DESCRIPTION];
    const cJSON *one;
    config_drop_pairs(c);
    for (int i = 0; word && i < N_PAIRINGS; i++)
        if (strcmp(word, pairings[i]) == 0) {
            c->pairing = i;
            return ERR_OK;
        }
    if (!cJSON_IsArray(value) || !value->child)
        FAIL(ERR_CONFIG,
             "%s: pairs: found %s, wanted \"protocol\", \"all\", \"leave-one-out\", "
             "\"leave-one-domain-out\" or a list of pairs that is not empty",
             from, config_describe(found, value));
    c->pairing = PAIRS_LISTED;
    TRY(MEM_NEW(c->pair, (size_t)cJSON_GetArraySize(value) + 1));
    cJSON_ArrayForEach(one, value) TRY(assign_pair(c, one, from));
out:
    return rc;
}

void config_drop_pairs(struct config *c)
{
    for (size_t i = 0; i < c->n_pairs; i++) {
        MEM_FREE(c->pair[i].train);
        MEM_FREE(c->pair[i].test);
    }
    MEM_FREE(c->pair);
    c->n_pairs = 0;
}

cJSON *config_pairs_value(const struct config *c)
{
    cJSON *all;
    if (c->pairing != PAIRS_LISTED)
        return cJSON_CreateString(pairings[c->pairing]);
    all = cJSON_CreateArray();
    for (size_t i = 0; i < c->n_pairs; i++) {
        cJSON *one = cJSON_CreateArray();
        (void)cJSON_AddItemToArray(one, cJSON_CreateString(c->pair[i].train));
        (void)cJSON_AddItemToArray(one, cJSON_CreateString(c->pair[i].test));
        (void)cJSON_AddItemToArray(all, one);
    }
    return all;
}
