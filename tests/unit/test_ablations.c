/* Unit tests of config/: the settings that "ablations" stands for, their labels and their values. */
#include "check.h"

#include "base/err.h"
#include "base/mem.h"
#include "config/config_int.h"

#include <stdio.h>
#include <string.h>

static int read_ablations(struct config **out, const char *json)
{
    char text[2048];
    const char *set[] = {text};
    int n = snprintf(text, sizeof text, "ablations=%s", json);
    assert_true(n > 0 && (size_t)n < sizeof text);
    return config_read(out, NULL, set, 1);
}

static void check_labels(const char *json, const char *const *label)
{
    struct config *c = NULL;
    size_t n = 0;
    CHECK_OK(read_ablations(&c, json));
    for (; label[n]; n++) {
        assert_true(n < c->n_ablations);
        assert_string_equal(c->ablation[n].label, label[n]);
    }
    assert_int_equal(c->n_ablations, n);
    config_free(&c);
}

/* An object stands for the product of its lists, its last key varying fastest. */
static void products_are_in_order(void **state)
{
    static const char *const one[] = {"retrieval.tau=0.1", "retrieval.tau=0.5", "retrieval.tau=2",
                                      NULL};
    static const char *const two[] = {
        "train.dropout_pixel=1 train.dropout_image=1",
        "score.fusion=sum score.k=0 score.top=0.5",
        "score.fusion=sum score.k=1 score.top=0.5",
        "score.fusion=weighted score.k=0 score.top=0.5",
        "score.fusion=weighted score.k=1 score.top=0.5",
        NULL,
    };
    static const char *const none[] = {NULL};
    (void)state;
    check_labels("[]", none);
    check_labels("[{\"retrieval.tau\": [0.1, 0.5, 2]}]", one);
    check_labels("[{\"train.dropout_pixel\": 1, \"train.dropout_image\": 1},"
                 " {\"score.fusion\": [\"sum\", \"weighted\"], \"score.k\": [0, 1],"
                 "  \"score.top\": [0.5]}]",
                 two);
}

/* Equal values have equal labels however they are written, and texts cannot pass for something else. */
static void labels_say_what_is_set(void **state)
{
    static const char *const label[] = {
        "score.k=0.5",
        "bank.neighbour_pool=false",
        "metrics.pro_steps=100",
        "train.clip.normal=object.",
        "train.clip.normal=\"object. train.clip.tau=1\"",
        "train.clip.normal=\"\\\"\"",
        "retrieval.tau=0.30000000000000004",
        NULL,
    };
    (void)state;
    check_labels("[{\"score.k\": 5e-1}, {\"bank.neighbour_pool\": false},"
                 " {\"metrics.pro_steps\": 1e2},"
                 " {\"train.clip.normal\": [\"object.\", \"object. train.clip.tau=1\", \"\\\"\"]},"
                 " {\"retrieval.tau\": 0.30000000000000004}]",
                 label);
}

/* Every field with a flag of what rows are computed from may vary, and no other. */
static void stages_say_what_may_vary(void **state)
{
    const int varied = IN_MODEL | IN_FEATURES | IN_BANK | IN_REDUCTION | IN_HEAD | IN_PROMPTS |
                       IN_GIVEN | IN_SCORES | IN_METRICS;
    size_t n_varied = 0;
    (void)state;
    for (size_t i = 0; i < config_n_fields; i++) {
        const struct field *f = &config_fields[i];
        struct config *c = NULL;
        char json[512];
        (void)snprintf(json, sizeof json, "[{\"%s\": %s}]", f->key,
                       f->fallback && f->fallback[0] != '[' ? f->fallback : "\"x\"");
        if (f->stages & varied) {
            n_varied++;
            CHECK_OK(read_ablations(&c, json));
            assert_int_equal(c->n_ablations, 1);
            config_free(&c);
        } else {
            CHECK_FAILS(read_ablations(&c, json), ERR_CONFIG,
                        "no part of what a row is computed from");
        }
    }
    assert_true(n_varied > 20);
}

static void wrong_ones_are_refused(void **state)
{
    static const struct {
        const char *json;
        const char *part; /* of the message */
    } cases[] = {
        {"5", "--set: ablations: found 5, wanted a list of objects"},
        {"{\"score.k\": 0}", "--set: ablations: found an object, wanted a list of objects"},
        {"[1]", "--set: ablations[0]: found 1, wanted {\"key\": value"},
        {"[{}]", "--set: ablations[0]: found an empty object, wanted {\"key\": value"},
        {"[{\"score.k\": 0}, {\"score.k\": []}]",
         "--set: ablations[1]: score.k: found an empty list, wanted a value or a list"},
        {"[{\"score.kk\": 0}]", "ablations[0]: score.kk: no such key, did you mean \"score.k\"?"},
        {"[{\"score\": {\"k\": 0}}]", "ablations[0]: score: no such key"},
        {"[{\"score.k\": [0, 2]}]", "ablations[0]: score.k: found 2, wanted a number from 0 to 1"},
        {"[{\"score.k\": [[0]]}]", "ablations[0]: score.k: found a list, wanted a number"},
        {"[{\"score.k\": null}]", "ablations[0]: score.k: found null, wanted a number"},
        {"[{\"metrics.pro_steps\": 2.5}]", "found 2.5, wanted a whole number"},
        {"[{\"score.fusion\": \"max\"}]",
         "score.fusion: found \"max\", wanted one of \"weighted\", \"sum\""},
        {"[{\"bank.neighbour_pool\": 0}]", "found 0, wanted true or false"},
        {"[{\"store\": \"x\"}]", "ablations[0]: store: found a key that is no part of"},
        {"[{\"run.threads\": 2}]", "ablations[0]: run.threads: found a key that is no part of"},
        {"[{\"score.k\": [0, 0.0]}]", "found the setting score.k=0 a second time"},
        {"[{\"score.k\": 1}, {\"score.k\": [0, 1]}]",
         "ablations[1]: found the setting score.k=1 a second time"},
    };
    struct config *c = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_FAILS(read_ablations(&c, cases[i].json), ERR_CONFIG, cases[i].part);
        assert_null(c);
    }
}

/* A slip must not fill the memory: eleven values for each of three keys are more than 1000 settings. */
static void too_many_are_refused(void **state)
{
    static const char list[] = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]";
    char json[512];
    struct config *c = NULL;
    (void)state;
    (void)snprintf(json, sizeof json,
                   "[{\"retrieval.tau\": %s, \"train.batch\": %s, \"train.clip.n_ctx\": %s}]", list,
                   list, list);
    CHECK_FAILS(read_ablations(&c, json), ERR_CONFIG, "found more than 1000 settings");
}

/* The setting has its values, everything else stays, and it has no ablations of its own. */
static void values_take_their_place(void **state)
{
    struct config *c = NULL;
    struct config *one = NULL;
    static const char ablations[] = "ablations=[{\"score.k\": [0, 0.25], \"train.clip.normal\": "
                                    "\"thing\", \"score.fusion\": \"weighted\"}]";
    const char *const set[] = {"preset=paper",
                               "score.sigma=2",
                               "datasets.a.root=/a",
                               "datasets.a.bank=/b.h5",
                               "pairs=[[\"a\", \"a\"]]",
                               "seeds=[1, 2]",
                               "train.clip.tokens=t.h5:/x",
                               ablations};
    char *own = NULL;
    char *setting = NULL;
    (void)state;
    CHECK_OK(config_read(&c, NULL, set, sizeof set / sizeof *set));
    assert_int_equal(c->n_ablations, 2);
    CHECK_OK(config_ablate(&one, c, &c->ablation[1]));
    assert_true(one->k == 0.25 && one->sigma == 2 && one->fusion == FUSION_WEIGHTED);
    assert_string_equal(one->normal_words, "thing");
    assert_int_equal(one->n_ablations, 0);
    assert_true(c->k == 0.7 && c->fusion == FUSION_SUM);
    /* with the job's values again, nothing else differs */
    one->k = c->k;
    one->fusion = c->fusion;
    (void)snprintf(one->normal_words, strlen("thing") + 1, "%s", "x");
    (void)snprintf(c->normal_words, strlen("thing") + 1, "%s", "x");
    config_drop_ablations(c);
    CHECK_OK(config_text(&own, c));
    CHECK_OK(config_text(&setting, one));
    assert_string_equal(own, setting);
    MEM_FREE(own);
    MEM_FREE(setting);
    config_free(&one);
    config_free(&c);
}

/* used.json lists every setting alone, and means the same. */
static void text_reads_back(void **state)
{
    struct config *c = NULL;
    struct config *again = NULL;
    cJSON *value = NULL;
    const struct field *field = config_field("ablations");
    (void)state;
    CHECK_OK(read_ablations(&c, "[{\"score.k\": [0, 1], \"score.fusion\": [\"sum\", \"weighted\"]},"
                                " {\"train.clip.anomalous\": \"a \\\"b\\\"\"}]"));
    assert_int_equal(c->n_ablations, 5);
    CHECK_OK(config_value(&value, c, field));
    CHECK_OK(config_read(&again, NULL, NULL, 0));
    CHECK_OK(config_assign(again, field, value, "again"));
    assert_int_equal(again->n_ablations, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(again->ablation[i].label, c->ablation[i].label);
        assert_string_equal(again->ablation[i].values, c->ablation[i].values);
    }
    cJSON_Delete(value);
    config_free(&c);
    config_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_in_order),    cmocka_unit_test(labels_say_what_is_set),
        cmocka_unit_test(stages_say_what_may_vary), cmocka_unit_test(wrong_ones_are_refused),
        cmocka_unit_test(too_many_are_refused),     cmocka_unit_test(values_take_their_place),
        cmocka_unit_test(text_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
