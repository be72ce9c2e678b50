/* torch_read.c - elements of a tensor out of its storage: strides to rows, types to f32, i32, i64. */
#include "base/err.h"
#include "base/mem.h"
#include "tensor/torch_int.h"

#include <string.h>

static float float_at(enum element element, const uint8_t *p)
{
    uint16_t half;
    double wide;
    float x;
    switch (element) {
    case ELEMENT_F16:
        memcpy(&half, p, sizeof half);
        return f16_to_f32(half);
    case ELEMENT_BF16:
        memcpy(&half, p, sizeof half);
        return bf16_to_f32(half);
    case ELEMENT_F64:
        memcpy(&wide, p, sizeof wide);
        return (float)wide;
    default:
        memcpy(&x, p, sizeof x);
        return x;
    }
}

static int64_t integer_at(enum element element, const uint8_t *p)
{
    int64_t wide;
    int32_t word;
    int16_t half;
    switch (element) {
    case ELEMENT_I64:
        memcpy(&wide, p, sizeof wide);
        return wide;
    case ELEMENT_I32:
        memcpy(&word, p, sizeof word);
        return word;
    case ELEMENT_I16:
        memcpy(&half, p, sizeof half);
        return half;
    case ELEMENT_I8:
        return *p < 128 ? *p : *p - 256;
    default:
        return *p;
    }
}

struct copy {
    enum element element;
    enum dtype dtype;
    void *out;
};

/* n elements that lie stride apart, to out[first] and on. */
static int copy_run(const struct copy *c, size_t first, const uint8_t *from, size_t stride,
                    size_t n)
{
    int rc = ERR_OK;
    size_t step = stride * torch_element_size(c->element);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = from + i * step;
        int64_t value;
        if (c->dtype == DTYPE_F32) {
            ((float *)c->out)[first + i] = float_at(c->element, p);
            continue;
        }
        value = integer_at(c->element, p);
        if (c->dtype == DTYPE_I64)
            ((int64_t *)c->out)[first + i] = value;
        else
            ((int32_t *)c->out)[first + i] = (int32_t)value;
        if (c->dtype == DTYPE_I32 && (value < INT32_MIN || value > INT32_MAX))
            FAIL(ERR_FORMAT, "element %zu is %lld, too large for 32 bits", first + i,
                 (long long)value);
    }
out:
    return rc;
}

/* Dimensions that lie one after the other become one; the last of *rank is a run. */
static void merge_dims(const struct torch_value *t, int *rank, size_t dim[TORCH_MAX_RANK],
                       size_t stride[TORCH_MAX_RANK])
{
    *rank = 0;
    for (int i = 0; i < t->rank; i++) {
        int last = *rank - 1;
        if (t->dim[i] == 1)
            continue;
        if (last >= 0 && stride[last] == t->stride[i] * t->dim[i]) {
            dim[last] *= t->dim[i];
            stride[last] = t->stride[i];
            continue;
        }
        dim[*rank] = t->dim[i];
        stride[*rank] = t->stride[i];
        ++*rank;
    }
    if (*rank == 0) {
        dim[0] = 1;
        stride[0] = 1;
        *rank = 1;
    }
}

static int copy_elements(const struct copy *c, const struct torch_value *t, const uint8_t *storage)
{
    int rc = ERR_OK;
    size_t dim[TORCH_MAX_RANK];
    size_t stride[TORCH_MAX_RANK];
    size_t at[TORCH_MAX_RANK] = {0};
    size_t size = torch_element_size(c->element);
    size_t count = torch_count(t);
    size_t from = t->offset;
    int rank;
    merge_dims(t, &rank, dim, stride);
    for (size_t done = 0; done < count; done += dim[rank - 1]) {
        TRY(copy_run(c, done, storage + from * size, stride[rank - 1], dim[rank - 1]));
        for (int i = rank - 2; i >= 0; i--) {
            from += stride[i];
            if (++at[i] < dim[i])
                break;
            from -= stride[i] * dim[i];
            at[i] = 0;
        }
    }
out:
    return rc;
}

/* The entry of a storage; kept, because tensors that share one follow each other. */
static int load_storage(struct torch_file *f, const struct storage *s)
{
    int rc = ERR_OK;
    if (f->cache && f->cache_entry == s->entry)
        return ERR_OK;
    MEM_FREE(f->cache);
    f->cache_entry = s->entry;
    TRY(archive_read(&f->archive, s->entry, &f->cache, &f->cache_size));
    BUG_ON(f->cache_size / torch_element_size(s->element) < s->count);
out:
    return rc;
}

static int check_request(const struct torch_file *f, const struct torch_value *value,
                         enum dtype dtype)
{
    int rc = ERR_OK;
    BUG_ON(dtype != DTYPE_F32 && dtype != DTYPE_I32 && dtype != DTYPE_I64);
    if (!value || value->kind != TORCH_TENSOR)
        FAIL(ERR_FORMAT, "%s where a tensor is wanted", torch_kind_name(value));
    if (value->is_float != (dtype == DTYPE_F32))
        FAIL(ERR_FORMAT, "a tensor of %s where %s is wanted",
             torch_element_name(f->storage[value->storage].element), dtype_name(dtype));
out:
    return rc;
}

int torch_read(struct torch_file *f, const struct torch_value *value, enum dtype dtype, void *out)
{
    int rc = ERR_OK;
    struct copy c = {.dtype = dtype, .out = out};
    TRY(check_request(f, value, dtype));
    if (torch_count(value) == 0)
        return ERR_OK;
    c.element = f->storage[value->storage].element;
    TRY(load_storage(f, &f->storage[value->storage]));
    TRY(copy_elements(&c, value, f->cache));
out:
    if (rc)
        err_prefix("%s: ", f->name);
    return rc;
}

int torch_tensor_read(struct torch_file *f, const struct torch_value *value, enum dtype dtype,
                      struct tensor *out)
{
    int rc = ERR_OK;
    *out = (struct tensor){0};
    if (value && value->kind == TORCH_TENSOR && value->rank > TENSOR_MAX_RANK)
        FAIL(ERR_FORMAT, "%s: a tensor of %d dimensions where at most %d are wanted", f->name,
             value->rank, TENSOR_MAX_RANK);
    if (value && value->kind == TORCH_TENSOR)
        TRY(tensor_new(out, dtype, value->rank, value->dim));
    TRY(torch_read(f, value, dtype, out->data));
out:
    if (rc)
        tensor_free(out);
    return rc;
}
