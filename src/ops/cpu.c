/* cpu.c - the cpu variant: oneDNN for products, OpenMP loops for the rest. */
#include "base/err.h"
#include "base/mem.h"
#include "ops/cpu_int.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl_version.h>

static void cpu_close(void *state)
{
    struct cpu_state *s = state;
    if (s->stream)
        (void)dnnl_stream_destroy(s->stream);
    if (s->engine)
        (void)dnnl_engine_destroy(s->engine);
    MEM_FREE(s->scratch);
    mem_release(s);
}

static int cpu_open(void **state, int threads)
{
    int rc = ERR_OK;
    struct cpu_state *s = NULL;
    TRY(MEM_NEW(s, 1));
    s->threads = threads;
    omp_set_num_threads(threads); /* oneDNN takes its number of threads from here */
    TRY_DNNL(dnnl_engine_create(&s->engine, dnnl_cpu, 0));
    TRY_DNNL(dnnl_stream_create(&s->stream, s->engine, dnnl_stream_default_flags));
    *state = s;
    s = NULL;
out:
    if (s)
        cpu_close(s);
    return rc;
}

int cpu_need_scratch(struct cpu_state *s, size_t n)
{
    int rc = ERR_OK;
    if (n > s->scratch_cap) {
        MEM_FREE(s->scratch);
        s->scratch_cap = 0;
        TRY(MEM_NEW(s->scratch, n));
        s->scratch_cap = n;
    }
out:
    return rc;
}

#define TEXT_OF(x) #x
#define NUMBER(x)  TEXT_OF(x)
#define DNNL_NUMBER \
    NUMBER(DNNL_VERSION_MAJOR) "." NUMBER(DNNL_VERSION_MINOR) "." NUMBER(DNNL_VERSION_PATCH)

const char *ops_library(void)
{
    return "oneDNN " DNNL_NUMBER;
}

const struct ops_table ops_cpu = {
    .name = "cpu",
    .meaning = "oneDNN and OpenMP",
    .open = cpu_open,
    .close = cpu_close,
    .alloc = ops_host_alloc,
    .drop = ops_host_drop,
    .copy_in = ops_host_copy,
    .copy_out = ops_host_copy,
    .copy = ops_host_copy,
    .linear_pack = cpu_linear_pack,
    .linear_run = cpu_linear_run,
    .linear_free = cpu_linear_free,
    .patches = ops_host_patches,
    .layer_norm = cpu_layer_norm,
    .layer_norm_grad = cpu_layer_norm_grad,
    .activate = cpu_activate,
    .activate_grad = cpu_activate_grad,
    .attend = cpu_attend,
    .attend_grad = cpu_attend_grad,
    .pool = cpu_pool,
    .unit = cpu_unit,
    .mass = cpu_mass,
    .nearest = cpu_nearest,
    .upsample = cpu_upsample,
    .smooth = cpu_smooth,
    .product = cpu_product,
};
