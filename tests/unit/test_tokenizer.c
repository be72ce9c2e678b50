/* Unit tests of clip's tokenizer: three file formats, prompts, hostile vocabularies and texts. */
#include "check.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "base/str.h"
#include "clip/clip.h"
#include "config/json.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 1 << 20, MAX_IDS = 4096, SIZE = 814 };

static int32_t ids[MAX_IDS];

static struct tokenizer *open_fixture(const char *name)
{
    struct tokenizer *t = NULL;
    CHECK_OK(tokenizer_open(&t, check_fixture(name)));
    return t;
}

/* tests/fixtures/tokenizer/NAME as a string; free with MEM_FREE. */
static void load(char **out, const char *name, size_t *n)
{
    char path[128];
    (void)snprintf(path, sizeof path, "tokenizer/%s", name);
    CHECK_OK(file_read(check_fixture(path), MAX_FILE, out, n));
}

static cJSON *load_cases(void)
{
    cJSON *tree = NULL;
    CHECK_OK(json_read(&tree, check_fixture("tokenizer/cases.json"), MAX_FILE));
    return tree;
}

static void check_case(const struct tokenizer *t, const cJSON *one)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(one, "text"));
    const cJSON *want = cJSON_GetObjectItem(one, "ids");
    size_t n;
    size_t i = 0;
    CHECK_OK(tokenizer_encode(t, text, ids, MAX_IDS, &n));
    if (n != (size_t)cJSON_GetArraySize(want))
        fail_msg("\"%s\": %zu tokens, wanted %d", text, n, cJSON_GetArraySize(want));
    for (const cJSON *id = want->child; id; id = id->next, i++)
        if (ids[i] != id->valueint)
            fail_msg("\"%s\": token %zu is %d, wanted %d", text, i, (int)ids[i], id->valueint);
}

static void check_all_cases(const struct tokenizer *t)
{
    cJSON *tree = load_cases();
    const cJSON *one;
    size_t n = 0;
    assert_int_equal(tokenizer_size(t), cJSON_GetObjectItem(tree, "size")->valueint);
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(tree, "cases"))
    {
        check_case(t, one);
        n++;
    }
    assert_true(n > 300);
    json_free(&tree);
}

static void ids_equal_in_all_formats(void **state)
{
    static const char *const names[] = {
        "tokenizer/gzip",
        "tokenizer/pair",
        "tokenizer/whole",
        "tokenizer/gzip/bpe_simple_vocab_16e6.txt.gz",
        "tokenizer/pair/vocab.json",
        "tokenizer/pair/merges.txt",
        "tokenizer/whole/tokenizer.json",
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct tokenizer *t = open_fixture(names[i]);
        assert_int_equal(tokenizer_start(t), SIZE - 2);
        assert_int_equal(tokenizer_end(t), SIZE - 1);
        check_all_cases(t);
        tokenizer_free(&t);
    }
}

/* The text with every merge as a list of two, as newer programs write it. */
static char *with_merge_lists(void)
{
    cJSON *tree = NULL;
    cJSON *model;
    cJSON *lists = cJSON_CreateArray();
    const cJSON *one;
    char *text = NULL;
    CHECK_OK(json_read(&tree, check_fixture("tokenizer/whole/tokenizer.json"), MAX_FILE));
    model = cJSON_GetObjectItem(tree, "model");
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(model, "merges"))
    {
        cJSON *pair = cJSON_CreateArray();
        char *blank = strchr(one->valuestring, ' ');
        *blank = '\0';
        cJSON_AddItemToArray(pair, cJSON_CreateString(one->valuestring));
        cJSON_AddItemToArray(pair, cJSON_CreateString(blank + 1));
        cJSON_AddItemToArray(lists, pair);
    }
    cJSON_ReplaceItemInObject(model, "merges", lists);
    CHECK_OK(json_text(&text, tree));
    json_free(&tree);
    return text;
}

static void merges_may_be_lists_and_text_unpacked(void **state)
{
    struct tokenizer *t = NULL;
    size_t n;
    char *text = with_merge_lists();
    (void)state;
    CHECK_OK(tokenizer_parse(&t, "lists", text, strlen(text)));
    check_all_cases(t);
    tokenizer_free(&t);
    MEM_FREE(text);
    load(&text, "pair/merges.txt", &n);
    CHECK_OK(tokenizer_parse(&t, "text", text, n));
    check_all_cases(t);
    tokenizer_free(&t);
    MEM_FREE(text);
}

static void folders_are_searched_in_order(void **state)
{
    struct tokenizer *t = NULL;
    char *folder = check_folder();
    char *path = NULL;
    char *text = NULL;
    size_t n;
    (void)state;
    CHECK_FAILS(tokenizer_open(&t, folder), ERR_CONFIG, "no tokenizer.json");
    assert_null(t);
    load(&text, "gzip/bpe_simple_vocab_16e6.txt.gz", &n);
    CHECK_OK(path_join(&path, folder, "bpe_simple_vocab_16e6.txt.gz"));
    CHECK_OK(file_write(path, text, n));
    CHECK_OK(tokenizer_open(&t, folder));
    tokenizer_free(&t);
    MEM_FREE(path);
    CHECK_OK(path_join(&path, folder, "tokenizer.json"));
    CHECK_OK(file_write(path, "{}", 2));
    CHECK_FAILS(tokenizer_open(&t, folder), ERR_FORMAT, "tokenizer.json: no object \"model\"");
    MEM_FREE(path);
    MEM_FREE(text);
    CHECK_FAILS(tokenizer_open(&t, "/nowhere/at/all"), ERR_IO, "/nowhere/at/all");
    check_drop_folder(folder);
}

static void prompts_are_framed_and_padded(void **state)
{
    struct tokenizer *t = open_fixture("tokenizer/gzip");
    int32_t row[16];
    size_t n;
    (void)state;
    CHECK_OK(tokenizer_encode(t, "a broken bottle", ids, MAX_IDS, &n));
    assert_true(n > 0 && n + 2 < 16);
    CHECK_OK(tokenizer_prompt(t, " A  broken bottle", 16, row));
    assert_int_equal(row[0], tokenizer_start(t));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(row[1 + i], ids[i]);
    assert_int_equal(row[n + 1], tokenizer_end(t));
    for (size_t i = n + 2; i < 16; i++)
        assert_int_equal(row[i], 0);
    CHECK_OK(tokenizer_prompt(t, "a broken bottle", n + 2, row));
    assert_int_equal(row[n + 1], tokenizer_end(t));
    CHECK_OK(tokenizer_prompt(t, "", 2, row));
    assert_int_equal(row[1], tokenizer_end(t));
    tokenizer_free(&t);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct tokenizer *t = open_fixture("tokenizer/gzip");
    int32_t row[8] = {0, 0, 0, 0, -7, -7, -7, -7};
    size_t n;
    (void)state;
    CHECK_FAILS(tokenizer_prompt(t, "1 2 3", 4, row), ERR_CONFIG,
                "text \"1 2 3\" has 5 tokens with start and end, the model reads 4");
    assert_int_equal(row[4], -7);
    CHECK_FAILS(tokenizer_prompt(t, "", 1, row), ERR_CONFIG, "has 2 tokens");
    CHECK_FAILS(tokenizer_prompt(t, "", 0, NULL), ERR_CONFIG, "has 2 tokens");
    CHECK_FAILS(tokenizer_encode(t, "1 2 3 4 5", row, 4, &n), ERR_SHAPE, "has 5 tokens");
    assert_int_equal(n, 5);
    assert_int_equal(row[4], -7);
    tokenizer_free(&t);
}

static void hostile_texts_are_refused(void **state)
{
    static const struct {
        const char *text;
        const char *part;
    } bad[] = {
        {"ab\x80", "at byte 2: 0x80"},      {"\xC3", "at byte 0"},
        {"a\xC0\x80", "at byte 1: 0xC0"},   {"\xED\xA0\x80", "at byte 0"},
        {"x\xF4\x90\x80\x80", "at byte 1"}, {"\xE0\x9F\xBF", "at byte 0"},
        {"\xF0\x8F\xBF\xBF", "at byte 0"},  {"\xF8\x88\x80\x80\x80", "at byte 0: 0xF8"},
        {"\xE2\x82 ", "not valid UTF-8"},
    };
    struct tokenizer *t = open_fixture("tokenizer/gzip");
    char *text = NULL;
    size_t n;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(tokenizer_encode(t, bad[i].text, ids, MAX_IDS, &n), ERR_CONFIG, bad[i].part);
    CHECK_OK(MEM_NEW(text, (1 << 16) + 2));
    memset(text, 'a', (1 << 16) + 1);
    CHECK_FAILS(tokenizer_encode(t, text, ids, MAX_IDS, &n), ERR_CONFIG, "has 65537 bytes");
    text[1 << 16] = '\0';
    CHECK_FAILS(tokenizer_encode(t, text, ids, 4, &n), ERR_SHAPE, "room is for 4");
    MEM_FREE(text);
    tokenizer_free(&t);
}

static void check_decoded(const struct tokenizer *t, const char *text, const char *want)
{
    char *back = NULL;
    size_t n;
    CHECK_OK(tokenizer_encode(t, text, ids, MAX_IDS, &n));
    CHECK_OK(tokenizer_decode(t, ids, n, &back));
    assert_string_equal(back, want);
    MEM_FREE(back);
}

static void ids_decode_to_words(void **state)
{
    struct tokenizer *t = open_fixture("tokenizer/whole");
    char *text = NULL;
    const int32_t wrong[2] = {-1, SIZE};
    (void)state;
    check_decoded(t, "a broken bottle", "a broken bottle ");
    check_decoded(t, "Größe, 傷 🔧 it's 42", "größe , 傷 🔧 it 's 4 2 ");
    check_decoded(t, "&lt;b&gt;", "< b > ");
    check_decoded(t, "<|STARTOFTEXT|>x<|endoftext|>", "<|startoftext|>x <|endoftext|>");
    check_decoded(t, "", "");
    CHECK_FAILS(tokenizer_decode(t, &wrong[0], 1, &text), ERR_SHAPE, "token 0 is -1");
    CHECK_FAILS(tokenizer_decode(t, &wrong[1], 1, &text), ERR_SHAPE, "the vocabulary has 814");
    assert_null(text);
    tokenizer_free(&t);
}

/* What was decoded encodes to the same ids, but for words that the pattern joins or tears anew. */
static void decoded_text_encodes_again(void **state)
{
    static int32_t again[MAX_IDS];
    struct tokenizer *t = open_fixture("tokenizer/pair");
    cJSON *tree = load_cases();
    const cJSON *one;
    size_t n_same = 0;
    (void)state;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(tree, "cases"))
    {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(one, "text"));
        char *back = NULL;
        size_t n;
        size_t n_again;
        CHECK_OK(tokenizer_encode(t, text, ids, MAX_IDS, &n));
        CHECK_OK(tokenizer_decode(t, ids, n, &back));
        CHECK_OK(tokenizer_encode(t, back, again, MAX_IDS, &n_again));
        n_same += n == n_again && memcmp(ids, again, n * sizeof *ids) == 0;
        MEM_FREE(back);
    }
    assert_true(n_same * 100 >=
                95 * (size_t)cJSON_GetArraySize(cJSON_GetObjectItem(tree, "cases")));
    json_free(&tree);
    tokenizer_free(&t);
}

/* One change to a good file, and what the message must say. from "" puts text in front. */
struct change {
    const char *from;
    const char *to;
    const char *part;
};

static char *changed(const char *text, const struct change *c)
{
    struct str out = {0};
    const char *at = strstr(text, c->from);
    if (!at)
        fail_msg("the fixture has no \"%s\"", c->from);
    CHECK_OK(str_add_bytes(&out, text, (size_t)(at - text)));
    CHECK_OK(str_add(&out, c->to));
    CHECK_OK(str_add(&out, at + strlen(c->from)));
    return out.text;
}

static void refuse(const char *text, const struct change *c)
{
    struct tokenizer *t = NULL;
    char *bad = changed(text, c);
    int rc = tokenizer_parse(&t, "file", bad, strlen(bad));
    CHECK_FAILS(rc,
                strstr(c->part, "not valid JSON") || strstr(c->part, "occurs twice in one")
                    ? ERR_CONFIG
                    : ERR_FORMAT,
                c->part);
    assert_null(t);
    MEM_FREE(bad);
}

static void hostile_merges_are_refused(void **state)
{
    static const struct change changes[] = {
        {"#version", "#vers", "file: line 1: no \"#version\""},
        {"#version: 0.2\n", "#version: 0.2\nab\n", "file: line 2: \"ab\", wanted two symbols"},
        {"#version: 0.2\n", "#version: 0.2\na  b\n", "file: line 2"},
        {"#version: 0.2\n", "#version: 0.2\na b c\n", "file: line 2"},
        {"#version: 0.2\n", "#version: 0.2\n b\n", "file: line 2"},
        {"#version: 0.2\n", "#version: 0.2\na \n", "file: line 2"},
        {"#version: 0.2\n", "#version: 0.2\n\n", "file: line 2: \"\""},
        {"#version: 0.2\n", "#version: 0.2\nqx qx\n", "part \"qx\" is not in the vocabulary"},
        {"#version: 0.2\n", "#version: 0.2\nq x\nq x\n", "token \"qx\" occurs twice, at line"},
        {"#version: 0.2\n", "#version: 0.2\n< |startoftext|>\n", "occurs twice"},
        {"#version: 0.2\n", "#version: 0.2\n\xC3 (\n", "is not in the vocabulary"},
    };
    size_t n;
    char *text = NULL;
    load(&text, "pair/merges.txt", &n);
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        refuse(text, &changes[i]);
    MEM_FREE(text);
}

static void hostile_tokenizer_json_is_refused(void **state)
{
    static const struct change changes[] = {
        {"\"model\"", "\"modal\"", "no object \"model\""},
        {"\"BPE\"", "\"WordPiece\"", "type \"WordPiece\""},
        {"suffix\": \"</w>\"", "suffix\": \"\"", "end_of_word_suffix is \"\""},
        {"\"vocab\"", "\"vocabulary\"", "no object \"vocab\""},
        {"\"merges\"", "\"merged\"", "no list \"merges\""},
        {"\"merges\": [", "\"merges\": [1,", "merge 1: wanted \"left right\""},
        {"\"merges\": [", "\"merges\": [[\"a\"],", "merge 1: wanted"},
        {"\"merges\": [", "\"merges\": [{\"a\": \"a\", \"b\": \"b\"},", "merge 1: wanted"},
        {"\"merges\": [", "\"merges\": [\"a b c\",", "merge 1: \"a b c\""},
        {"\"merges\": [", "\"merges\": [\"q x\",", "result \"qx\" is not in the vocabulary"},
        {"\"merges\": [", "\"merges\": [\"qx x\",", "part \"qx\" is not in the vocabulary"},
        {"\"merges\": [", "\"merges\": [\"q qx\",", "part \"qx\" is not in the vocabulary"},
        {"\"merges\": [", "\"merges\": [\"o t\",", "the same merge at merge 1 and 3"},
        {"\"!\": 0", "\"!\": 0.5", "entry 1, \"!\": wanted an id"},
        {"\"!\": 0", "\"!\": -1", "wanted an id"},
        {"\"!\": 0", "\"!\": 1e300", "wanted an id"},
        {"\"!\": 0", "\"!\": \"0\"", "wanted an id"},
        {"\"!\": 0", "\"!\": 1", "has the id 1 of"},
        {"\"!\": 0", "\"!\": 814", "has the id 814, but there are 814 tokens"},
        {"\"!\": 0", "\"!x\": 0", "the token \"!\" is missing"},
        {"\"!\": 0", "\"!\": 0, \"qx\": 814", "makes the token \"qx\""},
        {"\"!\": 0", "\"!\": 0, \"!\": 814", "occurs twice in one"},
        {"\"!\": 0", "\"!\": 0, \"\": 814", "a token of 0 bytes"},
        {"\"id\": 812", "\"id\": 3", "has the id 3, in the vocabulary 812"},
        {"\"id\": 812", "\"id\": \"x\"", "wanted objects with \"content\" and \"id\""},
        {"\"added_tokens\": [", "\"added_tokens\": [7,", "wanted objects with"},
        {"\"model\"", "model", "not valid JSON"},
    };
    size_t n;
    char *text = NULL;
    load(&text, "whole/tokenizer.json", &n);
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        refuse(text, &changes[i]);
    MEM_FREE(text);
}

static void write_in(const char *folder, const char *name, const char *text)
{
    char *path = NULL;
    CHECK_OK(path_join(&path, folder, name));
    CHECK_OK(file_write(path, text, strlen(text)));
    MEM_FREE(path);
}

static void pairs_must_belong_together(void **state)
{
    struct tokenizer *t = NULL;
    char *folder = check_folder();
    size_t n;
    char *vocab = NULL;
    load(&vocab, "pair/vocab.json", &n);
    char *merges = NULL;
    load(&merges, "pair/merges.txt", &n);
    (void)state;
    write_in(folder, "vocab.json", vocab);
    CHECK_FAILS(tokenizer_open(&t, folder), ERR_CONFIG, "no vocab.json with merges.txt");
    write_in(folder, "merges.txt", merges);
    CHECK_OK(tokenizer_open(&t, folder));
    tokenizer_free(&t);
    *strrchr(merges, ' ') = '\0'; /* cut inside the last line */
    write_in(folder, "merges.txt", merges);
    CHECK_FAILS(tokenizer_open(&t, folder), ERR_FORMAT, "merges.txt: line 301");
    *strrchr(merges, '\n') = '\0'; /* cut between two lines */
    write_in(folder, "merges.txt", merges);
    CHECK_FAILS(tokenizer_open(&t, folder), ERR_FORMAT, "it is cut or of another vocabulary");
    write_in(folder, "vocab.json", "[1]");
    CHECK_FAILS(tokenizer_open(&t, folder), ERR_FORMAT, "not a JSON object");
    MEM_FREE(vocab);
    MEM_FREE(merges);
    check_drop_folder(folder);
}

static void damaged_gzip_is_refused(void **state)
{
    struct tokenizer *t = NULL;
    size_t n;
    char *bytes = NULL;
    load(&bytes, "gzip/bpe_simple_vocab_16e6.txt.gz", &n);
    char *longer = NULL;
    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_not_equal(tokenizer_parse(&t, "cut", bytes, cut), ERR_OK);
        assert_null(t);
    }
    CHECK_OK(MEM_NEW(longer, n + 1));
    memcpy(longer, bytes, n);
    CHECK_FAILS(tokenizer_parse(&t, "long", longer, n + 1), ERR_FORMAT, "1 bytes after the end");
    bytes[n - 5] ^= 1; /* the checksum */
    CHECK_FAILS(tokenizer_parse(&t, "sum", bytes, n), ERR_FORMAT, "incorrect data check");
    CHECK_FAILS(tokenizer_parse(&t, "zero", "#version\0", 9), ERR_FORMAT, "holds a zero byte");
    MEM_FREE(longer);
    MEM_FREE(bytes);
}

/* Change, insert nothing: one to four bytes, chosen by (seed, round). */
static void mutate(char *bytes, size_t n, uint64_t seed, uint64_t round)
{
    size_t changes = 1 + rng_below(seed, 16 * round, 4);
    for (size_t i = 0; i < changes && n; i++) {
        size_t at = rng_below(seed, 16 * round + 2 * i + 1, n);
        bytes[at] = (char)rng_below(seed, 16 * round + 2 * i + 2, 256);
    }
}

/* A vocabulary that is accepted must work. */
static size_t mutate_file(const char *name, uint64_t seed, size_t rounds)
{
    size_t n;
    size_t n_open = 0;
    char *bytes = NULL;
    load(&bytes, name, &n);
    char *copy = NULL;
    CHECK_OK(MEM_NEW(copy, n));
    for (size_t round = 0; round < rounds; round++) {
        struct tokenizer *t = NULL;
        char *back = NULL;
        size_t n_ids;
        memcpy(copy, bytes, n);
        mutate(copy, n, seed, round);
        if (tokenizer_parse(&t, "mutated", copy, n) == ERR_OK) {
            n_open++;
            CHECK_OK(tokenizer_encode(t, "It's a broken Größe 42!", ids, MAX_IDS, &n_ids));
            if (tokenizer_decode(t, ids, n_ids, &back) == ERR_OK)
                MEM_FREE(back);
        }
        tokenizer_free(&t);
    }
    MEM_FREE(copy);
    MEM_FREE(bytes);
    return n_open;
}

static void mutated_files_do_no_harm(void **state)
{
    (void)state;
    (void)mutate_file("gzip/bpe_simple_vocab_16e6.txt.gz", 1, 500);
    assert_true(mutate_file("pair/merges.txt", 2, 500) > 0);
    assert_true(mutate_file("whole/tokenizer.json", 3, 300) > 0);
    (void)mutate_file("pair/vocab.json", 4, 100);
    err_clear();
}

static void mutated_texts_do_no_harm(void **state)
{
    struct tokenizer *t = open_fixture("tokenizer/gzip");
    cJSON *tree = load_cases();
    const cJSON *one;
    size_t n_refused = 0;
    uint64_t round = 0;
    (void)state;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(tree, "cases"))
    {
        char *text = cJSON_GetObjectItem(one, "text")->valuestring;
        for (int i = 0; i < 10; i++) {
            size_t n;
            mutate(text, strlen(text), 5, round++);
            n_refused += tokenizer_encode(t, text, ids, MAX_IDS, &n) == ERR_CONFIG;
            err_clear();
        }
    }
    assert_true(n_refused > 0 && n_refused < round);
    json_free(&tree);
    tokenizer_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_equal_in_all_formats),
        cmocka_unit_test(merges_may_be_lists_and_text_unpacked),
        cmocka_unit_test(folders_are_searched_in_order),
        cmocka_unit_test(prompts_are_framed_and_padded),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(hostile_texts_are_refused),
        cmocka_unit_test(ids_decode_to_words),
        cmocka_unit_test(decoded_text_encodes_again),
        cmocka_unit_test(hostile_merges_are_refused),
        cmocka_unit_test(hostile_tokenizer_json_is_refused),
        cmocka_unit_test(pairs_must_belong_together),
        cmocka_unit_test(damaged_gzip_is_refused),
        cmocka_unit_test(mutated_files_do_no_harm),
        cmocka_unit_test(mutated_texts_do_no_harm),
    };
    /* cmocka prints a failed group teardown but does not count it, so balance is asked for here */
    return cmocka_run_group_tests(tests, NULL, NULL) != 0 || check_balance(NULL) != 0;
}
