/* Unit tests of config/: precedence, every kind of field, messages, and the way back to text. */
#include "check.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "config/config_int.h"

#include <stdio.h>
#include <string.h>

/* Read a job file of this text (NULL: none) with --set texts that end in NULL. */
static int read_job(struct config **out, const char *json, const char *const *set)
{
    char *dir = check_folder();
    char *path = NULL;
    size_t n = 0;
    int rc;
    CHECK_OK(path_join(&path, dir, "job.json"));
    if (json)
        CHECK_OK(file_write(path, json, strlen(json)));
    while (set && set[n])
        n++;
    rc = config_read(out, json ? path : NULL, set, n);
    MEM_FREE(path);
    check_drop_folder(dir);
    return rc;
}

static int read_set(struct config **out, const char *text)
{
    const char *const set[] = {text, NULL};
    return read_job(out, NULL, set);
}

static void defaults_are_the_published_ones(void **state)
{
    struct config *c = NULL;
    (void)state;
    CHECK_OK(config_read(&c, NULL, NULL, 0));
    assert_null(c->weights);
    assert_int_equal(c->image_size, 518);
    assert_int_equal(c->vv_start, 1);
    assert_false(c->class_ln_post);
    assert_true(c->neighbour_pool);
    assert_int_equal(c->dtype, FEATURES_F32);
    assert_int_equal(c->fusion, FUSION_WEIGHTED);
    assert_true(c->reduce == REDUCE_FULL && c->retrieve_by == RETRIEVE_MASS);
    assert_true(c->reduce_entries == 100 && c->reduce_image_entries == 0 && c->reduce_seed == 111);
    assert_true(c->tau == 1.0 && c->top == 0.01 && c->k == 0.7 && c->sigma == 4.0);
    assert_true(c->pro_limit == 0.3 && c->pro_steps == 200);
    assert_int_equal(c->on_bad_item, BAD_ITEM_STOP);
    assert_int_equal(c->pairing, PAIRS_PROTOCOL);
    assert_int_equal(c->n_datasets, 0);
    assert_true(c->n_variants == 1 && c->n_seeds == 1 && c->seed[0] == 111);
    assert_string_equal(c->variant[0], "mrad-tf");
    CHECK_FAILS(config_need_weights(c), ERR_CONFIG, "model.weights");
    config_free(&c);
    assert_null(c);
}

/* Defaults, preset, file, --set: each beats the one before. */
static void later_sources_win(void **state)
{
    struct config *c = NULL;
    const char *const set[] = {"score.fusion=sum", "score.k=0.25", "preset=paper", NULL};
    const char *const preset[] = {"preset=paper", NULL};
    const char *const released[] = {"preset=released", NULL};
    (void)state;
    CHECK_OK(read_job(&c, NULL, preset));
    assert_int_equal(c->fusion, FUSION_SUM);
    config_free(&c);
    CHECK_OK(read_job(&c, "{\"preset\": \"paper\"}", NULL));
    assert_int_equal(c->fusion, FUSION_SUM);
    config_free(&c);
    CHECK_OK(read_job(&c, "{\"preset\": \"paper\"}", released));
    assert_int_equal(c->fusion, FUSION_WEIGHTED);
    assert_int_equal(c->preset, 0);
    config_free(&c);
    CHECK_OK(read_job(&c, "{\"score\": {\"fusion\": \"weighted\", \"k\": 0.5}}", preset));
    assert_int_equal(c->fusion, FUSION_WEIGHTED);
    assert_true(c->k == 0.5);
    config_free(&c);
    CHECK_OK(read_job(&c, "{\"score\": {\"fusion\": \"weighted\", \"k\": 0.5}}", set));
    assert_int_equal(c->fusion, FUSION_SUM);
    assert_true(c->k == 0.25 && c->top == 0.01);
    config_free(&c);
}

static void comments_are_allowed(void **state)
{
    struct config *c = NULL;
    (void)state;
    CHECK_OK(read_job(&c,
                      "{ // a job\n \"model\": /* the encoder */ {\"image_size\": 336},\n"
                      " \"store\": \"a//b\" // one store\n}\n// the end\n",
                      NULL));
    assert_int_equal(c->image_size, 336);
    assert_string_equal(c->store, "a//b");
    config_free(&c);
}

static void every_kind_is_read(void **state)
{
    struct config *c = NULL;
    const char *const set[] = {"seeds=[1, 2, 9007199254740992]", "pairs=[[\"a\", \"b\"]]",
                               "encoder.class_ln_post=true", NULL};
    (void)state;
    CHECK_OK(read_job(&c,
                      "{\"model\": {\"weights\": \"w.safetensors\"},"
                      " \"features\": {\"dtype\": \"bf16\", \"shard_items\": 7},"
                      " \"score\": {\"sigma\": 0}, \"variants\": [\"x\", \"y\"],"
                      " \"datasets\": {\"a\": {\"root\": \"/a\"},"
                      " \"b\": {\"root\": \"/b\", \"meta\": \"m.json\"}}}",
                      set));
    assert_string_equal(c->weights, "w.safetensors");
    CHECK_OK(config_need_weights(c));
    assert_int_equal(c->dtype, FEATURES_BF16);
    assert_int_equal(c->shard_items, 7);
    assert_true(c->sigma == 0.0 && c->class_ln_post);
    assert_int_equal(c->n_variants, 2);
    assert_string_equal(c->variant[1], "y");
    assert_true(c->n_seeds == 3 && c->seed[2] == (size_t)1 << 53);
    assert_true(c->pairing == PAIRS_LISTED && c->n_pairs == 1);
    assert_string_equal(c->pair[0].train, "a");
    assert_string_equal(c->pair[0].test, "b");
    assert_int_equal(c->n_datasets, 2);
    assert_string_equal(config_dataset(c, "b")->meta, "m.json");
    assert_null(config_dataset(c, "a")->meta);
    assert_null(config_dataset(c, "c"));
    config_free(&c);
}

struct refusal {
    const char *text;
    const char *part; /* of the message */
};

static void wrong_values_in_a_file_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {"[1]", "wanted a JSON object"},
        {"{\"preset\": \"draft\"}",
         "preset: found \"draft\", wanted one of \"released\", \"paper\""},
        {"{\"preset\": 1}", "preset: found 1, wanted one of"},
        {"{\"model\": {\"weights\": 5}}", "model.weights: found 5, wanted a text"},
        {"{\"model\": {\"weights\": \"\"}}", "model.weights: found \"\", wanted a text"},
        {"{\"store\": null}", "store: found null, wanted a text"},
        {"{\"model\": {\"image_size\": \"518\"}}",
         "model.image_size: found \"518\", wanted a number"},
        {"{\"model\": {\"image_size\": 518.5}}", "found 518.5, wanted a whole number"},
        {"{\"model\": {\"image_size\": 0}}", "found 0, wanted a number from 1 to 4096"},
        {"{\"model\": {\"image_size\": 4097}}", "found 4097, wanted a number from 1 to 4096"},
        {"{\"model\": {\"image_size\": -14}}", "found -14, wanted a number from 1"},
        {"{\"score\": {\"k\": 1e999}}", "score.k: found inf, wanted a number from 0 to 1"},
        {"{\"score\": {\"k\": NaN}}", "not valid JSON near"},
        {"{\"score\": {\"k\": Infinity}}", "not valid JSON near"},
        {"{\"score\": {\"top\": 0}}", "score.top: found 0, wanted a number from"},
        {"{\"score\": {\"k\": true}}", "score.k: found true, wanted a number"},
        {"{\"encoder\": {\"class_ln_post\": 1}}", "found 1, wanted true or false"},
        {"{\"encoder\": {\"class_ln_post\": \"true\"}}", "found \"true\", wanted true or false"},
        {"{\"features\": {\"dtype\": \"f64\"}}", "wanted one of \"f32\", \"f16\", \"bf16\""},
        {"{\"features\": {\"dtype\": [\"f32\"]}}", "features.dtype: found a list, wanted one of"},
        {"{\"score\": 3}", "score: wanted an object of settings"},
        {"{\"seeds\": []}", "seeds: found a list, wanted a list that is not empty"},
        {"{\"seeds\": 5}", "seeds: found 5, wanted a list that is not empty"},
        {"{\"seeds\": [1, 1.5]}", "seeds: found 1.5, wanted a whole number"},
        {"{\"seeds\": [-1]}", "seeds: found -1, wanted a number from 0"},
        {"{\"seeds\": [\"1\"]}", "seeds: found \"1\", wanted a number"},
        {"{\"variants\": []}", "variants: found a list, wanted a list that is not empty"},
        {"{\"variants\": [1]}", "variants: found 1, wanted a text"},
        {"{\"variants\": [null]}", "variants: found null, wanted a text"},
        {"{\"pairs\": []}", "pairs: found a list, wanted"},
        {"{\"pairs\": \"each\"}", "pairs: found \"each\", wanted \"protocol\""},
        {"{\"pairs\": [[\"a\", \"b\"], [\"a\"]]}", "pairs[1]: wanted [\"train\", \"test\"]"},
        {"{\"pairs\": [[\"a\", \"b\", \"c\"]]}", "pairs[0]: wanted [\"train\", \"test\"]"},
        {"{\"pairs\": [[\"a\", 1]]}", "pairs[0]: wanted [\"train\", \"test\"]"},
        {"{\"pairs\": [\"ab\"]}", "pairs[0]: wanted [\"train\", \"test\"]"},
        {"{\"pairs\": {}}", "pairs: found an object, wanted"},
    };
    struct config *c = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_FAILS(read_job(&c, cases[i].text, NULL), ERR_CONFIG, cases[i].part);
        assert_null(c);
    }
}

static void unknown_and_repeated_keys_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {"{\"score\": {\"sigmaa\": 1}}",
         "score.sigmaa: no such key, did you mean \"score.sigma\"?"},
        {"{\"stor\": \"x\"}", "stor: no such key, did you mean \"store\"?"},
        {"{\"training\": {\"epochs\": 3}}", "training: no such key; 'mrad help config' lists them"},
        {"{\"\": 1}", "no such key"},
        {"{\"store\": \"a\", \"store\": \"b\"}", "the key \"store\" occurs twice"},
        {"{\"score\": {\"k\": 0.1, \"k\": 0.2}}", "the key \"k\" occurs twice"},
    };
    struct config *c = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(read_job(&c, cases[i].text, NULL), ERR_CONFIG, cases[i].part);
    CHECK_FAILS(config_read(&c, "/no/such/job.json", NULL, 0), ERR_IO, "/no/such/job.json");
}

static void wrong_datasets_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {"{\"datasets\": [\"a\"]}", "datasets: found a list, wanted an object"},
        {"{\"datasets\": {\"a\": \"/a\"}}", "datasets.a: found \"/a\", wanted {\"root\": ...}"},
        {"{\"datasets\": {\"a\": {}}}", "datasets.a.root: missing"},
        {"{\"datasets\": {\"a\": {\"meta\": \"m\"}}}", "datasets.a.root: missing"},
        {"{\"datasets\": {\"a\": {\"root\": 1}}}", "datasets.a.root: found 1, wanted a text"},
        {"{\"datasets\": {\"a\": {\"root\": \"\"}}}", "datasets.a.root: found \"\", wanted a text"},
        {"{\"datasets\": {\"a\": {\"roots\": \"/a\"}}}",
         "datasets.a.roots: no such key, did you mean \"root\"?"},
        {"{\"datasets\": {\"a\": {\"root\": \"/a\", \"x\": 1}}}", "datasets.a.x: no such key"},
        {"{\"datasets\": {\"\": {\"root\": \"/a\"}}}", "\"\" cannot be the name"},
        {"{\"datasets\": {\"..\": {\"root\": \"/a\"}}}", "\"..\" cannot be the name"},
        {"{\"datasets\": {\".a\": {\"root\": \"/a\"}}}", "\".a\" cannot be the name"},
        {"{\"datasets\": {\"a/b\": {\"root\": \"/a\"}}}", "\"a/b\" cannot be the name"},
    };
    struct config *c = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(read_job(&c, cases[i].text, NULL), ERR_CONFIG, cases[i].part);
}

static void wrong_settings_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {"score.k=nan", "--set: score.k: found \"nan\", wanted a number"},
        {"score.k=NaN", "--set: score.k: found \"NaN\", wanted a number"},
        {"run.time_left=inf", "found \"inf\", wanted a number"},
        {"run.time_left=Infinity", "found \"Infinity\", wanted a number"},
        {"run.time_left=1e999", "found inf, wanted a number from"},
        {"score.k=-1e999", "found -inf, wanted a number from"},
        {"model.image_size=518px", "found \"518px\", wanted a number"},
        {"model.image_size=518 14", "found \"518 14\", wanted a number"},
        {"model.image_size=", "found \"\", wanted a number"},
        {"model.image_size=1.5", "found 1.5, wanted a whole number"},
        {"model.weights=", "found \"\", wanted a text"},
        {"seeds=[1]x", "found \"[1]x\", wanted a list"},
        {"encoder.class_ln_post=yes", "found \"yes\", wanted true or false"},
        {"preset=draft", "--set: preset: found \"draft\""},
        {"score.kk=1", "--set: score.kk: no such key, did you mean \"score.k\"?"},
        {"score=1", "--set: score: no such key"},
        {"datasets.root=/a", "wanted datasets.NAME.root"},
        {"datasets..root=/a", "wanted datasets.NAME.root"},
        {"datasets.a.rot=/a", "datasets.a.rot: no such key, did you mean \"root\"?"},
        {"datasets.a.meta=m", "datasets.a.root: missing"},
        {"datasets.a/b.root=/a", "\"a/b\" cannot be the name"},
        {"datasets={\"a\": {\"root\": \"x\", \"root\": \"y\"}}", "wanted an object of data sets"},
    };
    struct config *c = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(read_set(&c, cases[i].text), ERR_CONFIG, cases[i].part);
    CHECK_FAILS(read_set(&c, "score.k"), ERR_USAGE, "wanted key=value");
    CHECK_FAILS(read_set(&c, "=1"), ERR_USAGE, "wanted key=value");
}

static void datasets_are_added_by_set(void **state)
{
    struct config *c = NULL;
    const char *const set[] = {"datasets.b.root=/b=c", "datasets.b.meta=m.json",
                               "datasets.a.root=/new", "datasets.v1.2.root=/v", NULL};
    (void)state;
    CHECK_OK(
        read_job(&c, "{\"datasets\": {\"a\": {\"root\": \"/a\", \"meta\": \"a.json\"}}}", set));
    assert_int_equal(c->n_datasets, 3);
    assert_string_equal(config_dataset(c, "a")->root, "/new");
    assert_string_equal(config_dataset(c, "a")->meta, "a.json");
    assert_string_equal(config_dataset(c, "b")->root, "/b=c");
    assert_string_equal(config_dataset(c, "b")->meta, "m.json");
    assert_string_equal(config_dataset(c, "v1.2")->root, "/v");
    config_free(&c);
}

/* Texts are taken as they stand: an equals sign, quotes and numbers are part of them. */
static void texts_keep_every_character(void **state)
{
    struct config *c = NULL;
    const char *const set[] = {"model.weights=a=b=c", "store=12", "out=\"x\" // y", NULL};
    (void)state;
    CHECK_OK(read_job(&c, NULL, set));
    assert_string_equal(c->weights, "a=b=c");
    assert_string_equal(c->store, "12");
    assert_string_equal(c->out, "\"x\" // y");
    config_free(&c);
}

static void check_round_trip(const char *json, const char *const *set)
{
    struct config *c = NULL;
    char *first = NULL;
    char *second = NULL;
    CHECK_OK(read_job(&c, json, set));
    CHECK_OK(config_text(&first, c));
    config_free(&c);
    CHECK_OK(read_job(&c, first, NULL));
    CHECK_OK(config_text(&second, c));
    assert_string_equal(first, second);
    config_free(&c);
    MEM_FREE(first);
    MEM_FREE(second);
}

static void text_reads_back_as_itself(void **state)
{
    const char *const set[] = {"retrieval.tau=0.30000000000000004", "preset=paper",
                               "model.weights=\"\\\xc3\xa9", NULL};
    (void)state;
    check_round_trip(NULL, NULL);
    check_round_trip("{\"datasets\": {\"a\": {\"root\": \"/a\"},"
                     " \"b\": {\"root\": \"/b\", \"meta\": \"m\"}},"
                     " \"pairs\": [[\"a\", \"b\"], [\"b\", \"a\"]], \"seeds\": [1, 2],"
                     " \"encoder\": {\"class_ln_post\": true}, \"run\": {\"time_left\": 0.1}}",
                     set);
    check_round_trip("{\"pairs\": \"all\"}", NULL);
}

/* What a stage's key is made of: its own fields in table order, and no others. */
static void stages_list_their_own_fields(void **state)
{
    struct config *c = NULL;
    char *text = NULL;
    const char *const set[] = {"retrieval.tau=0.5", "features.dtype=f16", "run.threads=3", NULL};
    (void)state;
    CHECK_OK(read_job(&c, NULL, set));
    CHECK_OK(config_stage_text(&text, c, IN_FEATURES));
    assert_string_equal(text, "{\"model.image_size\":518,\"encoder.vv_start\":1,"
                              "\"encoder.class_ln_post\":false,\"features.shard_items\":32,"
                              "\"features.dtype\":\"f16\"}");
    MEM_FREE(text);
    CHECK_OK(config_stage_text(&text, c, IN_BANK));
    assert_string_equal(text, "{\"bank.neighbour_pool\":true}");
    MEM_FREE(text);
    CHECK_OK(config_stage_text(&text, c, IN_REDUCTION));
    assert_string_equal(text, "{\"bank.reduce\":\"full\",\"bank.entries\":100,"
                              "\"bank.image_entries\":0,\"bank.seed\":111}");
    MEM_FREE(text);
    CHECK_OK(config_stage_text(&text, c, IN_SCORES));
    assert_string_equal(
        text,
        "{\"bank.neighbour_pool\":true,\"retrieval.tau\":0.5,"
        "\"retrieval.by\":\"mass\",\"score.top\":0.01,\"score.k\":0.7,\"score.fusion\":\"weighted\","
        "\"score.sigma\":4}");
    MEM_FREE(text);
    CHECK_OK(config_stage_text(&text, c, IN_METRICS));
    assert_string_equal(text, "{\"metrics.pro_limit\":0.3,\"metrics.pro_steps\":200}");
    MEM_FREE(text);
    config_free(&c);
}

static void help_explains_every_key(void **state)
{
    char *help = NULL;
    char line[200];
    (void)state;
    CHECK_OK(config_help(&help));
    for (size_t i = 0; i < config_n_fields; i++) {
        (void)snprintf(line, sizeof line, "  %s ", config_fields[i].key);
        assert_non_null(strstr(help, line));
        assert_non_null(strstr(help, config_fields[i].help));
    }
    assert_non_null(strstr(help, "model.image_size [1 to 4096] (default 518)"));
    assert_non_null(strstr(help, "features.dtype f32|f16|bf16 (default \"f32\")"));
    assert_non_null(strstr(help, "encoder.class_ln_post true|false (default false)"));
    MEM_FREE(help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_published_ones),
        cmocka_unit_test(later_sources_win),
        cmocka_unit_test(comments_are_allowed),
        cmocka_unit_test(every_kind_is_read),
        cmocka_unit_test(wrong_values_in_a_file_are_refused),
        cmocka_unit_test(unknown_and_repeated_keys_are_refused),
        cmocka_unit_test(wrong_datasets_are_refused),
        cmocka_unit_test(wrong_settings_are_refused),
        cmocka_unit_test(datasets_are_added_by_set),
        cmocka_unit_test(texts_keep_every_character),
        cmocka_unit_test(text_reads_back_as_itself),
        cmocka_unit_test(stages_list_their_own_fields),
        cmocka_unit_test(help_explains_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
