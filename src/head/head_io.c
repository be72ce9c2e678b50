/* head_io.c - parameters in memory, in files, and start values from other programs' files. */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "base/str.h"
#include "head/head_int.h"
#include "tensor/h5.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct head_form head_form_ft(size_t width, size_t embed)
{
    static const char *const name[FT_TENSORS] = {"wq", "bq", "wk", "bk", "iq", "ibq", "ik", "ibk"};
    struct head_form f = {.group = "ft", .n = FT_TENSORS};
    for (size_t i = 0; i < f.n; i++) {
        f.name[i] = name[i];
        f.rank[i] = i % 2 ? 1 : 2;
        f.dim[i][0] = embed;
        f.dim[i][1] = i % 2 ? 0 : i < FT_IQ ? width : embed;
    }
    return f;
}

struct head_form head_form_clip(const struct bias_source *bias, size_t text_width, size_t embed,
                                const struct prompt_sizes *sizes)
{
    struct head_form f = {
        .group = "clip",
        .n = CLIP_TENSORS,
        .name = {"ctx", "deep", "pn", "pbn", "pa", "pba", "query"},
        .rank = {3, 3, 2, 1, 2, 1, 2},
        .dim = {{2, sizes->n_ctx, text_width},
                {sizes->n_deep, sizes->deep_len, text_width},
                {text_width, embed},
                {text_width},
                {text_width, embed},
                {text_width},
                {2, embed}},
        .is_normal = {[CLIP_CTX] = true, [CLIP_DEEP] = true, [CLIP_QUERY] = true}};
    for (size_t i = CLIP_PN; i < f.n; i++)
        if (!(bias->trains >> i & 1U))
            f.dim[i][0] = 0;
    return f;
}

int head_new(struct head **out, const struct head_form *form)
{
    int rc = ERR_OK;
    struct head *h = NULL;
    float *at;
    TRY(MEM_NEW(h, 1));
    h->form = *form;
    for (size_t i = 0; i < form->n; i++) {
        h->count[i] = 1;
        for (int d = 0; d < form->rank[i]; d++)
            h->count[i] *= form->dim[i][d];
        h->n_values += h->count[i];
    }
    TRY(MEM_NEW(h->values, h->n_values));
    at = h->values;
    for (size_t i = 0; i < form->n; i++) {
        h->tensor[i] = at;
        at += h->count[i];
    }
out:
    if (rc)
        head_free(&h);
    *out = h;
    return rc;
}

void head_free(struct head **head)
{
    if (*head)
        MEM_FREE((*head)->values);
    MEM_FREE(*head);
}

int training_new(struct training **out, const struct head_form *form, size_t n_steps)
{
    int rc = ERR_OK;
    struct training *t = NULL;
    TRY(MEM_NEW(t, 1));
    t->n_steps = n_steps;
    TRY(head_new(&t->head, form));
    TRY(head_new(&t->first, form));
    TRY(head_new(&t->second, form));
    TRY(MEM_NEW(t->loss, n_steps));
    TRY(MEM_NEW(t->lr, n_steps));
out:
    if (rc)
        training_free(&t);
    *out = t;
    return rc;
}

void training_free(struct training **t)
{
    if (!*t)
        return;
    head_free(&(*t)->head);
    head_free(&(*t)->first);
    head_free(&(*t)->second);
    MEM_FREE((*t)->loss);
    MEM_FREE((*t)->lr);
    MEM_FREE(*t);
}

int head_write_tensors(struct h5 *f, const char *group, const struct head *h, const char *meaning)
{
    int rc = ERR_OK;
    char name[64];
    for (size_t i = 0; i < h->form.n; i++) {
        struct tensor t = tensor_view(DTYPE_F32, h->form.rank[i], h->form.dim[i], h->tensor[i]);
        if (!h->count[i])
            continue;
        (void)snprintf(name, sizeof name, "%s/%s", group, h->form.name[i]);
        TRY(h5_write(f, name, &t, meaning));
    }
out:
    return rc;
}

int head_read_tensors(struct h5 *f, const char *group, struct head *h)
{
    int rc = ERR_OK;
    char name[256];
    for (size_t i = 0; i < h->form.n; i++) {
        if (!h->count[i])
            continue;
        (void)snprintf(name, sizeof name, "%s/%s", group, h->form.name[i]);
        TRY(h5_expect_shape(f, name, h->form.rank[i], h->form.dim[i]));
        TRY(h5_read_rows(f, name, 0, h->form.dim[i][0], DTYPE_F32, h->tensor[i]));
    }
out:
    return rc;
}

int head_write_tokens(struct h5 *f, const struct prompt_tokens *tokens)
{
    struct tensor t = tensor_view(DTYPE_I32, 2, (size_t[]){2, tokens->context}, tokens->ids);
    return h5_write(f, "tokens", &t, "token ids of the normal and the anomalous prompt");
}

int training_write(const struct training *t, const char *path, const struct head_place *place)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    struct tensor loss = tensor_view(DTYPE_F32, 1, &t->n_steps, t->loss);
    struct tensor lr = tensor_view(DTYPE_F64, 1, &t->n_steps, t->lr);
    TRY(h5_create(&f, path, HEAD_SCHEMA, HEAD_VERSION));
    TRY(h5_put_text(f, "/", "key", place->key));
    TRY(h5_put_text(f, "/", "variant", place->variant));
    TRY(h5_put_text(f, "/", "bank", place->bank->key));
    TRY(h5_put_text(f, "/", "metric", place->metric ? place->metric->key : "none"));
    TRY(h5_put_text(f, "/", "weights", place->bank->features->model.hash));
    TRY(h5_put_text(f, "/", "dataset", place->bank->features->manifest->name));
    TRY(h5_put_text(f, "/", "options", place->options_text));
    TRY(h5_put_i64(f, "/", "seed", (int64_t)place->seed));
    TRY(h5_put_i64(f, "/", "step", (int64_t)t->step));
    TRY(head_write_tensors(f, place->form.group, t->head, "trained parameter"));
    if (place->bias)
        TRY(h5_put_text(f, "/", "bias", place->bias->name));
    if (place->tokens.ids)
        TRY(head_write_tokens(f, &place->tokens));
    TRY(head_write_tensors(f, "adam/first", t->first, "Adam's running mean of gradients"));
    TRY(head_write_tensors(f, "adam/second", t->second,
                           "Adam's running mean of squared gradients"));
    TRY(h5_write(f, "loss", &loss, "loss of each step, mean over the batch"));
    TRY(h5_write(f, "lr", &lr, "learning rate of each step"));
    TRY(h5_commit(&f));
out:
    h5_close(&f);
    return rc;
}

int head_read_bias(const struct bias_source **out, struct h5 *f)
{
    int rc = ERR_OK;
    char *name = NULL;
    if (!h5_has(f, "/", "bias"))
        return bias_find(out, BIAS_PUBLISHED);
    TRY(h5_get_text(f, "/", "bias", &name));
    rc = bias_find(out, name);
    if (rc)
        err_prefix("%s: ", h5_path(f));
out:
    MEM_FREE(name);
    return rc;
}

/* Prompts of another source of their bias are refused with both names. */
static int check_bias(struct h5 *f, const struct head_place *place)
{
    int rc = ERR_OK;
    const struct bias_source *found = NULL;
    if (!place->bias)
        return ERR_OK;
    TRY(head_read_bias(&found, f));
    if (found != place->bias)
        FAIL(ERR_SHAPE, "%s: its prompts have the bias %s, but train.clip.bias is %s", h5_path(f),
             found->name, place->bias->name);
out:
    return rc;
}

/* Open a file of this place; a head of another bank is refused with both hashes. */
static int open_checked(struct h5 **f, const char *path, const struct head_place *place)
{
    int rc = ERR_OK;
    TRY(h5_open_schema(f, path, HEAD_SCHEMA, HEAD_VERSION));
    TRY(h5_expect_text(*f, "weights", place->bank->features->model.hash, "weights"));
    TRY(h5_expect_text(*f, "bank", place->bank->key, "bank"));
    TRY(check_bias(*f, place));
    TRY(h5_expect_text(*f, "key", place->key, "training options"));
out:
    if (rc)
        h5_close(f);
    return rc;
}

/* The token ids that a file of this place must hold, if any. */
static int check_tokens(struct h5 *f, const struct prompt_tokens *want)
{
    int rc = ERR_OK;
    struct tensor t = {0};
    if (!want->ids)
        return ERR_OK;
    TRY(h5_expect_shape(f, "tokens", 2, (size_t[]){2, want->context}));
    TRY(h5_read(f, "tokens", DTYPE_I32, &t));
    if (memcmp(t.data, want->ids, 2 * want->context * sizeof *want->ids) != 0)
        FAIL(ERR_FORMAT, "%s: dataset 'tokens' holds other token ids than the prompts in use",
             h5_path(f));
out:
    tensor_free(&t);
    return rc;
}

int training_read(struct training *t, const char *path, const struct head_place *place)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    int64_t step = 0;
    TRY(open_checked(&f, path, place));
    TRY(h5_get_i64(f, "/", "step", &step));
    if (step < 0 || (size_t)step > t->n_steps)
        FAIL(ERR_FORMAT, "%s: is at step %lld of %zu", path, (long long)step, t->n_steps);
    TRY(h5_expect_shape(f, "loss", 1, &t->n_steps));
    TRY(h5_expect_shape(f, "lr", 1, &t->n_steps));
    TRY(head_read_tensors(f, place->form.group, t->head));
    TRY(head_read_tensors(f, "adam/first", t->first));
    TRY(head_read_tensors(f, "adam/second", t->second));
    TRY(h5_read_rows(f, "loss", 0, t->n_steps, DTYPE_F32, t->loss));
    TRY(h5_read_rows(f, "lr", 0, t->n_steps, DTYPE_F64, t->lr));
    TRY(check_tokens(f, &place->tokens));
    t->step = (size_t)step;
out:
    h5_close(&f);
    return rc;
}

int head_check_finite(const struct head *head, const char *path)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < head->form.n; i++)
        for (size_t j = 0; j < head->count[i]; j++)
            if (!isfinite(head->tensor[i][j]))
                FAIL(ERR_FORMAT, "%s: %s/%s holds a parameter that is not finite", path,
                     head->form.group, head->form.name[i]);
out:
    return rc;
}

int head_hash(char out[HASH_HEX], const struct head *head)
{
    int rc = ERR_OK;
    struct hasher *h = NULL;
    TRY(hasher_new(&h));
    hasher_add_text(h, head->form.group);
    hasher_add(h, head->values, head->n_values * sizeof *head->values);
    hash_hex(out, hasher_finish(&h));
out:
    return rc;
}

int head_open(struct head **out, const struct head_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    struct h5 *f = NULL;
    *out = NULL;
    TRY(head_path(&path, place));
    TRY(open_checked(&f, path, place));
    TRY(head_new(out, &place->form));
    TRY(head_read_tensors(f, place->form.group, *out));
    TRY(head_check_finite(*out, path));
out:
    h5_close(&f);
    MEM_FREE(path);
    if (rc)
        head_free(out);
    return rc;
}

bool head_exists(const struct head_place *place)
{
    char *path = NULL;
    struct training *t = NULL;
    bool exists = head_path(&path, place) == ERR_OK && path_is_file(path) &&
                  training_new(&t, &place->form, place->n_steps) == ERR_OK &&
                  training_read(t, path, place) == ERR_OK &&
                  head_check_finite(t->head, path) == ERR_OK;
    training_free(&t);
    MEM_FREE(path);
    err_clear();
    return exists;
}

/* ---- "FILE:/name" of the configuration ---- */

static int open_reference(struct h5 **f, const char **name, const char *key, const char *text)
{
    int rc = ERR_OK;
    char *path = NULL;
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || colon[1] != '/' || !colon[2])
        FAIL(ERR_CONFIG, "%s: \"%s\": wanted FILE:/name of something in an HDF5 file", key, text);
    TRY(str_make(&path, "%.*s", (int)(colon - text), text));
    TRY(h5_open(f, path));
    *name = colon + 1;
out:
    MEM_FREE(path);
    return rc;
}

int head_read_init(struct head **out, const char *key, const char *text,
                   const struct head_form *form)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    const char *group = NULL;
    TRY(open_reference(&f, &group, key, text));
    TRY(head_new(out, form));
    TRY(head_read_tensors(f, group, *out));
out:
    h5_close(&f);
    if (rc)
        head_free(out);
    return rc;
}

/* What a file says its parameters belong to must be what this place has. */
static int check_origin(struct h5 *f, const struct head_place *p)
{
    int rc = ERR_OK;
    char *schema = NULL;
    char *bank = NULL;
    char *metric = NULL;
    TRY(h5_get_text(f, "/", "schema", &schema));
    if (strcmp(schema, HEAD_SCHEMA) == 0)
        TRY(h5_expect_text(f, "weights", p->bank->features->model.hash, "weights"));
    else if (strcmp(schema, PARAMETERS_SCHEMA) != 0)
        FAIL(ERR_FORMAT, "%s: is %s, wanted %s or %s", h5_path(f), schema, HEAD_SCHEMA,
             PARAMETERS_SCHEMA);
    TRY(h5_get_text(f, "/", "bank", &bank));
    if (strcmp(bank, HEAD_UNBOUND) != 0)
        TRY(h5_expect_text(f, "bank", p->bank->key, "bank"));
    if (!p->metric)
        goto out;
    TRY(check_bias(f, p));
    TRY(h5_get_text(f, "/", "metric", &metric));
    if (strcmp(metric, p->metric->origin) != 0)
        TRY(h5_expect_text(f, "metric", p->metric->key, "metric"));
out:
    MEM_FREE(schema);
    MEM_FREE(bank);
    MEM_FREE(metric);
    return rc;
}

/* How prompts name this metric: a head.h5 by its key, imported parameters by their content. */
static int find_origin(struct head_place *p, struct h5 *f)
{
    int rc = ERR_OK;
    char *key = NULL;
    struct hash hash;
    if (!h5_has(f, "/", "key")) {
        TRY(head_hash(p->origin, p->init));
        goto out;
    }
    TRY(h5_get_text(f, "/", "key", &key));
    TRY(hash_parse(&hash, key));
    hash_hex(p->origin, hash);
out:
    MEM_FREE(key);
    return rc;
}

int head_read_given(struct head_place *p, const char *key, const char *text)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    const char *group = NULL;
    TRY(open_reference(&f, &group, key, text));
    TRY(check_origin(f, p));
    TRY(head_new(&p->init, &p->form));
    TRY(head_read_tensors(f, group, p->init));
    TRY(head_check_finite(p->init, h5_path(f)));
    TRY(find_origin(p, f));
    p->is_given = true;
out:
    h5_close(&f);
    return rc;
}

int head_sizes_of(struct prompt_sizes *out, struct h5 *f, const char *group)
{
    int rc = ERR_OK;
    char name[256];
    int rank;
    size_t dim[TENSOR_MAX_RANK];
    (void)snprintf(name, sizeof name, "%s/ctx", group);
    TRY(h5_expect_shape(f, name, 3, (size_t[]){2, H5_ANY, H5_ANY}));
    TRY(h5_shape(f, name, &rank, dim));
    out->n_ctx = dim[1];
    (void)snprintf(name, sizeof name, "%s/deep", group);
    TRY(h5_expect_shape(f, name, 3, (size_t[]){H5_ANY, H5_ANY, H5_ANY}));
    TRY(h5_shape(f, name, &rank, dim));
    out->n_deep = dim[0];
    out->deep_len = dim[1];
out:
    return rc;
}

int head_read_sizes(struct prompt_sizes *out, const char *key, const char *text)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    const char *group = NULL;
    TRY(open_reference(&f, &group, key, text));
    TRY(head_sizes_of(out, f, group));
out:
    h5_close(&f);
    return rc;
}

/* "FILE:/tokens" beside "FILE:/group", or NULL where the file has none. Free with MEM_FREE. */
int head_find_tokens(char **out, const char *key, const char *text)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    const char *group = NULL;
    *out = NULL;
    TRY(open_reference(&f, &group, key, text));
    if (h5_has_dataset(f, "tokens"))
        TRY(str_make(out, "%s:/tokens", h5_path(f)));
out:
    h5_close(&f);
    return rc;
}

int head_read_tokens(struct prompt_tokens *out, const char *key, const char *text)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    const char *name;
    struct tensor t = {0};
    TRY(open_reference(&f, &name, key, text));
    TRY(h5_expect_shape(f, name, 2, (size_t[]){2, H5_ANY}));
    TRY(h5_read(f, name, DTYPE_I32, &t));
    out->context = t.dim[1];
    TRY(MEM_NEW(out->ids, 2 * out->context));
    memcpy(out->ids, t.data, 2 * out->context * sizeof *out->ids);
out:
    tensor_free(&t);
    h5_close(&f);
    return rc;
}

int head_read_order(struct head_place *place, const char *key, const char *text)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    const char *name;
    struct tensor t = {0};
    size_t n_items = place->bank->features->manifest->n_items;
    TRY(open_reference(&f, &name, key, text));
    TRY(h5_expect_shape(f, name, 2, (size_t[]){H5_ANY, H5_ANY}));
    TRY(h5_read(f, name, DTYPE_I64, &t));
    place->n_steps = t.dim[0];
    place->order_batch = t.dim[1];
    if (!place->n_steps || !place->order_batch)
        FAIL(ERR_CONFIG, "%s: %s holds no steps", key, text);
    TRY(MEM_NEW(place->order, place->n_steps * place->order_batch));
    memcpy(place->order, t.data, place->n_steps * place->order_batch * sizeof(int64_t));
    for (size_t i = 0; i < place->n_steps * place->order_batch; i++)
        if (place->order[i] < 0 || (size_t)place->order[i] >= n_items)
            FAIL(ERR_CONFIG, "%s: %s, step %zu names item %lld of %zu", key, text,
                 i / place->order_batch, (long long)place->order[i], n_items);
out:
    tensor_free(&t);
    h5_close(&f);
    return rc;
}

/* A standard normal number by Box and Muller. */
static double normal(uint64_t seed, uint64_t index)
{
    double u = ((double)(rng_u64(seed, 2 * index) >> 11) + 0.5) * 0x1p-53;
    double v = (double)(rng_u64(seed, 2 * index + 1) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* torch.nn.Linear's default: uniform within 1/sqrt(n_in), weight and the bias that follows it. */
void head_draw(struct head *h, size_t seed)
{
    for (size_t i = 0; i < h->form.n; i++) {
        bool is_normal = h->form.is_normal[i];
        size_t map = h->form.rank[i] == 1 ? i - 1 : i;
        float bound = is_normal ? 0 : 1.0F / sqrtf((float)h->form.dim[map][1]);
        for (size_t j = 0; j < h->count[i]; j++)
            h->tensor[i][j] = is_normal ? (float)(0.02 * normal(seed * 64 + i, j))
                                        : bound * rng_uniform(seed * 64 + i, j);
    }
}
