/* Unit tests of config/json: comments, positions, duplicates, writing. */
#include "check.h"

#include "base/err.h"
#include "base/mem.h"
#include "config/json.h"

#include <cjson/cJSON.h>

static void comments_are_white_space(void **state)
{
    cJSON *tree = NULL;
    (void)state;
    CHECK_OK(json_parse(&tree, "{ // one\n \"a\": /* two\n */ 1, \"b\": \"// no\" }", "t"));
    assert_int_equal(cJSON_GetObjectItem(tree, "a")->valueint, 1);
    assert_string_equal(cJSON_GetObjectItem(tree, "b")->valuestring, "// no");
    json_free(&tree);
}

static void faults_name_the_place(void **state)
{
    cJSON *tree = NULL;
    (void)state;
    CHECK_FAILS(json_parse(&tree, "{\n  \"a\": 1,\n  b: 2\n}", "job.json"), ERR_CONFIG,
                "job.json:3:");
    CHECK_FAILS(json_parse(&tree, "{\"a\": 1", "t"), ERR_CONFIG, "t:1:");
    CHECK_FAILS(json_parse(&tree, "{} x", "t"), ERR_CONFIG, "t:1:4");
    CHECK_FAILS(json_parse(&tree, "{\n /* open", "t"), ERR_CONFIG, "t:2:2: a comment begins");
    CHECK_FAILS(json_parse(&tree, "{\"a\": {\"x\": 1, \"x\": 2}}", "t"), ERR_CONFIG,
                "the key \"x\" occurs twice");
    assert_null(tree);
}

static void trees_are_written(void **state)
{
    cJSON *tree = NULL;
    cJSON *list = NULL;
    cJSON *item = NULL;
    char *text = NULL;
    (void)state;
    CHECK_OK(json_new(&tree));
    CHECK_OK(json_put_array(tree, "list", &list));
    CHECK_OK(json_push_object(list, &item));
    CHECK_OK(json_put_number(item, "x", 0.1));
    CHECK_OK(json_put_text(item, "y", NULL));
    CHECK_OK(json_text(&text, tree));
    json_free(&tree);
    CHECK_OK(json_parse(&tree, text, "again"));
    item = cJSON_GetArrayItem(cJSON_GetObjectItem(tree, "list"), 0);
    assert_true(cJSON_GetObjectItem(item, "x")->valuedouble == 0.1);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(item, "y")));
    json_free(&tree);
    MEM_FREE(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_are_white_space),
        cmocka_unit_test(faults_name_the_place),
        cmocka_unit_test(trees_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
