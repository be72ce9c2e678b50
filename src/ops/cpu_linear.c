/*
 * cpu_linear.c - linear maps through oneDNN's matmul: bias, activation and residual (sum) are
 * fused as post-ops, weights are packed once into the layout the primitive asks for.
 *
 * A primitive is made for one number of rows. Few numbers occur (all tokens, twice that, one), so each
 * map keeps a short list. Should a number of rows want another layout, it gets its own packed copy.
 */
#include "base/err.h"
#include "base/mem.h"
#include "ops/cpu_int.h"

#include <string.h>

enum { MAX_PLANS = 6 };

struct plan {
    size_t n_rows; /* 0: unused */
    dnnl_primitive_t primitive;
    dnnl_memory_t x, weight, bias, y;
    float *own_weight; /* a layout of its own, or NULL when it shares the first plan's */
};

struct cpu_weights {
    float *bias; /* [n_out] or NULL */
    float *packed;
    dnnl_memory_desc_t layout;
    size_t next; /* the plan to replace when all are used */
    struct plan plan[MAX_PLANS];
};

static int describe(dnnl_memory_desc_t *out, size_t rows, size_t columns, dnnl_format_tag_t tag)
{
    int rc = ERR_OK;
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    TRY_DNNL(dnnl_memory_desc_init_by_tag(out, 2, dims, dnnl_f32, tag));
out:
    return rc;
}

static int make_attributes(dnnl_primitive_attr_t *out, const struct linear *linear)
{
    int rc = ERR_OK;
    dnnl_post_ops_t post = NULL;
    *out = NULL;
    TRY_DNNL(dnnl_post_ops_create(&post));
    if (linear->act == ACT_QUICK_GELU)
        TRY_DNNL(dnnl_post_ops_append_eltwise(post, 1.0F, dnnl_eltwise_swish, 1.702F, 0.0F));
    if (linear->act == ACT_GELU)
        TRY_DNNL(dnnl_post_ops_append_eltwise(post, 1.0F, dnnl_eltwise_gelu_erf, 0.0F, 0.0F));
    if (linear->adds)
        TRY_DNNL(dnnl_post_ops_append_sum(post, 1.0F));
    TRY_DNNL(dnnl_primitive_attr_create(out));
    TRY_DNNL(dnnl_primitive_attr_set_post_ops(*out, post));
out:
    if (post)
        (void)dnnl_post_ops_destroy(post);
    return rc;
}

/* Make the primitive for n_rows and tell which weight layout it wants. */
static int make_primitive(dnnl_primitive_t *out, dnnl_memory_desc_t *layout, struct cpu_state *s,
                          const struct linear *linear, size_t n_rows)
{
    int rc = ERR_OK;
    const struct cpu_weights *w = linear->packed;
    dnnl_memory_desc_t x, any, bias, y;
    dnnl_matmul_desc_t matmul;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t desc = NULL;
    TRY(describe(&x, n_rows, linear->n_in, dnnl_ab));
    TRY(describe(&any, linear->n_in, linear->n_out, dnnl_format_tag_any));
    TRY(describe(&bias, 1, linear->n_out, dnnl_ab));
    TRY(describe(&y, n_rows, linear->n_out, dnnl_ab));
    TRY(make_attributes(&attributes, linear));
    TRY_DNNL(dnnl_matmul_desc_init(&matmul, &x, &any, w->bias ? &bias : NULL, &y));
    TRY_DNNL(dnnl_primitive_desc_create(&desc, &matmul, attributes, s->engine, NULL));
    *layout = *dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    TRY_DNNL(dnnl_primitive_create(out, desc));
out:
    if (desc)
        (void)dnnl_primitive_desc_destroy(desc);
    if (attributes)
        (void)dnnl_primitive_attr_destroy(attributes);
    return rc;
}

/* Copy weights from one layout into fresh memory of another. */
static int repack(float **out, struct cpu_state *s, const dnnl_memory_desc_t *from,
                  const float *src, const dnnl_memory_desc_t *to)
{
    int rc = ERR_OK;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_memory_t a = NULL;
    dnnl_memory_t b = NULL;
    TRY(mem_get(out, dnnl_memory_desc_get_size(to), 1));
    TRY_DNNL(dnnl_memory_create(&a, from, s->engine, (void *)(uintptr_t)src));
    TRY_DNNL(dnnl_memory_create(&b, to, s->engine, *out));
    TRY_DNNL(dnnl_reorder_primitive_desc_create(&desc, from, s->engine, to, s->engine, NULL));
    TRY_DNNL(dnnl_primitive_create(&reorder, desc));
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, a}, {DNNL_ARG_TO, b}};
    TRY_DNNL(dnnl_primitive_execute(reorder, s->stream, 2, args));
    TRY_DNNL(dnnl_stream_wait(s->stream));
out:
    if (reorder)
        (void)dnnl_primitive_destroy(reorder);
    if (desc)
        (void)dnnl_primitive_desc_destroy(desc);
    if (a)
        (void)dnnl_memory_destroy(a);
    if (b)
        (void)dnnl_memory_destroy(b);
    return rc;
}

static void plan_release(struct plan *p)
{
    dnnl_memory_t memory[] = {p->x, p->weight, p->bias, p->y};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (memory[i])
            (void)dnnl_memory_destroy(memory[i]);
    if (p->primitive)
        (void)dnnl_primitive_destroy(p->primitive);
    MEM_FREE(p->own_weight);
    *p = (struct plan){0};
}

static int plan_build(struct plan *p, struct cpu_state *s, const struct linear *linear,
                      size_t n_rows)
{
    int rc = ERR_OK;
    struct cpu_weights *w = linear->packed;
    float *weight = w->packed;
    dnnl_memory_desc_t layout, x, bias, y;
    TRY(make_primitive(&p->primitive, &layout, s, linear, n_rows));
    if (!dnnl_memory_desc_equal(&layout, &w->layout)) {
        TRY(repack(&p->own_weight, s, &w->layout, w->packed, &layout));
        weight = p->own_weight;
    }
    TRY(describe(&x, n_rows, linear->n_in, dnnl_ab));
    TRY(describe(&bias, 1, linear->n_out, dnnl_ab));
    TRY(describe(&y, n_rows, linear->n_out, dnnl_ab));
    TRY_DNNL(dnnl_memory_create(&p->weight, &layout, s->engine, weight));
    TRY_DNNL(dnnl_memory_create(&p->x, &x, s->engine, DNNL_MEMORY_NONE));
    TRY_DNNL(dnnl_memory_create(&p->y, &y, s->engine, DNNL_MEMORY_NONE));
    if (w->bias)
        TRY_DNNL(dnnl_memory_create(&p->bias, &bias, s->engine, w->bias));
    p->n_rows = n_rows;
out:
    if (rc)
        plan_release(p);
    return rc;
}

static int find_plan(struct plan **out, struct cpu_state *s, const struct linear *linear,
                     size_t n_rows)
{
    int rc = ERR_OK;
    struct cpu_weights *w = linear->packed;
    for (size_t i = 0; i < MAX_PLANS; i++)
        if (w->plan[i].n_rows == n_rows) {
            *out = &w->plan[i];
            return ERR_OK;
        }
    *out = &w->plan[w->next];
    w->next = (w->next + 1) % MAX_PLANS;
    plan_release(*out);
    TRY(plan_build(*out, s, linear, n_rows));
out:
    return rc;
}

int cpu_linear_pack(void *state, struct linear *linear, const struct linear_spec *spec)
{
    enum { USUAL_ROWS = 1024 }; /* any large number: the layout for many rows is wanted */
    int rc = ERR_OK;
    struct cpu_weights *w = NULL;
    dnnl_memory_desc_t given;
    dnnl_primitive_t primitive = NULL;
    TRY(MEM_NEW(w, 1));
    linear->packed = w;
    if (spec->bias) {
        TRY(MEM_NEW(w->bias, spec->n_out));
        memcpy(w->bias, spec->bias, spec->n_out * sizeof *w->bias);
    }
    TRY(make_primitive(&primitive, &w->layout, state, linear, USUAL_ROWS));
    TRY(describe(&given, spec->n_in, spec->n_out,
                 dnnl_ba)); /* [n_out, n_in] read as its transpose */
    TRY(repack(&w->packed, state, &given, spec->weight, &w->layout));
out:
    if (primitive)
        (void)dnnl_primitive_destroy(primitive);
    return rc;
}

void cpu_linear_free(void *state, struct linear *linear)
{
    struct cpu_weights *w = linear->packed;
    (void)state;
    for (size_t i = 0; i < MAX_PLANS; i++)
        plan_release(&w->plan[i]);
    MEM_FREE(w->bias);
    MEM_FREE(w->packed);
    mem_release(w);
}

int cpu_linear_run(void *state, struct linear *linear, const float *x, size_t n_rows, float *y)
{
    int rc = ERR_OK;
    struct cpu_state *s = state;
    struct plan *p;
    TRY(find_plan(&p, s, linear, n_rows));
    TRY_DNNL(dnnl_memory_set_data_handle_v2(p->x, (void *)(uintptr_t)x, s->stream));
    TRY_DNNL(dnnl_memory_set_data_handle_v2(p->y, y, s->stream));
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, p->x},
                              {DNNL_ARG_WEIGHTS, p->weight},
                              {DNNL_ARG_DST, p->y},
                              {DNNL_ARG_BIAS, p->bias}};
    TRY_DNNL(dnnl_primitive_execute(p->primitive, s->stream, p->bias ? 4 : 3, args));
    TRY_DNNL(dnnl_stream_wait(s->stream));
out:
    return rc;
}

int cpu_product(void *state, const struct product *p)
{
    int rc = ERR_OK;
    (void)state;
    TRY_DNNL(dnnl_sgemm(p->a_turned ? 'T' : 'N', p->b_turned ? 'T' : 'N', (dnnl_dim_t)p->m,
                        (dnnl_dim_t)p->n, (dnnl_dim_t)p->k, 1.0F, p->a, (dnnl_dim_t)p->lda, p->b,
                        (dnnl_dim_t)p->ldb, p->adds ? 1.0F : 0.0F, p->c, (dnnl_dim_t)p->ldc));
out:
    return rc;
}
