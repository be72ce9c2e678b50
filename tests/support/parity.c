/* parity.c - the pipeline behind parity tests, and encoders on their own. See parity.h. */
#include "parity.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "check.h"
#include "images/images.h"
#include "par/cores.h"
#include "par/gather.h"

#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

static const struct {
    double limit;
    const char *reason;
} tolerances[] = {
#define TOLERANCE(name, limit, reason) [TOLERANCE_##name] = {limit, reason},
#include "tolerances.def"
#undef TOLERANCE
};

void parity_within(enum tolerance which, const char *name, double error, const char *file, int line)
{
    if (!(error <= tolerances[which].limit))
        print_error("%s: the limit's reason: %s\n", name, tolerances[which].reason);
    check_within(name, error, tolerances[which].limit, file, line);
}

double worse(double a, double b)
{
    return isnan(a) || a >= b ? a : b;
}

/* ---- weights ---- */

static const char *const size_keys[] = {"image", "patch", "native_grid", "width",       "layers",
                                        "embed", "vocab", "text_width",  "text_layers", "context"};

/* "image=112,patch=14,..." from the attributes of a golden. */
static void shape_text(struct str *out, struct h5 *golden, const char *where)
{
    for (size_t i = 0; i < sizeof size_keys / sizeof *size_keys; i++) {
        int64_t size = 0;
        CHECK_OK(h5_get_i64(golden, where, size_keys[i], &size));
        CHECK_OK(str_addf(out, "%s%s=%lld", i ? "," : "", size_keys[i], (long long)size));
    }
}

static void run_program(char *const *words)
{
    pid_t child = 0;
    int status = -1;
    if (posix_spawn(&child, words[0], NULL, NULL, words, environ) != 0)
        fail_msg("%s cannot be started", words[0]);
    if (waitpid(child, &status, 0) != child || status != 0)
        fail_msg("%s ended with status %d", words[0], status);
}

void parity_weights(const char *path, struct h5 *golden, const char *where,
                    const char *const *options)
{
    enum { MOST = 16 };
    const char *words[MOST];
    const char *mrad = getenv("MRAD");
    char *dir = NULL;
    char *program = NULL;
    char seed[24];
    int64_t number = 1;
    size_t n = 0;
    struct str shape = {0};
    CHECK_OK(path_dir(&dir, mrad ? mrad : "build/dev/mrad"));
    CHECK_OK(path_join(&program, dir, "mrad-weights"));
    shape_text(&shape, golden, where);
    if (h5_has(golden, where, "seed"))
        CHECK_OK(h5_get_i64(golden, where, "seed", &number));
    (void)snprintf(seed, sizeof seed, "%lld", (long long)number);
    const char *first[] = {program, "--out", path, "--shape", shape.text, "--seed", seed};
    for (; n < sizeof first / sizeof *first; n++)
        words[n] = first[n];
    for (; options && *options && n < MOST - 1; options++)
        words[n++] = *options;
    words[n] = NULL;
    run_program((char *const *)words);
    MEM_FREE(dir);
    MEM_FREE(program);
    str_free(&shape);
}

/* ---- an encoder ---- */

void bench_open(struct bench *b, const char *weights, const char *kernels, size_t side)
{
    struct weights *file = NULL;
    struct comm *comm = NULL;
    int threads = 0;
    const struct encoder_options options = {.image_size = side, .vv_start = 1};
    *b = (struct bench){.side = side};
    CHECK_OK(comm_solo(&comm));
    CHECK_OK(cores_per_rank(comm, 0, &threads));
    comm_stop(&comm);
    CHECK_OK(ops_open(&b->ops, kernels, threads));
    CHECK_OK(weights_open(&file, weights));
    b->shape = *weights_shape(file);
    CHECK_OK(encoder_new(&b->encoder, file, b->ops, &options));
    weights_free(&file);
    b->n = encoder_grid(b->encoder) * encoder_grid(b->encoder);
    CHECK_OK(MEM_NEW(b->rgb, 3 * side * side));
    CHECK_OK(MEM_NEW(b->input, 3 * side * side));
    CHECK_OK(MEM_NEW(b->cls, b->shape.embed));
    CHECK_OK(MEM_NEW(b->patch, b->n * b->shape.width));
    CHECK_OK(MEM_NEW(b->proj, b->n * b->shape.embed));
}

void bench_close(struct bench *b)
{
    encoder_free(&b->encoder);
    ops_close(&b->ops);
    MEM_FREE(b->rgb);
    MEM_FREE(b->input);
    MEM_FREE(b->cls);
    MEM_FREE(b->patch);
    MEM_FREE(b->proj);
}

void bench_load(struct bench *b, const char *path)
{
    struct image image = {0};
    CHECK_OK(image_load(&image, path));
    CHECK_OK(image_resize_rgb(b->rgb, &image, b->side));
    image_normalise(b->input, b->rgb, b->side, IMAGE_SCALE_CLIP);
    image_free(&image);
}

void bench_run(struct bench *b, const char *path)
{
    bench_load(b, path);
    CHECK_OK(encoder_run(b->encoder, b->input, b->cls, b->patch));
    CHECK_OK(encoder_project(b->encoder, b->patch, b->n, b->proj));
}

/* ---- the pipeline ---- */

/* Five items a shard: several of them, and a last one that is not full. */
static void read_config(struct parity *p)
{
    enum { N_SETTINGS = 5 };
    static const char *const meta[] = {"A", "B"};
    char *set[N_SETTINGS] = {NULL};
    int64_t side = 0;
    struct str sets = {0};
    CHECK_OK(h5_get_i64(p->golden, "shape", "image", &side));
    for (int s = 0; s < 2; s++) {
        CHECK_OK(str_addf(&sets, "%s\"%s\": {\"root\": \"%s\"", s ? ", " : "", meta[s],
                          p->source.root[s]));
        if (p->source.meta[s])
            CHECK_OK(str_addf(&sets, ", \"meta\": \"%s\"", p->source.meta[s]));
        CHECK_OK(str_add(&sets, "}"));
    }
    CHECK_OK(str_make(&set[0], "model.weights=%s", p->weights));
    CHECK_OK(str_make(&set[1], "model.image_size=%lld", (long long)side));
    CHECK_OK(str_make(&set[2], "store=%s/store", p->folder));
    CHECK_OK(str_make(&set[3], "datasets={%s}", sets.text));
    CHECK_OK(str_make(&set[4], "features.shard_items=5"));
    CHECK_OK(config_read(&p->config, NULL, (const char *const *)set, N_SETTINGS));
    for (size_t i = 0; i < N_SETTINGS; i++)
        MEM_FREE(set[i]);
    str_free(&sets);
}

static void extract(struct parity *p, int set)
{
    const struct dataset_entry *entry = &p->config->dataset[set];
    struct extractor *extractor = NULL;
    CHECK_OK(manifest_load(&p->manifest[set], entry->name, entry->root, entry->meta));
    CHECK_OK(features_plan(&p->features[set], p->comm, p->config, &p->model, p->manifest[set]));
    assert_true(p->features[set]->n_shards > 2 && p->manifest[set]->n_items % 5 != 0);
    CHECK_OK(extractor_new(&extractor, p->bench.ops, p->config));
    for (size_t s = 0; s < p->features[set]->n_shards; s++)
        CHECK_OK(extractor_run(extractor, p->features[set], s));
    extractor_free(&extractor);
}

static void build_bank(struct parity *p)
{
    const struct gather_method *method = NULL;
    CHECK_OK(gather_find(&method, config_gathers[p->config->gather]));
    CHECK_OK(bank_plan(&p->bank_place, p->config, p->features[0]));
    for (size_t s = 0; s < p->features[0]->n_shards; s++)
        CHECK_OK(bank_build_shard(p->bank_place, s, p->bench.ops));
    CHECK_OK(bank_gather(&p->bank, p->bank_place, p->bench.ops, p->comm, method));
}

static void score(struct parity *p)
{
    struct retriever *retriever = NULL;
    CHECK_OK(scores_plan(&p->score_place, p->config, p->bank_place, NULL, p->features[1]));
    CHECK_OK(retriever_new(&retriever, p->bench.ops, p->bank, NULL));
    for (size_t s = 0; s < p->features[1]->n_shards; s++)
        CHECK_OK(scores_build_shard(p->score_place, s, retriever));
    retriever_free(&retriever);
    CHECK_OK(scores_join(p->score_place));
    CHECK_OK(scores_open(&p->scores, p->score_place));
}

static void run_all(struct parity *p)
{
    p->folder = check_folder();
    CHECK_OK(comm_solo(&p->comm));
    CHECK_OK(h5_open(&p->golden, p->source.golden));
    if (p->source.weights) {
        CHECK_OK(str_dup(&p->weights, p->source.weights));
    } else {
        CHECK_OK(path_join(&p->weights, p->folder, "model.safetensors"));
        parity_weights(p->weights, p->golden, "shape", NULL);
    }
    read_config(p);
    bench_open(&p->bench, p->weights, config_kernels[p->config->kernels], p->config->image_size);
    CHECK_OK(model_info(&p->model, p->comm, p->config));
    for (int set = 0; set < 2; set++)
        extract(p, set);
    build_bank(p);
    score(p);
}

int parity_start(void **state, const struct parity_source *source)
{
    struct parity *p = NULL;
    CHECK_OK(MEM_NEW(p, 1));
    p->source = *source;
    *state = p;
    if (source->golden)
        run_all(p);
    return 0;
}

int parity_start_tiny(void **state)
{
    static char text[3][1024];
    static const char *const name[] = {"tiny/golden.h5", "tiny/A", "tiny/B"};
    for (int i = 0; i < 3; i++)
        (void)snprintf(text[i], sizeof text[i], "%s", check_fixture(name[i]));
    return parity_start(state, &(struct parity_source){
                                   .name = "tiny", .golden = text[0], .root = {text[1], text[2]}});
}

int parity_stop(void **state)
{
    struct parity *p = *state;
    scores_free(&p->scores);
    score_place_free(&p->score_place);
    bank_free(&p->bank);
    bank_place_free(&p->bank_place);
    for (int set = 0; set < 2; set++) {
        features_free(&p->features[set]);
        manifest_free(&p->manifest[set]);
    }
    bench_close(&p->bench);
    config_free(&p->config);
    h5_close(&p->golden);
    comm_stop(&p->comm);
    MEM_FREE(p->weights);
    if (p->folder)
        check_drop_folder(p->folder);
    MEM_FREE(p);
    return check_balance(state);
}

const struct parity *parity_of(void **state, const char *test)
{
    const struct parity *p = *state;
    char where[128];
    (void)snprintf(where, sizeof where, "golden/%s", p->source.name);
    if (!p->golden)
        check_skip_shared(test, where);
    return p;
}
