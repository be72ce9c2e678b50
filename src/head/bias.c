/*
 * bias.c - where the bias of the prompts comes from: the published method and the others of its ablation.
 * docs/METHOD.md has the equations.
 */
#include "base/err.h"
#include "base/str.h"
#include "head/head_int.h"
#include "head/pooling_int.h"

#include <string.h>

/* Means of the patches that MRAD-FT's metric takes for normal and for anomalous; zero where empty. */
static int regional_priors(const struct core_engine *engine, const struct head *head,
                           const struct bias_view *view, float *weight, float *prior)
{
    size_t count[2] = {0, 0};
    size_t e = view->embed;
    (void)engine, (void)head, (void)weight;
    memset(prior, 0, 2 * e * sizeof *prior);
    for (size_t i = 0; i < view->n_patch; i++) {
        int region = view->mass[i] > 0.5F;
        count[region]++;
        for (size_t c = 0; c < e; c++)
            prior[(size_t)region * e + c] += view->projected[i * e + c];
    }
    for (size_t r = 0; r < 2; r++)
        for (size_t c = 0; count[r] && c < e; c++)
            prior[r * e + c] /= (float)count[r];
    return ERR_OK;
}

/* The image's class feature in both places. */
static int class_feature(const struct core_engine *engine, const struct head *head,
                         const struct bias_view *view, float *weight, float *prior)
{
    (void)engine, (void)head, (void)weight;
    for (size_t r = 0; r < 2; r++)
        memcpy(prior + r * view->embed, view->image, view->embed * sizeof *prior);
    return ERR_OK;
}

/* Means of all patches, weighed by the attention of the learnable queries. */
static int attended_patches(const struct core_engine *engine, const struct head *head,
                            const struct bias_view *view, float *weight, float *prior)
{
    return core_pool(engine, view->projected, head->tensor[CLIP_QUERY],
                     (size_t[]){view->n_patch, view->embed}, weight, prior);
}

static int attended_patches_grad(const struct core_engine *engine, const struct bias_view *view,
                                 const float *weight, const float *grad_prior, float *score,
                                 float *grad_query)
{
    return core_pool_grad(engine, view->projected, weight, (size_t[]){view->n_patch, view->embed},
                          grad_prior, score, grad_query);
}

#define ANOMALOUS_MAP (1U << CLIP_PA | 1U << CLIP_PBA)
#define BOTH_MAPS     (1U << CLIP_PN | 1U << CLIP_PBN | ANOMALOUS_MAP)

/* Columns as in struct bias_source. */
static const struct bias_source sources[] = {
    {"static", 0, false, NULL, NULL},
    {"class-token", BOTH_MAPS, false, class_feature, NULL},
    {"cross-patch", BOTH_MAPS | 1U << CLIP_QUERY, false, attended_patches, attended_patches_grad},
    {"anomaly-prior", ANOMALOUS_MAP, true, regional_priors, NULL},
    {BIAS_PUBLISHED, BOTH_MAPS, true, regional_priors, NULL},
};

int bias_find(const struct bias_source **out, const char *name)
{
    int rc = ERR_OK;
    struct str known = {0};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        *out = &sources[i];
        if (strcmp(sources[i].name, name) == 0)
            goto out;
        TRY(str_addf(&known, "%s%s", i ? ", " : "", sources[i].name));
    }
    *out = NULL;
    FAIL(ERR_CONFIG, "prompt bias \"%s\" is not known; wanted one of %s", name, known.text);
out:
    str_free(&known);
    return rc;
}
