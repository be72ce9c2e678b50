/*
 * declared.c - what tensors cannot tell: the configuration file that model hubs put beside the weights.
 *
 * config.json of Hugging Face's transformers: "vision_config" of a CLIP, the file itself of a vision model;
 * "hidden_act", "num_attention_heads". open_clip_config.json: "model_cfg", in it "quick_gelu" (absent:
 * false, so GELU) and "vision_cfg", in it "head_width" (absent: 64).
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "clip/names_int.h"
#include "config/json.h"

#include <cjson/cJSON.h>
#include <string.h>

enum { MAX_FILE = 4 << 20 };

static const struct {
    const char *word;
    enum activation activation;
} words[] = {{"quick_gelu", ACT_QUICK_GELU}, {"gelu", ACT_GELU}};

enum { N_WORDS = sizeof words / sizeof *words };

static int read_activation(struct declared *d, const cJSON *value)
{
    int rc = ERR_OK;
    const char *word = cJSON_GetStringValue(value);
    if (!value)
        return ERR_OK;
    for (size_t i = 0; word && i < N_WORDS; i++)
        if (strcmp(word, words[i].word) == 0) {
            d->activation = words[i].activation;
            return ERR_OK;
        }
    FAIL(ERR_FORMAT, "%s: hidden_act: found \"%.40s\", wanted \"quick_gelu\" or \"gelu\"", d->file,
         word ? word : "no text");
out:
    return rc;
}

static int read_count(size_t *out, const struct declared *d, const cJSON *object, const char *key)
{
    int rc = ERR_OK;
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!value)
        return ERR_OK;
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 1 && value->valuedouble <= 1024) ||
        value->valuedouble != (double)(size_t)value->valuedouble)
        FAIL(ERR_FORMAT, "%s: %s: wanted a whole number from 1 to 1024", d->file, key);
    *out = (size_t)value->valuedouble;
out:
    return rc;
}

static int read_hugging_face(struct declared *d, const cJSON *tree)
{
    int rc = ERR_OK;
    const cJSON *vision = cJSON_GetObjectItemCaseSensitive(tree, "vision_config");
    if (!vision)
        vision = tree;
    TRY(read_activation(d, cJSON_GetObjectItemCaseSensitive(vision, "hidden_act")));
    TRY(read_count(&d->heads, d, vision, "num_attention_heads"));
out:
    return rc;
}

static int read_open_clip(struct declared *d, const cJSON *tree)
{
    int rc = ERR_OK;
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(tree, "model_cfg");
    const cJSON *vision = cJSON_GetObjectItemCaseSensitive(model, "vision_cfg");
    if (!cJSON_IsObject(model) || !cJSON_IsObject(vision))
        FAIL(ERR_FORMAT, "%s: model_cfg and in it vision_cfg: missing", d->file);
    d->activation = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(model, "quick_gelu"))
                        ? ACT_QUICK_GELU
                        : ACT_GELU;
    d->head_size = 64;
    TRY(read_count(&d->head_size, d, vision, "head_width"));
out:
    return rc;
}

int declared_read(struct declared *out, const char *weights_path)
{
    static const struct {
        const char *name;
        int (*read)(struct declared *d, const cJSON *tree);
    } kinds[] = {{"open_clip_config.json", read_open_clip}, {"config.json", read_hugging_face}};
    int rc = ERR_OK;
    char *dir = NULL;
    cJSON *tree = NULL;
    *out = (struct declared){0};
    TRY(path_dir(&dir, weights_path));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        TRY(path_join(&out->file, dir, kinds[i].name));
        if (path_is_file(out->file)) {
            TRY(json_read(&tree, out->file, MAX_FILE));
            TRY(kinds[i].read(out, tree));
            goto out;
        }
        MEM_FREE(out->file);
    }
out:
    MEM_FREE(dir);
    json_free(&tree);
    if (rc)
        declared_release(out);
    return rc;
}

void declared_release(struct declared *d)
{
    MEM_FREE(d->file);
}
