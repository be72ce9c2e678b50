/* inputs.c - what a sweep reads, by hash and count. See sweep.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "config/json.h"
#include "sweep/sweep_int.h"

#include <string.h>

static int put_counts(struct cJSON *o, const struct manifest *m)
{
    int rc = ERR_OK;
    struct class_count *count = NULL;
    struct class_count sum = {0};
    TRY(manifest_count(&count, m));
    for (size_t i = 0; i < m->n_classes; i++) {
        sum.n_anomalous += count[i].n_anomalous;
        sum.n_masks += count[i].n_masks;
    }
    TRY(json_put_number(o, "classes", (double)m->n_classes));
    TRY(json_put_number(o, "images", (double)m->n_items));
    TRY(json_put_number(o, "anomalous", (double)sum.n_anomalous));
    TRY(json_put_number(o, "masks", (double)sum.n_masks));
out:
    MEM_FREE(count);
    return rc;
}

static int put_member(struct cJSON *list, const struct member *m)
{
    int rc = ERR_OK;
    struct cJSON *o;
    char *meta = NULL;
    TRY(json_push_object(list, &o));
    TRY(json_put_text(o, "name", m->entry->name));
    if (m->n_parts) {
        TRY(json_put_text(o, "merge", m->entry->merge));
    } else {
        TRY(path_join(&meta, m->entry->root, "meta.json"));
        TRY(json_put_text(o, "root", m->entry->root));
        TRY(json_put_text(o, "meta", m->entry->meta ? m->entry->meta : meta));
    }
    TRY(json_put_text(o, "manifest", m->features->manifest_hash));
    TRY(put_counts(o, m->manifest));
out:
    MEM_FREE(meta);
    return rc;
}

/* The weights of a setting, unless an earlier one has the same. */
static int put_weights(struct cJSON *list, const struct sweep *s, size_t setting)
{
    int rc = ERR_OK;
    struct cJSON *o;
    for (size_t i = 0; i <= setting; i++)
        if (s->setting[i].like[LEVEL_FEATURES] == i &&
            strcmp(s->setting[i].config->weights, s->setting[setting].config->weights) == 0) {
            if (i < setting)
                return ERR_OK;
            TRY(json_push_object(list, &o));
            TRY(json_put_text(o, "file", s->setting[i].config->weights));
            TRY(json_put_text(o, "hash", s->setting[i].model.hash));
            TRY(json_put_text(o, "about", s->setting[i].model.about));
        }
out:
    return rc;
}

int sweep_put_inputs(struct cJSON *out, const struct sweep *s)
{
    int rc = ERR_OK;
    struct cJSON *o;
    TRY(json_put_array(out, "weights", &o));
    for (size_t i = 0; i < s->n_settings; i++)
        TRY(put_weights(o, s, i));
    TRY(json_put_array(out, "datasets", &o));
    for (size_t i = 0; i < s->n_members; i++)
        if (s->member[i].setting == 0) /* other settings have the same ones */
            TRY(put_member(o, &s->member[i]));
out:
    return rc;
}
