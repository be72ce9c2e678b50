/*
 * What a model's text tower knows of the state of things, for demo.sh: write_zero_shot MODEL ROOT SIDE scores
 * every picture of a data set by the cosine of its class token with "damaged object" less that with "flawless
 * object", no memory, and prints the image AUROC (percent, mean over classes). MODEL: a folder with
 * model.safetensors and a tokenizer.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "clip/clip.h"
#include "datasets/datasets.h"
#include "images/images.h"
#include "metrics/metrics.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const texts[2] = {"flawless object", "damaged object"};

struct model {
    struct weights *weights;
    struct ops *ops;
    struct encoder *encoder;
    struct clip_shape shape;
    size_t side, n_patch;
    float *away; /* [E] unit damaged less unit flawless */
};

static void make_unit(float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(x[i] / sqrt(sum));
}

static int encode_texts(struct model *m, const char *folder)
{
    int rc = ERR_OK;
    struct tokenizer *tokenizer = NULL;
    struct text_tower *tower = NULL;
    size_t n = m->shape.context, width = m->shape.text_width, embed = m->shape.embed;
    struct text_options options = {.n_positions = n, .max_rows = 2, .forward_only = true};
    int32_t *ids = NULL, end[2] = {0};
    float *prompt = NULL, *out = NULL;
    TRY(tokenizer_open(&tokenizer, folder));
    TRY(MEM_NEW(ids, 2 * n));
    TRY(MEM_NEW(prompt, 2 * n * width));
    TRY(MEM_NEW(out, 2 * embed));
    for (size_t t = 0; t < 2; t++) {
        TRY(tokenizer_prompt(tokenizer, texts[t], n, ids + t * n));
        while (ids[t * n + (size_t)end[t]] != tokenizer_end(tokenizer))
            end[t]++;
    }
    TRY(weights_embed(m->weights, ids, 2 * n, prompt));
    TRY(text_tower_new(&tower, m->weights, m->ops, &options));
    TRY(text_forward(tower, prompt, end, 2, NULL, out));
    make_unit(out, embed);
    make_unit(out + embed, embed);
    TRY(MEM_NEW(m->away, embed));
    for (size_t i = 0; i < embed; i++)
        m->away[i] = out[embed + i] - out[i];
out:
    text_tower_free(&tower);
    tokenizer_free(&tokenizer);
    MEM_FREE(ids);
    MEM_FREE(prompt);
    MEM_FREE(out);
    return rc;
}

static int open_model(struct model *m, const char *folder, size_t side)
{
    int rc = ERR_OK;
    char *path = NULL;
    struct encoder_options options = {.image_size = side, .vv_start = 1};
    TRY(path_join(&path, folder, "model.safetensors"));
    TRY(weights_open(&m->weights, path));
    TRY(ops_open(&m->ops, "cpu", 1));
    m->shape = *weights_shape(m->weights);
    m->side = side;
    TRY(encoder_new(&m->encoder, m->weights, m->ops, &options));
    m->n_patch = encoder_grid(m->encoder) * encoder_grid(m->encoder);
    TRY(encode_texts(m, folder));
out:
    MEM_FREE(path);
    return rc;
}

static int score_image(double *out, const struct model *m, const char *path)
{
    int rc = ERR_OK;
    struct image image = {0};
    uint8_t *rgb = NULL;
    float *input = NULL, *cls = NULL, *patch = NULL;
    TRY(MEM_NEW(rgb, 3 * m->side * m->side));
    TRY(MEM_NEW(input, 3 * m->side * m->side));
    TRY(MEM_NEW(cls, m->shape.embed));
    TRY(MEM_NEW(patch, m->n_patch * m->shape.width));
    TRY(image_load(&image, path));
    TRY(image_resize_rgb(rgb, &image, m->side));
    image_normalise(input, rgb, m->side, IMAGE_SCALE_CLIP);
    TRY(encoder_run(m->encoder, input, cls, patch));
    make_unit(cls, m->shape.embed);
    *out = 0;
    for (size_t i = 0; i < m->shape.embed; i++)
        *out += (double)cls[i] * m->away[i];
out:
    image_free(&image);
    MEM_FREE(rgb);
    MEM_FREE(input);
    MEM_FREE(cls);
    MEM_FREE(patch);
    return rc;
}

static int measure_class(double *out, const struct model *model, const struct manifest *m,
                         uint32_t class_id)
{
    int rc = ERR_OK;
    struct metric_set *set = NULL;
    struct metric_options options = METRIC_OPTIONS;
    struct metric_row row;
    char *path = NULL;
    TRY(metric_set_new(&set, 0, 0));
    for (size_t i = 0; i < m->n_items; i++) {
        double score = 0;
        if (m->item[i].class_id != class_id)
            continue;
        TRY(manifest_image_path(&path, m, i));
        TRY(score_image(&score, model, path));
        MEM_FREE(path);
        TRY(metric_set_add(set, m->item[i].is_anomalous, (float)score, NULL, NULL));
    }
    TRY(metric_set_compute(set, &options, &row));
    *out = row.value[METRIC_I_AUROC];
out:
    metric_set_free(&set);
    MEM_FREE(path);
    return rc;
}

static int measure(const char *folder, const char *root, size_t side)
{
    int rc = ERR_OK;
    struct model model = {0};
    struct manifest *m = NULL;
    double sum = 0;
    TRY(manifest_load(&m, "set", root, NULL));
    TRY(open_model(&model, folder, side));
    for (uint32_t c = 0; c < m->n_classes; c++) {
        double one = 0;
        TRY(measure_class(&one, &model, m, c));
        sum += one;
    }
    (void)printf("%.2f\n", 100 * sum / (double)m->n_classes);
out:
    MEM_FREE(model.away);
    encoder_free(&model.encoder);
    ops_close(&model.ops);
    weights_free(&model.weights);
    manifest_free(&m);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = ERR_OK;
    if (argc != 4)
        FAIL(ERR_USAGE, "wanted a model's folder, a data set's folder and a side");
    TRY(measure(argv[1], argv[2], (size_t)atol(argv[3])));
out:
    if (rc != ERR_OK)
        log_error();
    return err_exit_status(rc);
}
