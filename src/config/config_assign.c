/* config_assign.c - JSON values into struct config and back. See config_int.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config_int.h"
#include "config/json.h"

#include <stdio.h>
#include <string.h>

const char *config_describe(char out[DESCRIPTION], const cJSON *value)
{
    if (cJSON_IsString(value))
        (void)snprintf(out, DESCRIPTION, "\"%.40s\"", value->valuestring);
    else if (cJSON_IsNumber(value))
        (void)snprintf(out, DESCRIPTION, "%g", value->valuedouble);
    else
        (void)snprintf(out, DESCRIPTION, "%s",
                       cJSON_IsObject(value)  ? "an object"
                       : cJSON_IsArray(value) ? "a list"
                       : cJSON_IsNull(value)  ? "null"
                       : cJSON_IsTrue(value)  ? "true"
                                              : "false");
    return out;
}

static int number_in_range(const struct field *f, const cJSON *value, const char *from, double *out)
{
    int rc = ERR_OK;
    char found[DESCRIPTION];
    bool is_whole = f->kind == KIND_SIZE || f->kind == KIND_SIZES;
    double x = value->valuedouble;
    if (!cJSON_IsNumber(value))
        FAIL(ERR_CONFIG, "%s: %s: found %s, wanted a number", from, f->key,
             config_describe(found, value));
    if (!(x >= f->low && x <= f->high)) /* also false for NaN */
        FAIL(ERR_CONFIG, "%s: %s: found %g, wanted a number from %g to %g", from, f->key, x, f->low,
             f->high);
    if (is_whole && x != (double)(size_t)x)
        FAIL(ERR_CONFIG, "%s: %s: found %g, wanted a whole number", from, f->key, x);
    *out = x;
out:
    return rc;
}

static int choose(const struct field *f, const cJSON *value, const char *from, int *out)
{
    int rc = ERR_OK;
    char found[DESCRIPTION];
    struct str known = {0};
    if (cJSON_IsString(value))
        for (int i = 0; f->choices[i]; i++)
            if (strcmp(f->choices[i], value->valuestring) == 0) {
                *out = i;
                return ERR_OK;
            }
    for (int i = 0; f->choices[i]; i++)
        TRY(str_addf(&known, "%s\"%s\"", i ? ", " : "", f->choices[i]));
    FAIL(ERR_CONFIG, "%s: %s: found %s, wanted one of %s", from, f->key,
         config_describe(found, value), known.text);
out:
    str_free(&known);
    return rc;
}

static int assign_text(char **slot, const struct field *f, const cJSON *value, const char *from)
{
    int rc = ERR_OK;
    char found[DESCRIPTION];
    if (cJSON_IsNull(value) && !f->fallback) { /* as config_text writes an unset text */
        MEM_FREE(*slot);
        return ERR_OK;
    }
    if (!cJSON_IsString(value) || !value->valuestring[0])
        FAIL(ERR_CONFIG, "%s: %s: found %s, wanted a text", from, f->key,
             config_describe(found, value));
    MEM_FREE(*slot);
    TRY(str_dup(slot, value->valuestring));
out:
    return rc;
}

static int assign_list(struct config *c, const struct field *f, const cJSON *value,
                       const char *from)
{
    int rc = ERR_OK;
    char found[DESCRIPTION];
    double x;
    const cJSON *one;
    size_t n = (size_t)cJSON_GetArraySize(value);
    if (!cJSON_IsArray(value) || n == 0)
        FAIL(ERR_CONFIG, "%s: %s: found %s, wanted a list that is not empty", from, f->key,
             config_describe(found, value));
    if (f->kind == KIND_TEXTS) {
        config_drop_texts(&c->variant, &c->n_variants);
        TRY(MEM_NEW(c->variant, n));
        cJSON_ArrayForEach(one, value) TRY(assign_text(&c->variant[c->n_variants++], f, one, from));
    } else {
        MEM_FREE(c->seed);
        c->n_seeds = 0;
        TRY(MEM_NEW(c->seed, n));
        cJSON_ArrayForEach(one, value)
        {
            TRY(number_in_range(f, one, from, &x));
            c->seed[c->n_seeds++] = (size_t)x;
        }
    }
out:
    return rc;
}

int config_assign(struct config *config, const struct field *f, const cJSON *value,
                  const char *from)
{
    int rc = ERR_OK;
    char found[DESCRIPTION];
    char *at = (char *)config + f->offset;
    double x = 0;
    switch (f->kind) {
    case KIND_TEXT:
        return assign_text((char **)(void *)at, f, value, from);
    case KIND_SIZE:
        TRY(number_in_range(f, value, from, &x));
        *(size_t *)(void *)at = (size_t)x;
        break;
    case KIND_REAL:
        return number_in_range(f, value, from, (double *)(void *)at);
    case KIND_BOOL:
        if (!cJSON_IsBool(value))
            FAIL(ERR_CONFIG, "%s: %s: found %s, wanted true or false", from, f->key,
                 config_describe(found, value));
        *(bool *)at = cJSON_IsTrue(value);
        break;
    case KIND_CHOICE:
        return choose(f, value, from, (int *)(void *)at);
    case KIND_TEXTS:
    case KIND_SIZES:
        return assign_list(config, f, value, from);
    case KIND_DATASETS:
        return config_assign_datasets(config, value, from);
    case KIND_PAIRS:
        return config_assign_pairs(config, value, from);
    case KIND_ABLATIONS:
        return config_assign_ablations(config, value, from);
    }
out:
    return rc;
}

void config_drop_texts(char ***list, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        MEM_FREE((*list)[i]);
    MEM_FREE(*list);
    *n = 0;
}

static cJSON *list_value(const struct config *c, enum kind kind)
{
    cJSON *all = cJSON_CreateArray();
    size_t n = kind == KIND_TEXTS ? c->n_variants : c->n_seeds;
    for (size_t i = 0; i < n; i++)
        (void)cJSON_AddItemToArray(all, kind == KIND_TEXTS
                                            ? cJSON_CreateString(c->variant[i])
                                            : cJSON_CreateNumber((double)c->seed[i]));
    return all;
}

static cJSON *make_value(const struct config *c, const struct field *f)
{
    const char *at = (const char *)c + f->offset;
    const char *text;
    switch (f->kind) {
    case KIND_TEXT:
        text = *(char *const *)(const void *)at;
        return text ? cJSON_CreateString(text) : cJSON_CreateNull();
    case KIND_SIZE:
        return cJSON_CreateNumber((double)*(const size_t *)(const void *)at);
    case KIND_REAL:
        return cJSON_CreateNumber(*(const double *)(const void *)at);
    case KIND_BOOL:
        return cJSON_CreateBool(*(const bool *)at);
    case KIND_CHOICE:
        return cJSON_CreateString(f->choices[*(const int *)(const void *)at]);
    case KIND_TEXTS:
    case KIND_SIZES:
        return list_value(c, f->kind);
    case KIND_DATASETS:
        return config_datasets_value(c);
    case KIND_PAIRS:
        return config_pairs_value(c);
    case KIND_ABLATIONS:
        return config_ablations_value(c);
    }
    return NULL;
}

int config_value(cJSON **out, const struct config *config, const struct field *field)
{
    int rc = ERR_OK;
    *out = make_value(config, field);
    if (!*out)
        FAIL(ERR_MEMORY, "out of memory: configuration");
out:
    return rc;
}
