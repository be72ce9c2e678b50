/*
 * cmd_bench.c - mrad bench: how fast, as a share of the GEMM peak measured in the same run.
 *
 * The machine is shared and its clock wanders, so peak and subject are measured in turns and medians
 * are compared.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "clip/clip.h"
#include "cmd/cmd.h"
#include "head/head.h"
#include "metrics/metrics.h"
#include "ops/ops.h"
#include "par/cores.h"
#include "sweep/sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One subject: something that can be run again and again, with its known number of operations. */
struct subject {
    struct ops *ops;
    struct config *config;
    int threads;
    double flop;
    int (*run)(struct subject *s);
    struct encoder *encoder;
    struct text_tower *tower;
    struct linear *keys;
    struct head_bench *head;
    struct comm *comm; /* borrowed */
    float *input, *cls, *patch, *mass, *labels;
    size_t n_query;
    char title[160];
};

/* The yardstick: a packed product of the encoder's largest shape. */
enum { PEAK_ROWS = 1370, PEAK_IN = 1024, PEAK_OUT = 4096 };

struct yardstick {
    struct linear *linear;
    float *x, *y;
};

static int fill(float **out, size_t n, uint64_t seed)
{
    int rc = ERR_OK;
    TRY(MEM_NEW(*out, n));
    for (size_t i = 0; i < n; i++)
        (*out)[i] = rng_uniform(seed, i);
out:
    return rc;
}

static int yardstick_new(struct yardstick *y, struct ops *ops)
{
    int rc = ERR_OK;
    float *weight = NULL;
    struct linear_spec spec = {.n_in = PEAK_IN, .n_out = PEAK_OUT};
    TRY(fill(&y->x, (size_t)PEAK_ROWS * PEAK_IN, 1));
    TRY(fill(&y->y, (size_t)PEAK_ROWS * PEAK_OUT, 2));
    TRY(fill(&weight, (size_t)PEAK_OUT * PEAK_IN, 3));
    spec.weight = weight;
    TRY(linear_pack(ops, &y->linear, &spec));
    TRY(linear_run(ops, y->linear, y->x, PEAK_ROWS, y->y));
out:
    MEM_FREE(weight);
    return rc;
}

static void yardstick_free(struct yardstick *y, struct ops *ops)
{
    linear_free(ops, &y->linear);
    MEM_FREE(y->x);
    MEM_FREE(y->y);
}

/* GFLOP/s of the yardstick: the best of five products, since anything slower is disturbance. */
static int measure_peak(struct yardstick *y, struct ops *ops, double *out)
{
    int rc = ERR_OK;
    double best = 1e30;
    for (int i = 0; i < 5; i++) {
        double t = clock_now();
        TRY(linear_run(ops, y->linear, y->x, PEAK_ROWS, y->y));
        t = clock_now() - t;
        best = t < best ? t : best;
    }
    *out = 2e-9 * PEAK_ROWS * PEAK_IN * PEAK_OUT / best;
out:
    return rc;
}

static int run_gemm(struct subject *s)
{
    enum { N = 2048 };
    return ops_product(s->ops, &(struct product){.m = N,
                                                 .n = N,
                                                 .k = N,
                                                 .a = s->input,
                                                 .b = s->patch,
                                                 .c = s->mass,
                                                 .lda = N,
                                                 .ldb = N,
                                                 .ldc = N});
}

static int prepare_gemm(struct subject *s)
{
    int rc = ERR_OK;
    TRY(fill(&s->input, 2048 * 2048, 1));
    TRY(fill(&s->patch, 2048 * 2048, 2));
    TRY(MEM_NEW(s->mass, 2048 * 2048));
    s->flop = 2.0 * 2048 * 2048 * 2048;
    s->run = run_gemm;
    (void)snprintf(s->title, sizeof s->title, "gemm 2048 x 2048 x 2048, not packed");
out:
    return rc;
}

static int run_encoder(struct subject *s)
{
    return encoder_run(s->encoder, s->input, s->cls, s->patch);
}

static int prepare_encoder(struct subject *s)
{
    int rc = ERR_OK;
    struct weights *w = NULL;
    const struct config *c = s->config;
    const struct encoder_options options = {
        .image_size = c->image_size, .vv_start = c->vv_start, .class_ln_post = c->class_ln_post};
    const struct clip_shape *shape;
    TRY(config_need_weights(c));
    TRY(weights_open_chosen(&w, c));
    shape = weights_shape(w);
    TRY(encoder_new(&s->encoder, w, s->ops, &options));
    TRY(fill(&s->input, 3 * c->image_size * c->image_size, 1));
    TRY(MEM_NEW(s->cls, shape->embed));
    TRY(MEM_NEW(s->patch, encoder_grid(s->encoder) * encoder_grid(s->encoder) * shape->width));
    s->flop = encoder_flop(shape, &options);
    s->run = run_encoder;
    (void)snprintf(s->title, sizeof s->title,
                   "encoder, one image of %zu px, width %zu, %zu blocks, %.3f TFLOP", c->image_size,
                   shape->width, shape->layers, s->flop * 1e-12);
out:
    weights_free(&w);
    return rc;
}

static int run_retrieval(struct subject *s)
{
    return ops_retrieve(s->ops, s->keys, s->input, s->n_query, s->labels, 1.0F, s->mass);
}

/* The bank of VisA at the published size: 3093 prototypes of 1024 columns, 1369 queries an image. */
static int prepare_retrieval(struct subject *s)
{
    enum { KEYS = 3093, DIM = 1024, QUERIES = 1369 };
    int rc = ERR_OK;
    struct linear_spec spec = {.n_in = DIM, .n_out = KEYS};
    TRY(fill(&s->patch, (size_t)KEYS * DIM, 1));
    spec.weight = s->patch;
    TRY(linear_pack(s->ops, &s->keys, &spec));
    TRY(fill(&s->input, (size_t)QUERIES * DIM, 2));
    TRY(ops_unit(s->ops, s->input, QUERIES, DIM));
    TRY(MEM_NEW(s->labels, KEYS));
    TRY(MEM_NEW(s->mass, QUERIES));
    s->n_query = QUERIES;
    s->flop = 2.0 * KEYS * DIM * QUERIES;
    s->run = run_retrieval;
    (void)snprintf(s->title, sizeof s->title, "retrieval, 1369 queries against 3093 keys of 1024");
out:
    return rc;
}

/*
 * A batch of MRAD-CLIP: two prompts an image, 8 images, up to the end token of "damaged object." A small
 * tower gets fewer deep prompts.
 */
enum { TEXT_ROWS = 16, TEXT_POSITIONS = 17, TEXT_DEEP = 8, TEXT_DEEP_LEN = 4 };

static int run_text(struct subject *s)
{
    int rc = ERR_OK;
    int32_t end[TEXT_ROWS];
    for (int i = 0; i < TEXT_ROWS; i++)
        end[i] = TEXT_POSITIONS - 1;
    TRY(text_forward(s->tower, s->input, end, TEXT_ROWS, s->patch, s->cls));
    TRY(text_backward(s->tower, s->cls, s->mass, s->labels));
out:
    return rc;
}

static int prepare_text(struct subject *s)
{
    int rc = ERR_OK;
    struct weights *w = NULL;
    struct text_options options = {.n_positions = TEXT_POSITIONS,
                                   .n_deep = TEXT_DEEP,
                                   .deep_len = TEXT_DEEP_LEN,
                                   .max_rows = TEXT_ROWS};
    const struct clip_shape *shape;
    size_t t;
    TRY(config_need_weights(s->config));
    TRY(weights_open_chosen(&w, s->config));
    shape = weights_shape(w);
    t = shape->text_width;
    if (shape->text_layers <= TEXT_DEEP)
        options.n_deep = shape->text_layers ? shape->text_layers - 1 : 0;
    TRY(text_tower_new(&s->tower, w, s->ops, &options));
    TRY(fill(&s->input, TEXT_ROWS * TEXT_POSITIONS * t, 1));
    TRY(fill(&s->patch, TEXT_DEEP * TEXT_DEEP_LEN * t, 2));
    TRY(MEM_NEW(s->cls, TEXT_ROWS * shape->embed));
    TRY(MEM_NEW(s->mass, TEXT_ROWS * TEXT_POSITIONS * t));
    TRY(MEM_NEW(s->labels, (size_t)TEXT_ROWS * TEXT_DEEP * TEXT_DEEP_LEN * t));
    /* products of 4 T x T and 2 T x H a layer and row, forward and the same backward */
    s->flop = 4.0 * (double)shape->text_layers * TEXT_ROWS * TEXT_POSITIONS * (double)t *
              (4.0 * (double)t + 2.0 * (double)shape->text_hidden);
    s->run = run_text;
    (void)snprintf(s->title, sizeof s->title,
                   "text tower, %d prompts of %d positions, width %zu, %zu layers, forward and "
                   "backward",
                   TEXT_ROWS, TEXT_POSITIONS, t, shape->text_layers);
out:
    weights_free(&w);
    return rc;
}

static int run_train(struct subject *s)
{
    return head_bench_step(s->head, true);
}

static int run_train_later(struct subject *s)
{
    return head_bench_step(s->head, false);
}

/* A training step of the published size. */
static int prepare_train(struct subject *s, bool prompts, bool first_epoch)
{
    int rc = ERR_OK;
    TRY(config_need_weights(s->config));
    TRY(head_bench_new(&s->head, s->config, prompts, s->ops, s->comm));
    s->flop = head_bench_flop(s->head, first_epoch);
    s->run = first_epoch ? run_train : run_train_later;
    (void)snprintf(s->title, sizeof s->title,
                   "train %s, a step of 8 images of %zu px, %.3f TFLOP%s", prompts ? "clip" : "ft",
                   s->config->image_size, s->flop * 1e-12,
                   !prompts      ? ""
                   : first_epoch ? ", first epoch"
                                 : ", later epochs");
out:
    return rc;
}

static int prepare_train_ft(struct subject *s)
{
    return prepare_train(s, false, true);
}

static int prepare_train_clip(struct subject *s)
{
    return prepare_train(s, true, true);
}

static int prepare_train_clip_later(struct subject *s)
{
    return prepare_train(s, true, false);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, ascending);
    return n % 2 ? x[n / 2] : 0.5 * (x[n / 2 - 1] + x[n / 2]);
}

static int print_speed(const struct args *a, const struct subject *s, double peak, double seconds)
{
    int rc = ERR_OK;
    char *text = NULL;
    double rate = 1e-9 * s->flop / seconds;
    double memory = (double)mem_peak_rss() / (1 << 20);
    if (a->json)
        TRY(str_make(&text,
                     "{\"subject\": \"%s\", \"threads\": %d, \"seconds\": %.6g, \"gflop_s\": %.6g, "
                     "\"peak_gflop_s\": %.6g, \"share\": %.4f, \"peak_memory_mib\": %.0f}\n",
                     s->title, s->threads, seconds, rate, peak, rate / peak, memory));
    else
        TRY(str_make(&text,
                     "%s\n  %d threads, %s kernels: %.4g s, %.1f GFLOP/s\n"
                     "  GEMM peak of this run: %.1f GFLOP/s; share %.1f %%\n"
                     "  peak memory %.0f MiB\n",
                     s->title, s->threads, ops_name(s->ops), seconds, rate, peak, 100 * rate / peak,
                     memory));
    TRY(cmd_print(a, text));
out:
    MEM_FREE(text);
    return rc;
}

static int measure(const struct args *a, struct subject *s, size_t repeat)
{
    int rc = ERR_OK;
    struct yardstick y = {0};
    double *peak = NULL;
    double *seconds = NULL;
    TRY(MEM_NEW(peak, repeat));
    TRY(MEM_NEW(seconds, repeat));
    TRY(yardstick_new(&y, s->ops));
    TRY(s->run(s)); /* first touch of memory, building of primitives */
    for (size_t i = 0; i < repeat; i++) {
        TRY(measure_peak(&y, s->ops, &peak[i]));
        seconds[i] = clock_now();
        TRY(s->run(s));
        seconds[i] = clock_now() - seconds[i];
    }
    TRY(print_speed(a, s, median(peak, repeat), median(seconds, repeat)));
out:
    yardstick_free(&y, s->ops);
    MEM_FREE(peak);
    MEM_FREE(seconds);
    return rc;
}

static int bench_metrics(const struct args *a)
{
    int rc = ERR_OK;
    struct metrics_bench b;
    char *text = NULL;
    TRY(metrics_bench(&b, 200, 518));
    TRY(str_make(&text,
                 "metrics, one class of 200 maps of 518 x 518, %.1f %% defect, one core\n"
                 "  collect %.2f s, all eight metrics %.2f s\n  peak memory %.0f MiB\n",
                 100 * b.defect_share, b.add_s, b.compute_s, (double)mem_peak_rss() / (1 << 20)));
    TRY(cmd_print(a, text));
out:
    MEM_FREE(text);
    return rc;
}

static int bench_queue(const struct args *a)
{
    int rc = ERR_OK;
    struct queue_bench b = {0};
    char *text = NULL;
    TRY(queue_bench(&b, a->comm));
    if (a->json)
        TRY(str_make(&text,
                     "{\"subject\": \"queue\", \"ranks\": %d, \"together_per_s\": %.0f, "
                     "\"single_per_s\": %.0f, \"makespan_s\": %.4f, \"simulated_s\": %.4f, "
                     "\"bound_s\": %.4f}\n",
                     comm_size(a->comm), b.together_per_s, b.single_per_s, b.makespan_s,
                     b.simulated_s, b.bound_s));
    else
        TRY(str_make(&text,
                     "queue, %d ranks\n"
                     "  items without work, given together  %.0f a second\n"
                     "  one by one                          %.0f a second\n"
                     "  sleeping items with gangs %.3f s, simulated %.3f s, at least %.3f s: "
                     "%.1f %% over\n",
                     comm_size(a->comm), b.together_per_s, b.single_per_s, b.makespan_s,
                     b.simulated_s, b.bound_s, 100 * (b.makespan_s / b.bound_s - 1)));
    TRY(cmd_print(a, text));
out:
    MEM_FREE(text);
    return rc;
}

static const struct {
    const char *name;
    int (*prepare)(struct subject *s);
} subjects[] = {
    {"gemm", prepare_gemm},
    {"encoder", prepare_encoder},
    {"retrieval", prepare_retrieval},
    {"text", prepare_text},
    {"train", prepare_train_ft},
    {"train", prepare_train_clip},
    {"train", prepare_train_clip_later},
};

static void subject_free(struct subject *s)
{
    head_bench_free(&s->head);
    encoder_free(&s->encoder);
    text_tower_free(&s->tower);
    linear_free(s->ops, &s->keys);
    MEM_FREE(s->input);
    MEM_FREE(s->cls);
    MEM_FREE(s->patch);
    MEM_FREE(s->mass);
    MEM_FREE(s->labels);
    ops_close(&s->ops);
    config_free(&s->config);
}

static int bench_one(const struct args *a, int (*prepare)(struct subject *s))
{
    int rc = ERR_OK;
    struct subject s = {.comm = a->comm};
    TRY(config_read(&s.config, NULL, (const char *const *)a->set, a->n_set));
    TRY(cores_per_rank(a->comm, (int)s.config->threads, &s.threads));
    TRY(ops_open(&s.ops, config_kernels[s.config->kernels], s.threads));
    TRY(prepare(&s));
    TRY(measure(a, &s, a->repeat ? (size_t)a->repeat : 5));
out:
    if (s.ops)
        subject_free(&s);
    else
        config_free(&s.config);
    return rc;
}

int cmd_bench(struct args *a)
{
    int rc = ERR_OK;
    bool is_known = false;
    TRY(args_operands(a, 1, 1, "one of gemm, encoder, retrieval, text, train, metrics, queue"));
    if (strcmp(a->operand[0], "queue") == 0)
        return bench_queue(a);
    if (comm_size(a->comm) > 1)
        FAIL(ERR_USAGE, "bench: only queue is measured on several ranks");
    if (strcmp(a->operand[0], "metrics") == 0)
        return bench_metrics(a);
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        if (strcmp(a->operand[0], subjects[i].name) == 0) {
            is_known = true;
            TRY(bench_one(a, subjects[i].prepare));
        }
    if (!is_known)
        FAIL(
            ERR_USAGE,
            "bench: no subject \"%s\"; known: gemm, encoder, retrieval, text, train, metrics, queue",
            a->operand[0]);
out:
    return rc;
}
