/*
 * MRAD-CLIP with every source of the prompts' bias against PyTorch: tools/golden/make_bias.py trained three
 * steps of each by autograd (tests/fixtures/tiny/bias.h5). The metric below is the golden's, sharper, so that
 * its regions are not all the same.
 */
#include "check.h"
#include "parity.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "head/head.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_SETTINGS = 8 };

/* The pipeline of the set-up, and on top of it the expected numbers, the metric and start values. */
struct world {
    const struct parity *p;
    struct h5 *want;
    char *metric_file, *start_file;
};

/* A dataset of a file, times a factor, under another name in another file. */
static void copy(struct h5 *from, const char *path, double factor, struct h5 *f, const char *as)
{
    struct tensor t = {0};
    CHECK_OK(h5_read(from, path, DTYPE_F32, &t));
    for (size_t i = 0; i < tensor_count(&t); i++)
        ((float *)t.data)[i] *= (float)factor;
    CHECK_OK(h5_write(f, as, &t, "parameter"));
    tensor_free(&t);
}

/* The golden's trained MRAD-FT, sharper, as a file of parameters that belong to any bank. */
static void write_metric(const struct world *w)
{
    static const char *const name[] = {"wq", "bq", "wk", "bk", "iq", "ibq", "ik", "ibk"};
    struct h5 *f = NULL;
    char from[32];
    char as[32];
    double sharp = 0;
    CHECK_OK(h5_get_f64(w->want, "/", "sharp", &sharp));
    CHECK_OK(h5_create(&f, w->metric_file, "mrad.parameters", 1));
    CHECK_OK(h5_put_text(f, "/", "bank", "none"));
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        (void)snprintf(from, sizeof from, "ft/final/%s", name[i]);
        (void)snprintf(as, sizeof as, "ft/%s", name[i]);
        copy(w->p->golden, from, i < 2 ? sharp : 1, f, as);
    }
    CHECK_OK(h5_commit(&f));
}

/* The golden's start values, and those of the queries. */
static void write_start(const struct world *w)
{
    static const char *const name[] = {"ctx", "deep", "pn", "pbn", "pa", "pba"};
    struct h5 *f = NULL;
    char from[32];
    char as[32];
    CHECK_OK(h5_create(&f, w->start_file, "start", 1));
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        (void)snprintf(from, sizeof from, "clip/init/%s", name[i]);
        (void)snprintf(as, sizeof as, "clip/%s", name[i]);
        copy(w->p->golden, from, 1, f, as);
    }
    copy(w->want, "query", 1, f, "clip/query");
    CHECK_OK(h5_commit(&f));
}

static struct world world_open(void **state, const char *test)
{
    struct world w = {.p = parity_of(state, test)};
    CHECK_OK(h5_open(&w.want, check_fixture("tiny/bias.h5")));
    CHECK_OK(str_make(&w.metric_file, "%s/metric.h5", w.p->folder));
    CHECK_OK(str_make(&w.start_file, "%s/start.h5", w.p->folder));
    write_metric(&w);
    write_start(&w);
    return w;
}

static void world_close(struct world *w)
{
    h5_close(&w->want);
    MEM_FREE(w->metric_file);
    MEM_FREE(w->start_file);
}

/* One source: its configuration and its places. */
struct run {
    const char *source;
    struct config *config;
    struct head_place *metric, *prompts;
};

/* given: a head in the place of training, or NULL. The prompts are planned by the caller. */
static struct run run_open(const struct world *w, const char *source, const char *given)
{
    struct run r = {.source = source};
    char *set[MOST_SETTINGS] = {NULL};
    size_t n = 0;
    CHECK_OK(str_make(&set[n++], "model.weights=%s", w->p->weights));
    CHECK_OK(str_make(&set[n++], "store=%s/store", w->p->folder));
    CHECK_OK(str_make(&set[n++], "head.ft=%s:/ft", w->metric_file));
    CHECK_OK(str_make(&set[n++], "train.clip.bias=%s", source));
    CHECK_OK(str_make(&set[n++], "train.clip.init=%s:/clip", w->start_file));
    CHECK_OK(str_make(&set[n++], "train.clip.order=%s:/order", h5_path(w->want)));
    CHECK_OK(str_make(&set[n++], "train.clip.tokens=%s:/clip/tokens", w->p->source.golden));
    if (given)
        CHECK_OK(str_make(&set[n++], "head.clip=%s:/clip", given));
    CHECK_OK(config_read(&r.config, NULL, (const char *const *)set, n));
    for (size_t i = 0; i < n; i++)
        MEM_FREE(set[i]);
    CHECK_OK(head_plan_ft(&r.metric, r.config, w->p->bank_place, 111));
    return r;
}

static void run_close(struct run *r)
{
    head_place_free(&r->prompts);
    head_place_free(&r->metric);
    config_free(&r->config);
}

/* Train the prompts; the path of their head, which MEM_FREE frees. */
static char *train(const struct world *w, struct run *r)
{
    char *path = NULL;
    CHECK_OK(head_train(r->metric, w->p->bank, w->p->bench.ops, w->p->comm));
    CHECK_OK(head_plan_clip(&r->prompts, r->config, r->metric));
    CHECK_OK(head_train(r->prompts, w->p->bank, w->p->bench.ops, w->p->comm));
    CHECK_OK(head_path(&path, r->prompts));
    return path;
}

/* ---- numbers ---- */

/* GROUP/NAME of the expected file. Free with tensor_free. */
static struct tensor expected(const struct world *w, const char *group, const char *name)
{
    struct tensor t = {0};
    char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", group, name);
    CHECK_OK(h5_read(w->want, path, DTYPE_F32, &t));
    return t;
}

static void compare_losses(const struct world *w, const char *source, struct h5 *f)
{
    struct tensor want = expected(w, source, "loss");
    struct tensor got = {0};
    double error = 0;
    char label[64];
    CHECK_OK(h5_read(f, "loss", DTYPE_F32, &got));
    assert_int_equal(got.dim[0], want.dim[0]);
    for (size_t i = 0; i < want.dim[0]; i++)
        error = worse(error, floats_distance((float *)got.data + i, (float *)want.data + i, 1));
    (void)snprintf(label, sizeof label, "%s loss", source);
    CHECK_TOLERANCE(TOLERANCE_LOSS, label, error);
    tensor_free(&got);
    tensor_free(&want);
}

/*
 * A query's elements are a thousand times what three steps add to them, so they agree whatever the gradient
 * was: what training added must agree, too.
 */
static void compare_movement(const struct world *w, const char *source, const struct tensor *got,
                             const struct tensor *want)
{
    struct tensor start_value = expected(w, "/", "query");
    double off = 0;
    double moved = 0;
    char label[64];
    for (size_t i = 0; i < tensor_count(want); i++) {
        double to = (double)((float *)want->data)[i];
        double from = (double)((float *)start_value.data)[i];
        off += pow((double)((float *)got->data)[i] - to, 2);
        moved += pow(to - from, 2);
    }
    (void)snprintf(label, sizeof label, "%s query, movement", source);
    CHECK_TOLERANCE(TOLERANCE_PARAMETER, label, sqrt(off / moved));
    tensor_free(&start_value);
}

/* The file has the tensors that the source trains, and no others. */
static void compare_parameters(const struct world *w, const char *source, struct h5 *f)
{
    static const char *const name[] = {"ctx", "deep", "pn", "pbn", "pa", "pba", "query"};
    char path[64];
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        struct tensor got = {0};
        struct tensor want;
        char final[32];
        (void)snprintf(path, sizeof path, "%s/final/%s", source, name[i]);
        bool is_trained = h5_has_dataset(w->want, path);
        (void)snprintf(final, sizeof final, "final/%s", name[i]);
        (void)snprintf(path, sizeof path, "clip/%s", name[i]);
        assert_int_equal(h5_has_dataset(f, path), is_trained);
        if (!is_trained)
            continue;
        want = expected(w, source, final);
        CHECK_OK(h5_expect_shape(f, path, want.rank, want.dim));
        CHECK_OK(h5_read(f, path, DTYPE_F32, &got));
        (void)snprintf(path, sizeof path, "%s %s", source, name[i]);
        CHECK_TOLERANCE(TOLERANCE_PARAMETER, path,
                        floats_distance(got.data, want.data, tensor_count(&want)));
        if (strcmp(name[i], "query") == 0)
            compare_movement(w, source, &got, &want);
        tensor_free(&got);
        tensor_free(&want);
    }
}

/* Score B through the trained prompts: text maps of the first items, scores of all. */
static void compare_scores(const struct world *w, const struct run *r)
{
    const struct parity *p = w->p;
    struct tensor map = expected(w, r->source, "map");
    struct tensor score = expected(w, r->source, "score");
    struct score_place *place = NULL;
    struct retriever *retriever = NULL;
    struct scores *s = NULL;
    double error[2] = {0};
    char label[64];
    CHECK_OK(scores_plan(&place, r->config, p->bank_place, r->prompts, p->features[1]));
    CHECK_OK(retriever_new(&retriever, p->bench.ops, p->bank, r->prompts));
    for (size_t i = 0; i < p->features[1]->n_shards; i++)
        CHECK_OK(scores_build_shard(place, i, retriever));
    CHECK_OK(scores_join(place));
    CHECK_OK(scores_open(&s, place));
    assert_int_equal(map.dim[1], s->n_patch);
    assert_int_equal(score.dim[0], s->n);
    for (size_t i = 0; i < map.dim[0]; i++)
        error[0] = worse(error[0], floats_distance(s->mass + i * s->n_patch,
                                                   (float *)map.data + i * s->n_patch, s->n_patch));
    for (size_t i = 0; i < s->n; i++)
        error[1] = worse(error[1], floats_distance(s->score + i, (float *)score.data + i, 1));
    (void)snprintf(label, sizeof label, "%s map", r->source);
    CHECK_TOLERANCE(TOLERANCE_TRAINED, label, error[0]);
    (void)snprintf(label, sizeof label, "%s score", r->source);
    CHECK_TOLERANCE(TOLERANCE_TRAINED, label, error[1]);
    scores_free(&s);
    retriever_free(&retriever);
    score_place_free(&place);
    tensor_free(&map);
    tensor_free(&score);
}

static void every_source_equals_torch(void **state)
{
    struct world w = world_open(state, __func__);
    for (size_t i = 0; config_biases[i]; i++) {
        struct run r = run_open(&w, config_biases[i], NULL);
        char *path = train(&w, &r);
        struct h5 *f = NULL;
        char *bias = NULL;
        CHECK_OK(h5_open(&f, path));
        CHECK_OK(h5_get_text(f, "/", "bias", &bias));
        assert_string_equal(bias, config_biases[i]);
        compare_losses(&w, r.source, f);
        compare_parameters(&w, r.source, f);
        h5_close(&f);
        compare_scores(&w, &r);
        MEM_FREE(bias);
        MEM_FREE(path);
        run_close(&r);
    }
    world_close(&w);
}

/* What wrote the expected numbers gives the golden's, too, when it has the golden's metric. */
static void the_expected_method_is_the_goldens(void **state)
{
    struct world w = world_open(state, __func__);
    struct tensor ours = expected(&w, "golden", "loss");
    struct tensor golden = {0};
    CHECK_OK(h5_read(w.p->golden, "clip/loss", DTYPE_F32, &golden));
    assert_memory_equal(ours.data, golden.data, ours.dim[0] * sizeof(float));
    tensor_free(&ours);
    tensor_free(&golden);
    world_close(&w);
}

/* ---- what does not belong together ---- */

static void a_head_of_another_source_is_refused(void **state)
{
    struct world w = world_open(state, __func__);
    struct run r = run_open(&w, "static", NULL);
    char *path = train(&w, &r);
    struct run other = run_open(&w, "dual-prior", path);
    struct run same = run_open(&w, "static", path);
    CHECK_FAILS(head_plan_clip(&other.prompts, other.config, other.metric), ERR_SHAPE,
                "its prompts have the bias static, but train.clip.bias is dual-prior");
    CHECK_OK(head_plan_clip(&same.prompts, same.config, same.metric));
    assert_true(same.prompts->is_given);
    assert_string_not_equal(same.prompts->key, r.prompts->key);
    MEM_FREE(path);
    run_close(&r);
    run_close(&other);
    run_close(&same);
    world_close(&w);
}

/* The published program's checkpoint has a place for both projections and for nothing else. */
static void only_the_published_bias_is_exported(void **state)
{
    struct world w = world_open(state, __func__);
    for (size_t i = 0; config_biases[i]; i++) {
        struct run r = run_open(&w, config_biases[i], NULL);
        char *path[2] = {NULL, train(&w, &r)};
        char *out = NULL;
        char wanted[64];
        CHECK_OK(head_path(&path[0], r.metric));
        CHECK_OK(str_make(&out, "%s/exported.pth", w.p->folder));
        (void)snprintf(wanted, sizeof wanted, "its prompts have the bias %s;", config_biases[i]);
        if (strcmp(config_biases[i], "dual-prior") == 0)
            CHECK_OK(head_export((const char *const *)path, 2, out));
        else
            CHECK_FAILS(head_export((const char *const *)path, 2, out), ERR_USAGE, wanted);
        MEM_FREE(out);
        MEM_FREE(path[0]);
        MEM_FREE(path[1]);
        run_close(&r);
    }
    world_close(&w);
}

/* Start values without the queries do not fit a source that trains them; the others need none. */
static void missing_start_values_are_named(void **state)
{
    struct world w = world_open(state, __func__);
    struct run r = run_open(&w, "cross-patch", NULL);
    MEM_FREE(r.config->clip_init);
    CHECK_OK(str_make(&r.config->clip_init, "%s:/clip/init", w.p->source.golden));
    CHECK_FAILS(head_plan_clip(&r.prompts, r.config, r.metric), ERR_FORMAT, "clip/init/query");
    run_close(&r);
    r = run_open(&w, "class-token", NULL);
    MEM_FREE(r.config->clip_init);
    CHECK_OK(str_make(&r.config->clip_init, "%s:/clip/init", w.p->source.golden));
    CHECK_OK(head_plan_clip(&r.prompts, r.config, r.metric));
    run_close(&r);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_source_equals_torch),
        cmocka_unit_test(the_expected_method_is_the_goldens),
        cmocka_unit_test(a_head_of_another_source_is_refused),
        cmocka_unit_test(only_the_published_bias_is_exported),
        cmocka_unit_test(missing_start_values_are_named),
    };
    return cmocka_run_group_tests(tests, parity_start_tiny, parity_stop);
}
