/* ops.c - the list of variants and the calls that reach them. See ops.h. */
#include "ops/ops.h"

#include "base/err.h"
#include "base/mem.h"
#include "ops/ops_int.h"

#include <math.h>
#include <string.h>

struct ops {
    const struct ops_table *table;
    void *state;
};

/* In order of preference: "auto" takes the first. */
#ifdef MRAD_DOUBLE
static const struct ops_table *const variants[] = {&ops_ref};
static const char *const names[] = {"ref"};
#else
static const struct ops_table *const variants[] = {&ops_cpu, &ops_ref};
static const char *const names[] = {"cpu", "ref"};
#endif

enum { N_VARIANTS = sizeof variants / sizeof *variants };

const char *const *ops_names(size_t *n)
{
    *n = N_VARIANTS;
    return names;
}

int ops_open(struct ops **out, const char *name, int threads)
{
    int rc = ERR_OK;
    const struct ops_table *table = NULL;
    *out = NULL;
    BUG_ON(threads < 1);
    for (size_t i = N_VARIANTS; i-- > 0;)
        if (strcmp(name, "auto") == 0 || strcmp(name, variants[i]->name) == 0)
            table = variants[i];
    if (!table)
        FAIL(ERR_CONFIG, "no kernel variant '%s'; known: auto, cpu, ref", name);
    TRY(MEM_NEW(*out, 1));
    (*out)->table = table;
    TRY(table->open(&(*out)->state, threads));
out:
    if (rc)
        ops_close(out);
    return rc;
}

void ops_close(struct ops **ops)
{
    if (*ops && (*ops)->state)
        (*ops)->table->close((*ops)->state);
    MEM_FREE(*ops);
}

const char *ops_name(const struct ops *ops)
{
    return ops->table->name;
}

int ops_alloc(struct ops *ops, real **out, size_t n)
{
    return ops->table->alloc(ops->state, out, n);
}

void ops_drop(struct ops *ops, real **array)
{
    if (*array)
        ops->table->drop(ops->state, *array);
    *array = NULL;
}

int ops_upload(struct ops *ops, real *dst, const real *src, size_t n)
{
    return ops->table->copy_in(ops->state, dst, src, n);
}

int ops_download(struct ops *ops, real *dst, const real *src, size_t n)
{
    return ops->table->copy_out(ops->state, dst, src, n);
}

int ops_copy(struct ops *ops, real *dst, const real *src, size_t n)
{
    return ops->table->copy(ops->state, dst, src, n);
}

int linear_pack(struct ops *ops, struct linear **out, const struct linear_spec *spec)
{
    int rc = ERR_OK;
    *out = NULL;
    BUG_ON(spec->n_in == 0 || spec->n_out == 0);
    TRY(MEM_NEW(*out, 1));
    **out = (struct linear){
        .n_in = spec->n_in, .n_out = spec->n_out, .act = spec->act, .adds = spec->adds};
    TRY(ops->table->linear_pack(ops->state, *out, spec));
out:
    if (rc)
        linear_free(ops, out);
    return rc;
}

int linear_run(struct ops *ops, struct linear *linear, const real *x, size_t n_rows, real *y)
{
    return n_rows ? ops->table->linear_run(ops->state, linear, x, n_rows, y) : ERR_OK;
}

void linear_free(struct ops *ops, struct linear **linear)
{
    if (*linear && (*linear)->packed)
        ops->table->linear_free(ops->state, *linear);
    MEM_FREE(*linear);
}

int ops_patches(struct ops *ops, const real *image, size_t side, size_t patch, real *out)
{
    BUG_ON(patch == 0 || side % patch != 0);
    return ops->table->patches(ops->state, image, side, patch, out);
}

int ops_layer_norm(struct ops *ops, const struct norm *norm)
{
    return ops->table->layer_norm(ops->state, norm);
}

int ops_layer_norm_grad(struct ops *ops, const struct norm_grad *g)
{
    return ops->table->layer_norm_grad(ops->state, g);
}

int ops_activate(struct ops *ops, enum activation act, const real *x, size_t n, real *y)
{
    BUG_ON(act == ACT_NONE);
    return ops->table->activate(ops->state, act, x, n, y);
}

int ops_activate_grad(struct ops *ops, enum activation act, const real *x, size_t n, real *grad)
{
    BUG_ON(act == ACT_NONE);
    return ops->table->activate_grad(ops->state, act, x, n, grad);
}

static struct attention with_items(const struct attention *a)
{
    struct attention full = *a;
    BUG_ON(a->causal && a->n_query != a->n_key);
    full.n_items = a->n_items ? a->n_items : 1;
    return full;
}

int ops_attend(struct ops *ops, const struct attention *a)
{
    const struct attention full = with_items(a);
    return ops->table->attend(ops->state, &full);
}

int ops_attend_grad(struct ops *ops, const struct attention *a, const struct attention_grad *g)
{
    const struct attention full = with_items(a);
    return ops->table->attend_grad(ops->state, &full, g);
}

int ops_pool(struct ops *ops, const real *x, size_t grid, size_t dim, real *y)
{
    return ops->table->pool(ops->state, x, grid, dim, y);
}

int ops_unit(struct ops *ops, real *x, size_t n_rows, size_t dim)
{
    return ops->table->unit(ops->state, x, n_rows, dim);
}

/* The arguments of a retrieval. */
struct retrieval {
    struct linear *keys;
    const real *query, *anomalous;
    size_t n_rows;
    real tau;
    real *mass;
};

/* Blocks of rows keep the similarities under 64 MiB however large the bank is. */
static int retrieve(struct ops *ops, const struct retrieval *r, ops_mass_fn *read)
{
    int rc = ERR_OK;
    real *sim = NULL;
    size_t n_keys = r->keys->n_out;
    size_t block = ((size_t)1 << 24) / n_keys;
    block = block < 16 ? 16 : block;
    block = block > r->n_rows ? r->n_rows : block;
    BUG_ON(!(r->tau > 0));
    TRY(ops_alloc(ops, &sim, block * n_keys));
    for (size_t at = 0; at < r->n_rows; at += block) {
        size_t n = r->n_rows - at < block ? r->n_rows - at : block;
        TRY(linear_run(ops, r->keys, r->query + at * r->keys->n_in, n, sim));
        TRY(read(ops->state, sim, n, n_keys, r->anomalous, r->tau, r->mass + at));
    }
out:
    ops_drop(ops, &sim);
    return rc;
}

int ops_retrieve(struct ops *ops, struct linear *keys, const real *query, size_t n_rows,
                 const real *anomalous, real tau, real *mass)
{
    const struct retrieval r = {keys, query, anomalous, n_rows, tau, mass};
    return retrieve(ops, &r, ops->table->mass);
}

int ops_retrieve_nearest(struct ops *ops, struct linear *keys, const real *query, size_t n_rows,
                         const real *anomalous, real tau, real *mass)
{
    const struct retrieval r = {keys, query, anomalous, n_rows, tau, mass};
    return retrieve(ops, &r, ops->table->nearest);
}

int ops_upsample(struct ops *ops, const real *x, size_t n, size_t grid, size_t side, real *y)
{
    return ops->table->upsample(ops->state, x, n, grid, side, y);
}

int ops_smooth(struct ops *ops, real *x, size_t n, size_t side, double sigma)
{
    int rc = ERR_OK;
    double *weight = NULL;
    double sum = 0;
    size_t radius = (size_t)(4.0 * sigma + 0.5);
    if (sigma == 0.0)
        return ERR_OK;
    TRY(MEM_NEW(weight, radius + 1));
    for (size_t i = 0; i <= radius; i++) {
        weight[i] = exp(-0.5 / (sigma * sigma) * (double)(i * i));
        sum += i ? 2 * weight[i] : weight[i];
    }
    for (size_t i = 0; i <= radius; i++)
        weight[i] /= sum;
    TRY(ops->table->smooth(ops->state, x, n, side, weight, radius));
out:
    MEM_FREE(weight);
    return rc;
}

int ops_product(struct ops *ops, const struct product *p)
{
    return p->m && p->n ? ops->table->product(ops->state, p) : ERR_OK;
}
