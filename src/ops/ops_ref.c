/*
 * ops_ref.c - the kernels in plain C, sums in double: slow, short, and the standard that the other
 * variants are tested against.
 */
#include "base/err.h"
#include "base/mem.h"
#include "ops/ops_int.h"
#include "ops/ops_ref_int.h"

#include <math.h>
#include <string.h>

struct ref_weights {
    real *weight; /* [n_out, n_in] */
    real *bias;   /* [n_out], zero where the map has none */
};

static int ref_open(void **state, int threads)
{
    (void)threads;
    return mem_get(state, 1, 1);
}

static void ref_close(void *state)
{
    mem_release(state);
}

static void ref_linear_free(void *state, struct linear *linear)
{
    struct ref_weights *w = linear->packed;
    (void)state;
    MEM_FREE(w->weight);
    MEM_FREE(w->bias);
    mem_release(w);
}

static int ref_linear_pack(void *state, struct linear *linear, const struct linear_spec *spec)
{
    int rc = ERR_OK;
    struct ref_weights *w = NULL;
    (void)state;
    TRY(MEM_NEW(w, 1));
    linear->packed = w;
    TRY(MEM_NEW(w->weight, spec->n_in * spec->n_out));
    TRY(MEM_NEW(w->bias, spec->n_out));
    memcpy(w->weight, spec->weight, spec->n_in * spec->n_out * sizeof *w->weight);
    if (spec->bias)
        memcpy(w->bias, spec->bias, spec->n_out * sizeof *w->bias);
out:
    return rc;
}

static int ref_linear_run(void *state, struct linear *linear, const real *x, size_t n_rows, real *y)
{
    const struct ref_weights *w = linear->packed;
    (void)state;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t o = 0; o < linear->n_out; o++) {
            real *at = &y[r * linear->n_out + o];
            double sum = (double)w->bias[o];
            for (size_t i = 0; i < linear->n_in; i++)
                sum += (double)x[r * linear->n_in + i] * (double)w->weight[o * linear->n_in + i];
            sum = ops_ref_activated(linear->act, sum);
            *at = (real)(linear->adds ? (double)*at + sum : sum);
        }
    return ERR_OK;
}

static int ref_layer_norm(void *state, const struct norm *norm)
{
    size_t dim = norm->dim;
    (void)state;
    for (size_t r = 0; r < norm->n_rows; r++) {
        const real *x = norm->x + r * dim;
        double mean = 0;
        double var = 0;
        for (size_t i = 0; i < dim; i++)
            mean += (double)x[i] / (double)dim;
        for (size_t i = 0; i < dim; i++)
            var += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)dim;
        for (size_t i = 0; i < dim; i++)
            norm->y[r * dim + i] =
                (real)(((double)x[i] - mean) / sqrt(var + norm->epsilon) * (double)norm->weight[i] +
                       (double)norm->bias[i]);
    }
    return ERR_OK;
}

void ops_ref_softmax(double *score, size_t n)
{
    double top = -HUGE_VAL;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        top = score[i] > top ? score[i] : top;
    for (size_t i = 0; i < n; i++)
        sum += score[i] = exp(score[i] - top);
    for (size_t i = 0; i < n; i++)
        score[i] /= sum;
}

double ops_ref_dot(const real *a, const real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

void ops_ref_attention_row(const struct attention *a, size_t head, size_t row, double *weight)
{
    size_t at = head * a->head_dim;
    size_t n = a->causal ? row + 1 : a->n_key;
    double scale = 1 / sqrt((double)a->head_dim);
    for (size_t k = 0; k < n; k++)
        weight[k] = scale * ops_ref_dot(a->query + row * a->stride + at,
                                        a->key + k * a->stride + at, a->head_dim);
    ops_ref_softmax(weight, n);
    for (size_t k = n; k < a->n_key; k++)
        weight[k] = 0;
}

static void attend_row(const struct attention *a, size_t head, size_t row, double *weight)
{
    size_t at = head * a->head_dim;
    ops_ref_attention_row(a, head, row, weight);
    for (size_t d = 0; d < a->head_dim; d++) {
        double sum = 0;
        for (size_t k = 0; k < a->n_key; k++)
            sum += weight[k] * (double)a->value[k * a->stride + at + d];
        a->out[row * a->out_stride + at + d] = (real)sum;
    }
}

static int ref_attend(void *state, const struct attention *a)
{
    int rc = ERR_OK;
    double *weight = NULL;
    (void)state;
    TRY(MEM_NEW(weight, a->n_key));
    for (size_t i = 0; i < a->n_items; i++) {
        const struct attention item = ops_attention_item(a, i);
        for (size_t h = 0; h < a->n_heads; h++)
            for (size_t q = 0; q < a->n_query; q++)
                attend_row(&item, h, q, weight);
    }
out:
    MEM_FREE(weight);
    return rc;
}

/* Mean over a window of 2 reach + 1 cells a side; cells outside the grid count as zero. */
static double window_mean(const real *x, size_t grid, size_t dim, const size_t cell[3],
                          ptrdiff_t reach)
{
    double sum = 0;
    for (ptrdiff_t dy = -reach; dy <= reach; dy++)
        for (ptrdiff_t dx = -reach; dx <= reach; dx++) {
            ptrdiff_t y = (ptrdiff_t)cell[0] + dy;
            ptrdiff_t z = (ptrdiff_t)cell[1] + dx;
            if (y >= 0 && z >= 0 && y < (ptrdiff_t)grid && z < (ptrdiff_t)grid)
                sum += (double)x[((size_t)y * grid + (size_t)z) * dim + cell[2]];
        }
    return sum / (double)((2 * reach + 1) * (2 * reach + 1));
}

static int ref_pool(void *state, const real *x, size_t grid, size_t dim, real *y)
{
    (void)state;
    for (size_t r = 0; r < grid; r++)
        for (size_t c = 0; c < grid; c++)
            for (size_t d = 0; d < dim; d++) {
                const size_t cell[3] = {r, c, d};
                double sum = 0;
                for (ptrdiff_t reach = 0; reach <= 2; reach++)
                    sum += window_mean(x, grid, dim, cell, reach);
                y[(r * grid + c) * dim + d] = (real)(sum / 3);
            }
    return ERR_OK;
}

static int ref_unit(void *state, real *x, size_t n_rows, size_t dim)
{
    (void)state;
    for (size_t r = 0; r < n_rows; r++, x += dim) {
        double norm = sqrt(ops_ref_dot(x, x, dim));
        for (size_t i = 0; i < dim; i++)
            x[i] = (real)((double)x[i] / norm);
    }
    return ERR_OK;
}

static int ref_mass(void *state, real *sim, size_t n_rows, size_t n, const real *anomalous,
                    real tau, real *mass)
{
    int rc = ERR_OK;
    double *score = NULL;
    (void)state;
    TRY(MEM_NEW(score, n));
    for (size_t r = 0; r < n_rows; r++) {
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            score[k] = (double)sim[r * n + k] / (double)tau;
        ops_ref_softmax(score, n);
        for (size_t k = 0; k < n; k++)
            sum += score[k] * (double)anomalous[k];
        mass[r] = (real)sum;
    }
out:
    MEM_FREE(score);
    return rc;
}

/* exp(-inf) and 1 / inf give 1 and 0 where a label has no key. */
static int ref_nearest(void *state, real *sim, size_t n_rows, size_t n, const real *anomalous,
                       real tau, real *mass)
{
    (void)state;
    for (size_t r = 0; r < n_rows; r++) {
        double top[2] = {-HUGE_VAL, -HUGE_VAL};
        for (size_t k = 0; k < n; k++) {
            double *of_label = &top[anomalous[k] != 0];
            *of_label = fmax(*of_label, (double)sim[r * n + k]);
        }
        mass[r] = (real)(1 / (1 + exp((top[0] - top[1]) / (double)tau)));
    }
    return ERR_OK;
}

static int ref_upsample(void *state, const real *x, size_t n, size_t grid, size_t side, real *y)
{
    (void)state;
    for (size_t m = 0; m < n; m++, x += grid * grid)
        for (size_t r = 0; r < side; r++)
            for (size_t c = 0; c < side; c++) {
                size_t top, bottom, left, right;
                float down, along;
                ops_bilinear_tap(r, grid, side, &top, &bottom, &down);
                ops_bilinear_tap(c, grid, side, &left, &right, &along);
                *y++ = (1 - down) *
                           ((1 - along) * x[top * grid + left] + along * x[top * grid + right]) +
                       down * ((1 - along) * x[bottom * grid + left] +
                               along * x[bottom * grid + right]);
            }
    return ERR_OK;
}

/* One line of n values, `step` floats apart, through a copy in `line`. */
static void smooth_line(real *x, size_t step, size_t n, const double *weight, size_t radius,
                        real *line)
{
    for (size_t i = 0; i < n; i++)
        line[i] = x[i * step];
    for (size_t i = 0; i < n; i++) {
        double sum = (double)line[i] * weight[0];
        for (size_t j = radius; j > 0; j--)
            sum += ((double)line[ops_reflect((ptrdiff_t)i - (ptrdiff_t)j, n)] +
                    (double)line[ops_reflect((ptrdiff_t)(i + j), n)]) *
                   weight[j];
        x[i * step] = (real)sum;
    }
}

static int ref_smooth(void *state, real *x, size_t n, size_t side, const double *weight,
                      size_t radius)
{
    int rc = ERR_OK;
    real *line = NULL;
    (void)state;
    TRY(MEM_NEW(line, side));
    for (size_t m = 0; m < n; m++, x += side * side) {
        for (size_t c = 0; c < side; c++)
            smooth_line(x + c, side, side, weight, radius, line);
        for (size_t r = 0; r < side; r++)
            smooth_line(x + r * side, 1, side, weight, radius, line);
    }
out:
    MEM_FREE(line);
    return rc;
}

static int ref_product(void *state, const struct product *p)
{
    size_t a_row = p->a_turned ? 1 : p->lda;
    size_t a_column = p->a_turned ? p->lda : 1;
    size_t b_row = p->b_turned ? 1 : p->ldb;
    size_t b_column = p->b_turned ? p->ldb : 1;
    (void)state;
    for (size_t r = 0; r < p->m; r++)
        for (size_t c = 0; c < p->n; c++) {
            real *at = &p->c[r * p->ldc + c];
            double sum = p->adds ? (double)*at : 0;
            for (size_t i = 0; i < p->k; i++)
                sum +=
                    (double)p->a[r * a_row + i * a_column] * (double)p->b[i * b_row + c * b_column];
            *at = (real)sum;
        }
    return ERR_OK;
}

const struct ops_table ops_ref = {
    .name = "ref",
    .meaning = "plain C, the standard for the others",
    .open = ref_open,
    .close = ref_close,
    .alloc = ops_host_alloc,
    .drop = ops_host_drop,
    .copy_in = ops_host_copy,
    .copy_out = ops_host_copy,
    .copy = ops_host_copy,
    .linear_pack = ref_linear_pack,
    .linear_run = ref_linear_run,
    .linear_free = ref_linear_free,
    .patches = ops_host_patches,
    .layer_norm = ref_layer_norm,
    .layer_norm_grad = ops_ref_layer_norm_grad,
    .activate = ops_ref_activate,
    .activate_grad = ops_ref_activate_grad,
    .attend = ref_attend,
    .attend_grad = ops_ref_attend_grad,
    .pool = ref_pool,
    .unit = ref_unit,
    .mass = ref_mass,
    .nearest = ref_nearest,
    .upsample = ref_upsample,
    .smooth = ref_smooth,
    .product = ref_product,
};
