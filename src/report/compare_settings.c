/* compare_settings.c - the settings of a run beside those of a publication. See compare_int.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config.h"
#include "config/json.h"
#include "report/compare_int.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static int tree_of(cJSON **out, const struct config *config)
{
    int rc = ERR_OK;
    char *text = NULL;
    TRY(config_text(&text, config));
    TRY(json_parse(out, text, "configuration"));
out:
    MEM_FREE(text);
    return rc;
}

static int read_ablation(struct run_setting *s, const struct config *config,
                         const struct ablation *ablation)
{
    int rc = ERR_OK;
    struct config *changed = NULL;
    s->label = ablation->label;
    TRY(json_parse(&s->changed, ablation->values, ablation->label));
    TRY(config_ablate(&changed, config, ablation));
    TRY(tree_of(&s->tree, changed));
out:
    config_free(&changed);
    return rc;
}

int compare_read_settings(struct comparison *c, const struct config *config)
{
    int rc = ERR_OK;
    TRY(MEM_NEW(c->setting, config->n_ablations + 1));
    c->n_settings = config->n_ablations + 1;
    TRY(tree_of(&c->setting[0].tree, config));
    for (size_t i = 0; i < config->n_ablations; i++)
        TRY(read_ablation(&c->setting[i + 1], config, &config->ablation[i]));
out:
    return rc;
}

const struct run_setting *compare_setting(const struct comparison *c, const struct row *ours)
{
    for (size_t i = 0; i < c->n_settings; i++) {
        const char *label = c->setting[i].label;
        if (label && ours->ablation ? strcmp(label, ours->ablation) == 0 : label == ours->ablation)
            return &c->setting[i];
    }
    return NULL;
}

/* The value of a dotted key, NULL when there is none. */
static const cJSON *value_of(const struct run_setting *s, const char *key)
{
    const cJSON *node = s->tree;
    char part[80];
    for (const char *dot; node && (dot = strchr(key, '.')); key = dot + 1) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(dot - key), key);
        node = cJSON_GetObjectItemCaseSensitive(node, part);
    }
    return node ? cJSON_GetObjectItemCaseSensitive(node, key) : NULL;
}

const cJSON *compare_other_setting(const struct run_setting *s, const cJSON *wanted,
                                   const cJSON *except)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, wanted)
    {
        if (!cJSON_GetObjectItemCaseSensitive(except, one->string) &&
            !cJSON_Compare(value_of(s, one->string), one, 1))
            return one;
    }
    return NULL;
}

int compare_describe_setting(char **out, const struct run_setting *s, const cJSON *wanted)
{
    int rc = ERR_OK;
    const cJSON *value = value_of(s, wanted->string);
    char *ours = NULL;
    char *theirs = NULL;
    if (!value)
        FAIL(ERR_FORMAT, "published numbers: \"%s\" is no configuration key", wanted->string);
    TRY(json_line(&ours, value));
    TRY(json_line(&theirs, wanted));
    TRY(str_make(out, "%s is %s, published %s", wanted->string, ours, theirs));
out:
    MEM_FREE(ours);
    MEM_FREE(theirs);
    return rc;
}

bool compare_settings_cover(const struct run_setting *s, const cJSON *published)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, s->changed)
    {
        if (!published || !cJSON_GetObjectItemCaseSensitive(published, one->string))
            return false;
    }
    return true;
}
