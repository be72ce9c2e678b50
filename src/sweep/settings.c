/* settings.c - the job's own configuration and its ablations, and where these differ. */
#include "base/err.h"
#include "base/mem.h"
#include "sweep/sweep_int.h"

#include <string.h>

/* What goes into the key of a product of that level, all levels below included. */
static const int stages_up_to[N_LEVELS] = {
    [LEVEL_FEATURES] = IN_MODEL | IN_FEATURES,
    [LEVEL_BANK] = IN_MODEL | IN_FEATURES | IN_BANK | IN_REDUCTION,
    [LEVEL_METRIC] = IN_MODEL | IN_FEATURES | IN_BANK | IN_REDUCTION | IN_HEAD | IN_GIVEN,
    [LEVEL_PROMPTS] =
        IN_MODEL | IN_FEATURES | IN_BANK | IN_REDUCTION | IN_HEAD | IN_PROMPTS | IN_GIVEN,
};

static int make_setting(struct setting *setting, const struct config *c, size_t index)
{
    int rc = ERR_OK;
    setting->config = c;
    if (index > 0) {
        setting->label = c->ablation[index - 1].label;
        TRY(config_ablate(&setting->own, c, &c->ablation[index - 1]));
        setting->config = setting->own;
    }
    TRY(config_stage_text(&setting->metrics, setting->config, IN_METRICS));
out:
    return rc;
}

/* Find `like` of all settings for one level. */
static int compare_settings(struct sweep *s, int level)
{
    int rc = ERR_OK;
    char **text = NULL;
    TRY(MEM_NEW(text, s->n_settings));
    for (size_t i = 0; i < s->n_settings; i++) {
        size_t first = 0;
        TRY(config_stage_text(&text[i], s->setting[i].config, stages_up_to[level]));
        while (strcmp(text[first], text[i]) != 0)
            first++;
        s->setting[i].like[level] = first;
    }
out:
    for (size_t i = 0; text && i < s->n_settings; i++)
        MEM_FREE(text[i]);
    MEM_FREE(text);
    return rc;
}

int settings_open(struct sweep *s)
{
    int rc = ERR_OK;
    size_t n = 1 + s->config->n_ablations;
    TRY(MEM_NEW(s->setting, n));
    for (size_t i = 0; i < n; i++) {
        s->n_settings++;
        TRY(make_setting(&s->setting[i], s->config, i));
    }
    for (int level = 0; level < N_LEVELS; level++)
        TRY(compare_settings(s, level));
out:
    return rc;
}

void settings_close(struct sweep *s)
{
    for (size_t i = 0; i < s->n_settings; i++) {
        config_free(&s->setting[i].own);
        MEM_FREE(s->setting[i].metrics);
    }
    MEM_FREE(s->setting);
}

size_t sweep_n_omitted(const struct sweep *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_settings; i++)
        n += s->setting[i].n_omitted;
    return n;
}
