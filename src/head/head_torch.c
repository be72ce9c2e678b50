/*
 * head_torch.c - trained parameters in the form of the published program: nested state dicts of its
 * modules image_proj, patch_proj, prompt_proj and prompt_learner. See head.h.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "head/head_int.h"
#include "tensor/torch.h"

#include <stdio.h>
#include <string.h>

/* Where the parameters lie, '/' between module and entry, in the order of files. */
static const struct {
    const char *entry;
    int tensor;
} ft_entry[] =
    {
        {"image_proj/mlp1.weight", FT_IQ}, {"image_proj/mlp1.bias", FT_IBQ},
        {"image_proj/mlp2.weight", FT_IK}, {"image_proj/mlp2.bias", FT_IBK},
        {"patch_proj/fc.0.weight", FT_WQ}, {"patch_proj/fc.0.bias", FT_BQ},
        {"patch_proj/fc.1.weight", FT_WK}, {"patch_proj/fc.1.bias", FT_BK},
},
  clip_entry[] = {
      {"prompt_proj/mlp1.weight", CLIP_PN},
      {"prompt_proj/mlp1.bias", CLIP_PBN},
      {"prompt_proj/mlp2.weight", CLIP_PA},
      {"prompt_proj/mlp2.bias", CLIP_PBA},
};
static const char *const ctx_entry[2] = {"prompt_learner/ctx_pos", "prompt_learner/ctx_neg"};
static const char *const tokens_entry[2] = {"prompt_learner/tokenized_prompts_pos",
                                            "prompt_learner/tokenized_prompts_neg"};
static const char deep_entry[] = "prompt_learner/compound_prompts_text";

enum { MAX_ENTRY = 128, MAX_SHAPE = 160 };
enum { N_FT = sizeof ft_entry / sizeof *ft_entry, N_CLIP = sizeof clip_entry / sizeof *clip_entry };

/* The parameters of a checkpoint. */
struct checkpoint {
    const char *path;
    struct torch_file *file;
    struct head *ft;
    struct head *clip; /* NULL where there are none */
    struct prompt_tokens tokens;
};

static void checkpoint_release(struct checkpoint *c)
{
    torch_close(&c->file);
    head_free(&c->ft);
    head_free(&c->clip);
    MEM_FREE(c->tokens.ids);
}

/* "module/entry" as torch_get wants it. */
static void dotted(char out[MAX_ENTRY], const char *entry)
{
    (void)snprintf(out, MAX_ENTRY, "%s", entry);
    *strchr(out, '/') = '.';
}

static const char *shape_text(char out[MAX_SHAPE], int rank, const size_t *dim)
{
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; i < rank && at < MAX_SHAPE - 24; i++)
        at += (size_t)snprintf(out + at, MAX_SHAPE - at, "%s%zu", i ? " x " : "", dim[i]);
    return rank ? out : "a number";
}

static int find(const struct torch_value **out, const struct checkpoint *c, const char *entry)
{
    int rc = ERR_OK;
    char name[MAX_ENTRY];
    dotted(name, entry);
    *out = torch_get(torch_root(c->file), name);
    if (!*out || (*out)->kind != TORCH_TENSOR)
        FAIL(ERR_FORMAT, "%s: has no tensor \"%s\" (found %s there), wanted a checkpoint of MRAD",
             c->path, name, torch_kind_name(*out));
out:
    return rc;
}

/* Demand a tensor whose last dimensions are dim and the others 1. Dimensions of H5_ANY are not checked. */
static int find_shaped(const struct torch_value **out, const struct checkpoint *c,
                       const char *entry, int rank, const size_t *dim)
{
    int rc = ERR_OK;
    char found[MAX_SHAPE];
    char wanted[MAX_SHAPE];
    const struct torch_value *v;
    bool fits;
    TRY(find(&v, c, entry));
    fits = v->rank >= rank;
    for (int i = 0; fits && i < v->rank; i++) {
        size_t want = i < v->rank - rank ? 1 : dim[i - (v->rank - rank)];
        fits = want == H5_ANY || v->dim[i] == want;
    }
    for (int i = 0; !fits && i < rank; i++)
        if (dim[i] == H5_ANY)
            FAIL(ERR_SHAPE, "%s: %s is %s, wanted %d dimensions", c->path, entry,
                 shape_text(found, v->rank, v->dim), rank);
    if (!fits)
        FAIL(ERR_SHAPE, "%s: %s is %s, wanted %s", c->path, entry,
             shape_text(found, v->rank, v->dim), shape_text(wanted, rank, dim));
    *out = v;
out:
    return rc;
}

static int read_floats(const struct checkpoint *c, const char *entry, int rank, const size_t *dim,
                       float *out)
{
    int rc = ERR_OK;
    const struct torch_value *v;
    TRY(find_shaped(&v, c, entry, rank, dim));
    TRY(torch_read(c->file, v, DTYPE_F32, out));
out:
    return rc;
}

static int read_ft(struct checkpoint *c)
{
    int rc = ERR_OK;
    const struct torch_value *v;
    struct head_form form;
    TRY(find_shaped(&v, c, "patch_proj/fc.0.weight", 2, (size_t[]){H5_ANY, H5_ANY}));
    form = head_form_ft(v->dim[v->rank - 1], v->dim[v->rank - 2]);
    TRY(head_new(&c->ft, &form));
    for (size_t i = 0; i < N_FT; i++) {
        int t = ft_entry[i].tensor;
        TRY(read_floats(c, ft_entry[i].entry, form.rank[t], form.dim[t], c->ft->tensor[t]));
    }
    TRY(head_check_finite(c->ft, c->path));
out:
    return rc;
}

/* Number of deep prompts: entries compound_prompts_text.0, .1 and on. */
static size_t count_deep(const struct checkpoint *c)
{
    char name[MAX_ENTRY + 24];
    char folder[MAX_ENTRY];
    size_t n = 0;
    dotted(folder, deep_entry);
    do
        (void)snprintf(name, sizeof name, "%s.%zu", folder, n++);
    while (torch_get(torch_root(c->file), name));
    return n - 1;
}

static int clip_form(struct head_form *out, const struct checkpoint *c)
{
    int rc = ERR_OK;
    const struct torch_value *v;
    const struct bias_source *bias;
    struct prompt_sizes sizes;
    char first[MAX_ENTRY];
    size_t width;
    TRY(bias_find(&bias, BIAS_PUBLISHED));
    TRY(find_shaped(&v, c, ctx_entry[0], 2, (size_t[]){H5_ANY, H5_ANY}));
    sizes.n_ctx = v->dim[v->rank - 2];
    width = v->dim[v->rank - 1];
    (void)snprintf(first, sizeof first, "%s.0", deep_entry);
    TRY(find_shaped(&v, c, first, 2, (size_t[]){H5_ANY, H5_ANY}));
    sizes.deep_len = v->dim[v->rank - 2];
    sizes.n_deep = count_deep(c);
    *out = head_form_clip(bias, width, c->ft->form.dim[FT_IQ][0], &sizes);
out:
    return rc;
}

static int read_clip(struct checkpoint *c)
{
    int rc = ERR_OK;
    struct head_form form;
    char name[MAX_ENTRY];
    float *to;
    TRY(clip_form(&form, c));
    TRY(head_new(&c->clip, &form));
    for (size_t r = 0; r < 2; r++) {
        to = c->clip->tensor[CLIP_CTX] + r * form.dim[CLIP_CTX][1] * form.dim[CLIP_CTX][2];
        TRY(read_floats(c, ctx_entry[r], 2, form.dim[CLIP_CTX] + 1, to));
    }
    for (size_t i = 0; i < form.dim[CLIP_DEEP][0]; i++) {
        (void)snprintf(name, sizeof name, "%s.%zu", deep_entry, i);
        to = c->clip->tensor[CLIP_DEEP] + i * form.dim[CLIP_DEEP][1] * form.dim[CLIP_DEEP][2];
        TRY(read_floats(c, name, 2, form.dim[CLIP_DEEP] + 1, to));
    }
    for (size_t i = 0; i < N_CLIP; i++) {
        int t = clip_entry[i].tensor;
        TRY(read_floats(c, clip_entry[i].entry, form.rank[t], form.dim[t], c->clip->tensor[t]));
    }
    TRY(head_check_finite(c->clip, c->path));
out:
    return rc;
}

static int read_tokens(struct checkpoint *c)
{
    int rc = ERR_OK;
    const struct torch_value *v;
    TRY(find_shaped(&v, c, tokens_entry[0], 1, (size_t[]){H5_ANY}));
    c->tokens.context = v->dim[v->rank - 1];
    TRY(MEM_NEW(c->tokens.ids, 2 * c->tokens.context));
    for (size_t r = 0; r < 2; r++) {
        TRY(find_shaped(&v, c, tokens_entry[r], 1, &c->tokens.context));
        TRY(torch_read(c->file, v, DTYPE_I32, c->tokens.ids + r * c->tokens.context));
    }
out:
    return rc;
}

static int checkpoint_read(struct checkpoint *c)
{
    int rc = ERR_OK;
    TRY(torch_open(&c->file, c->path));
    TRY(read_ft(c));
    if (torch_get(torch_root(c->file), "prompt_learner") ||
        torch_get(torch_root(c->file), "prompt_proj")) {
        TRY(read_clip(c));
        TRY(read_tokens(c));
    }
out:
    return rc;
}

/* ---- what was not read ---- */

static bool is_entry(const char *name, const char *entry)
{
    char dots[MAX_ENTRY];
    dotted(dots, entry);
    return strcmp(name, dots) == 0;
}

static bool is_used(const char *name, bool has_clip)
{
    char deep[MAX_ENTRY];
    for (size_t i = 0; i < N_FT; i++)
        if (is_entry(name, ft_entry[i].entry))
            return true;
    for (size_t i = 0; has_clip && i < N_CLIP; i++)
        if (is_entry(name, clip_entry[i].entry))
            return true;
    for (size_t r = 0; has_clip && r < 2; r++)
        if (is_entry(name, ctx_entry[r]) || is_entry(name, tokens_entry[r]))
            return true;
    dotted(deep, deep_entry);
    return has_clip && str_starts(name, deep) && name[strlen(deep)] == '.';
}

struct skipped {
    struct str *report;
    bool has_clip;
};

static int list_skipped(void *user, const char *name, const struct torch_value *tensor)
{
    struct skipped *s = user;
    char shape[MAX_SHAPE];
    return is_used(name, s->has_clip) ? ERR_OK
                                      : str_addf(s->report, "skipped, not used: %s (%s)\n", name,
                                                 shape_text(shape, tensor->rank, tensor->dim));
}

static int describe(struct str *s, const struct checkpoint *c)
{
    int rc = ERR_OK;
    const struct head_form *ft = &c->ft->form;
    TRY(str_addf(s, "ft: patches %zu -> %zu, images %zu -> %zu\n", ft->dim[FT_WQ][1],
                 ft->dim[FT_WQ][0], ft->dim[FT_IQ][1], ft->dim[FT_IQ][0]));
    if (c->clip)
        TRY(str_addf(s,
                     "clip: %zu context tokens, %zu deep prompts of %zu tokens, text width %zu, "
                     "prompts of %zu tokens\n",
                     c->clip->form.dim[CLIP_CTX][1], c->clip->form.dim[CLIP_DEEP][0],
                     c->clip->form.dim[CLIP_DEEP][1], c->clip->form.dim[CLIP_CTX][2],
                     c->tokens.context));
    TRY(torch_walk(torch_root(c->file), list_skipped, &(struct skipped){s, c->clip != NULL}));
out:
    return rc;
}

static int parameters_write(const struct checkpoint *c, const char *bank, const char *out)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    struct hash hash;
    char text[HASH_HEX];
    TRY(h5_create(&f, out, PARAMETERS_SCHEMA, PARAMETERS_VERSION));
    TRY(hash_file(&hash, c->path));
    hash_hex(text, hash);
    TRY(h5_put_text(f, "/", "source", text));
    TRY(h5_put_text(f, "/", "bank", bank ? bank : HEAD_UNBOUND));
    TRY(head_hash(text, c->ft));
    TRY(h5_put_text(f, "/", "metric", text));
    TRY(head_write_tensors(f, "ft", c->ft, "trained parameter"));
    if (c->clip) {
        TRY(h5_put_text(f, "/", "bias", BIAS_PUBLISHED));
        TRY(head_write_tensors(f, "clip", c->clip, "trained parameter"));
        TRY(head_write_tokens(f, &c->tokens));
    }
    TRY(h5_commit(&f));
out:
    h5_close(&f);
    return rc;
}

int head_import(const char *checkpoint, const char *bank, const char *out, char **report)
{
    int rc = ERR_OK;
    struct checkpoint c = {.path = checkpoint};
    struct str s = {0};
    *report = NULL;
    TRY(checkpoint_read(&c));
    TRY(describe(&s, &c));
    TRY(parameters_write(&c, bank, out));
    *report = s.text;
    s.text = NULL;
out:
    str_free(&s);
    checkpoint_release(&c);
    return rc;
}

/* ---- export ---- */

static int load_ft(struct checkpoint *c, char name[HASH_HEX], struct h5 *f)
{
    int rc = ERR_OK;
    int rank;
    size_t dim[TENSOR_MAX_RANK];
    struct head_form form;
    struct hash hash;
    char *key = NULL;
    if (c->ft)
        FAIL(ERR_USAGE, "%s: holds MRAD-FT, which a file before it holds, too", h5_path(f));
    TRY(h5_expect_shape(f, "ft/wq", 2, (size_t[]){H5_ANY, H5_ANY}));
    TRY(h5_shape(f, "ft/wq", &rank, dim));
    form = head_form_ft(dim[1], dim[0]);
    TRY(head_new(&c->ft, &form));
    TRY(head_read_tensors(f, "ft", c->ft));
    TRY(head_check_finite(c->ft, h5_path(f)));
    if (!h5_has(f, "/", "key")) {
        TRY(head_hash(name, c->ft));
        goto out;
    }
    TRY(h5_get_text(f, "/", "key", &key));
    TRY(hash_parse(&hash, key));
    hash_hex(name, hash);
out:
    MEM_FREE(key);
    return rc;
}

static int load_clip(struct checkpoint *c, char **metric, struct h5 *f)
{
    int rc = ERR_OK;
    int rank;
    size_t dim[TENSOR_MAX_RANK];
    struct prompt_sizes sizes;
    const struct bias_source *bias;
    struct head_form form;
    char *tokens = NULL;
    if (c->clip)
        FAIL(ERR_USAGE, "%s: holds MRAD-CLIP, which a file before it holds, too", h5_path(f));
    TRY(head_read_bias(&bias, f));
    if (strcmp(bias->name, BIAS_PUBLISHED) != 0)
        FAIL(ERR_USAGE, "%s: its prompts have the bias %s; a published checkpoint holds %s only",
             h5_path(f), bias->name, BIAS_PUBLISHED);
    TRY(head_sizes_of(&sizes, f, "clip"));
    TRY(h5_expect_shape(f, "clip/pn", 2, (size_t[]){H5_ANY, H5_ANY}));
    TRY(h5_shape(f, "clip/pn", &rank, dim));
    form = head_form_clip(bias, dim[0], dim[1], &sizes);
    TRY(head_new(&c->clip, &form));
    TRY(head_read_tensors(f, "clip", c->clip));
    TRY(head_check_finite(c->clip, h5_path(f)));
    TRY(h5_get_text(f, "/", "metric", metric));
    TRY(str_make(&tokens, "%s:/tokens", h5_path(f)));
    TRY(head_read_tokens(&c->tokens, "export", tokens));
out:
    MEM_FREE(tokens);
    return rc;
}

static int open_head(struct h5 **out, const char *path)
{
    int rc = ERR_OK;
    char *schema = NULL;
    TRY(h5_open(out, path));
    if (h5_has(*out, "/", "schema"))
        TRY(h5_get_text(*out, "/", "schema", &schema));
    if (!schema || (strcmp(schema, HEAD_SCHEMA) != 0 && strcmp(schema, PARAMETERS_SCHEMA) != 0))
        FAIL(ERR_FORMAT, "%s: is %s, wanted %s or %s", path, schema ? schema : "of no schema",
             HEAD_SCHEMA, PARAMETERS_SCHEMA);
out:
    MEM_FREE(schema);
    if (rc)
        h5_close(out);
    return rc;
}

/* The metric and the prompts of all files together, which must belong together. */
static int load_all(struct checkpoint *c, const char *const *path, size_t n)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    char name[HASH_HEX] = "";
    char *metric = NULL;
    for (size_t i = 0; i < n; i++) {
        TRY(open_head(&f, path[i]));
        if (h5_has_dataset(f, "ft/wq"))
            TRY(load_ft(c, name, f));
        if (h5_has_dataset(f, "clip/ctx"))
            TRY(load_clip(c, &metric, f));
        h5_close(&f);
    }
    if (!c->ft)
        FAIL(ERR_USAGE, "%s: MRAD-FT is missing; wanted its head.h5%s%s, too", path[0],
             metric ? ", of key " : "", metric ? metric : "");
    if (metric && strcmp(metric, name) != 0)
        FAIL(ERR_SHAPE, "the prompts were trained on the metric %s, but that of %s is given",
             metric, name);
out:
    h5_close(&f);
    MEM_FREE(metric);
    return rc;
}

static int write_floats(struct torch_writer *w, const char *entry, int rank, const size_t *dim,
                        const float *data)
{
    struct tensor t = tensor_view(DTYPE_F32, rank, dim, data);
    return torch_write_tensor(w, entry, &t);
}

static int write_learner(struct torch_writer *w, const struct checkpoint *c)
{
    int rc = ERR_OK;
    const size_t *ctx = c->clip->form.dim[CLIP_CTX];
    const size_t *deep = c->clip->form.dim[CLIP_DEEP];
    char name[MAX_ENTRY];
    struct tensor ids = {0};
    for (size_t r = 0; r < 2; r++)
        TRY(write_floats(w, ctx_entry[r], 4, (size_t[]){1, 1, ctx[1], ctx[2]},
                         c->clip->tensor[CLIP_CTX] + r * ctx[1] * ctx[2]));
    for (size_t i = 0; i < deep[0]; i++) {
        (void)snprintf(name, sizeof name, "%s.%zu", deep_entry, i);
        TRY(write_floats(w, name, 2, deep + 1, c->clip->tensor[CLIP_DEEP] + i * deep[1] * deep[2]));
    }
    TRY(tensor_new(&ids, DTYPE_I64, 3, (size_t[]){1, 1, c->tokens.context}));
    for (size_t r = 0; r < 2; r++) {
        for (size_t i = 0; i < c->tokens.context; i++)
            ((int64_t *)ids.data)[i] = c->tokens.ids[r * c->tokens.context + i];
        TRY(torch_write_tensor(w, tokens_entry[r], &ids));
    }
out:
    tensor_free(&ids);
    return rc;
}

static int write_all(struct torch_writer *w, const struct checkpoint *c)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < N_FT; i++) {
        int t = ft_entry[i].tensor;
        TRY(write_floats(w, ft_entry[i].entry, c->ft->form.rank[t], c->ft->form.dim[t],
                         c->ft->tensor[t]));
    }
    if (!c->clip)
        goto out;
    for (size_t i = 0; i < N_CLIP; i++) {
        int t = clip_entry[i].tensor;
        TRY(write_floats(w, clip_entry[i].entry, c->clip->form.rank[t], c->clip->form.dim[t],
                         c->clip->tensor[t]));
    }
    TRY(write_learner(w, c));
out:
    return rc;
}

int head_export(const char *const *path, size_t n, const char *out)
{
    int rc = ERR_OK;
    struct checkpoint c = {.path = out};
    struct torch_writer *w = NULL;
    TRY(load_all(&c, path, n));
    TRY(torch_write_begin(&w, out));
    TRY(write_all(w, &c));
    TRY(torch_write_commit(&w));
out:
    torch_write_abort(&w);
    checkpoint_release(&c);
    return rc;
}
