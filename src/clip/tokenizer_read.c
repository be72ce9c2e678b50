/*
 * tokenizer_read.c - vocabulary files: gzip or plain text of merges, vocab.json with merges.txt,
 * tokenizer.json. What a file claims is checked by tokenizer_vocab.c; here only its form.
 */
#include "clip/tokenizer_int.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "config/json.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { MAX_FILE = 64 << 20, MAX_ADDED = 1024, INFLATE_GZIP = 15 + 16, INFLATE_STEP = 1 << 20 };

static const char gzip_name[] = "bpe_simple_vocab_16e6.txt.gz";

/* Merges as texts, in the order of their rank. */
struct merge_text {
    const char *left;
    const char *right;
    size_t place;
};

struct merge_list {
    struct merge_text *item;
    size_t n;
    size_t cap;
};

/* "LEFT RIGHT" is cut in place. False unless there are exactly two parts. */
static bool cut_pair(struct merge_text *out, char *text)
{
    char *blank = strchr(text, ' ');
    if (!blank || blank == text || !blank[1] || strchr(blank + 1, ' '))
        return false;
    *blank = '\0';
    out->left = text;
    out->right = blank + 1;
    return true;
}

static int add_pair(struct merge_list *list, const struct origin *from, char *text, size_t place)
{
    int rc = ERR_OK;
    struct merge_text pair = {NULL, NULL, place};
    if (!cut_pair(&pair, text))
        FAIL(ERR_FORMAT, "%s: %s %zu: \"%.40s\", wanted two symbols and one blank between them",
             from->file, from->unit, place, text);
    TRY(MEM_GROW(list->item, &list->cap, list->n + 1));
    list->item[list->n++] = pair;
out:
    return rc;
}

/* Lines of merges; the first only names the version. Cuts text in place. */
static int read_lines(struct merge_list *list, const struct origin *from, char *text)
{
    int rc = ERR_OK;
    char *next = NULL;
    for (size_t line = 1; text && line <= VOCAB_MAX_MERGES + 1; text = next, line++) {
        size_t len = strcspn(text, "\n");
        next = text[len] ? text + len + 1 : NULL;
        text[len] = '\0';
        if (len && text[len - 1] == '\r')
            text[len - 1] = '\0';
        if (line == 1 && !strstr(text, "#version"))
            FAIL(ERR_FORMAT, "%s: line 1: no \"#version\": this is no list of merges", from->file);
        if (line > 1 && (*text || (next && *next)))
            TRY(add_pair(list, from, text, line));
    }
out:
    return rc;
}

static int resolve(struct tokenizer *t, const struct merge_list *list, const struct origin *tokens,
                   const struct origin *merges)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < list->n; i++)
        TRY(vocab_add_merge(t, merges, list->item[i].left, list->item[i].right,
                            list->item[i].place));
    TRY(vocab_finish(t, tokens, merges));
out:
    return rc;
}

/* The merges alone: the vocabulary is the bytes, the results in order, start and end. */
static int read_text(struct tokenizer *t, const char *name, char *text)
{
    int rc = ERR_OK;
    struct origin from = {name, "line"};
    struct merge_list list = {0};
    TRY(read_lines(&list, &from, text));
    TRY(vocab_add_bytes(t, &from));
    for (size_t i = 0; i < list.n; i++) {
        char joined[2 * VOCAB_MAX_BYTES + 1];
        int n = snprintf(joined, sizeof joined, "%s%s", list.item[i].left, list.item[i].right);
        if (n > VOCAB_MAX_BYTES)
            FAIL(ERR_FORMAT, "%s: line %zu: a token of %d bytes, wanted 1 to %d", name,
                 list.item[i].place, n, VOCAB_MAX_BYTES);
        TRY(vocab_add(t, &from, joined, (int64_t)t->n, list.item[i].place));
    }
    TRY(vocab_add(t, &from, TOKEN_START, (int64_t)t->n, list.n + 2));
    TRY(vocab_add(t, &from, TOKEN_END, (int64_t)t->n, list.n + 2));
    TRY(vocab_index(t, &from));
    TRY(resolve(t, &list, &from, &from));
out:
    MEM_FREE(list.item);
    return rc;
}

static int inflate_all(struct str *out, const char *name, const char *bytes, size_t n)
{
    int rc = ERR_OK;
    int state = Z_OK;
    z_stream z = {0};
    bool is_open = false;
    if (n > MAX_FILE)
        FAIL(ERR_FORMAT, "%s: larger than the %d bytes that are read of such a file", name,
             MAX_FILE);
    z.next_in = (z_const Bytef *)bytes;
    z.avail_in = (uInt)n;
    if (inflateInit2(&z, INFLATE_GZIP) != Z_OK)
        FAIL(ERR_MEMORY, "out of memory: zlib");
    is_open = true;
    while (state != Z_STREAM_END) {
        if (out->len >= MAX_FILE)
            FAIL(ERR_FORMAT, "%s: unpacks to more than %d bytes", name, MAX_FILE);
        TRY(MEM_GROW(out->text, &out->cap, out->len + INFLATE_STEP + 1));
        z.next_out = (Bytef *)out->text + out->len;
        z.avail_out = INFLATE_STEP;
        state = inflate(&z, Z_NO_FLUSH);
        out->len += INFLATE_STEP - z.avail_out;
        if (state != Z_OK && state != Z_STREAM_END)
            FAIL(ERR_FORMAT, "%s: damaged or cut gzip data: %s", name,
                 z.msg ? z.msg : "the data end too early");
    }
    if (z.avail_in)
        FAIL(ERR_FORMAT, "%s: %u bytes after the end of the gzip data", name, z.avail_in);
    out->text[out->len] = '\0';
out:
    if (is_open)
        (void)inflateEnd(&z);
    return rc;
}

/* A whole number that can be an id. */
static bool read_id(const cJSON *value, int64_t *out)
{
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0) ||
        !(value->valuedouble < VOCAB_MAX_TOKENS))
        return false;
    *out = (int64_t)value->valuedouble;
    return (double)*out == value->valuedouble;
}

/* {text: id}. */
static int add_object(struct tokenizer *t, const struct origin *from, const cJSON *vocab)
{
    int rc = ERR_OK;
    size_t place = 1;
    for (const cJSON *c = vocab->child; c; c = c->next, place++) {
        int64_t id;
        if (!read_id(c, &id))
            FAIL(ERR_FORMAT, "%s: entry %zu, \"%.40s\": wanted an id from 0 to %d", from->file,
                 place, c->string, VOCAB_MAX_TOKENS - 1);
        TRY(vocab_add(t, from, c->string, id, place));
    }
out:
    return rc;
}

static int read_pair(struct tokenizer *t, const struct origin *from, const cJSON *vocab,
                     const char *merges_path)
{
    int rc = ERR_OK;
    struct origin lines = {merges_path, "line"};
    struct merge_list list = {0};
    char *text = NULL;
    size_t n;
    TRY(file_read(merges_path, MAX_FILE, &text, &n));
    if (strlen(text) != n)
        FAIL(ERR_FORMAT, "%s: holds a zero byte", merges_path);
    TRY(read_lines(&list, &lines, text));
    TRY(add_object(t, from, vocab));
    TRY(vocab_index(t, from));
    TRY(resolve(t, &list, from, &lines));
out:
    MEM_FREE(list.item);
    MEM_FREE(text);
    return rc;
}

/* A merge is "left right" or ["left", "right"], by the age of the program that wrote it. */
static int read_json_merges(struct merge_list *list, const struct origin *from, const cJSON *merges)
{
    int rc = ERR_OK;
    size_t place = 1;
    if (!cJSON_IsArray(merges))
        FAIL(ERR_FORMAT, "%s: \"model\" has no list \"merges\"", from->file);
    for (const cJSON *c = merges->child; c; c = c->next, place++) {
        const char *left = cJSON_GetStringValue(cJSON_GetArrayItem(c, 0));
        const char *right = cJSON_GetStringValue(cJSON_GetArrayItem(c, 1));
        if (cJSON_IsString(c)) {
            TRY(add_pair(list, from, c->valuestring, place));
            continue;
        }
        if (!cJSON_IsArray(c) || cJSON_GetArraySize(c) != 2 || !left || !right)
            FAIL(ERR_FORMAT, "%s: merge %zu: wanted \"left right\" or two strings", from->file,
                 place);
        TRY(MEM_GROW(list->item, &list->cap, list->n + 1));
        list->item[list->n++] = (struct merge_text){left, right, place};
    }
out:
    return rc;
}

/* Start, end and the like: often in the vocabulary too, then with the same id. */
static int read_added(struct tokenizer *t, const struct origin *from, const cJSON *list,
                      const cJSON *vocab)
{
    int rc = ERR_OK;
    const cJSON *c;
    if (cJSON_GetArraySize(list) > MAX_ADDED)
        FAIL(ERR_FORMAT, "%s: more than %d added tokens", from->file, MAX_ADDED);
    cJSON_ArrayForEach(c, list)
    {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c, "content"));
        const cJSON *known = text ? cJSON_GetObjectItemCaseSensitive(vocab, text) : NULL;
        int64_t id;
        if (!text || !read_id(cJSON_GetObjectItemCaseSensitive(c, "id"), &id))
            FAIL(ERR_FORMAT, "%s: \"added_tokens\": wanted objects with \"content\" and \"id\"",
                 from->file);
        if (known && !(known->valuedouble == (double)id))
            FAIL(ERR_FORMAT, "%s: the added token \"%.40s\" has the id %lld, in the vocabulary %g",
                 from->file, text, (long long)id, known->valuedouble);
        if (!known)
            TRY(vocab_add(t, from, text, id, t->n + 1));
    }
out:
    return rc;
}

static int allow_added(struct tokenizer *t, const struct origin *from, const cJSON *list)
{
    int rc = ERR_OK;
    const cJSON *c;
    cJSON_ArrayForEach(c, list)
    {
        TRY(vocab_allow(t, from,
                        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c, "content"))));
    }
out:
    return rc;
}

/* A byte-pair model whose words end in "</w>"; others would give other tokens without a word. */
static int check_model(const char *name, const cJSON *model)
{
    int rc = ERR_OK;
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(model, "type"));
    const char *suffix =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(model, "end_of_word_suffix"));
    if (type && strcmp(type, "BPE") != 0)
        FAIL(ERR_FORMAT, "%s: a model of the type \"%.40s\", wanted \"BPE\"", name, type);
    if (!suffix || strcmp(suffix, "</w>") != 0)
        FAIL(ERR_FORMAT, "%s: the model's end_of_word_suffix is \"%.40s\", CLIP's is \"</w>\"",
             name, suffix ? suffix : "");
    if (!cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(model, "vocab")))
        FAIL(ERR_FORMAT, "%s: \"model\" has no object \"vocab\"", name);
out:
    return rc;
}

static int read_model(struct tokenizer *t, const char *name, const cJSON *tree)
{
    int rc = ERR_OK;
    struct origin entries = {name, "entry"};
    struct origin merges = {name, "merge"};
    struct merge_list list = {0};
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(tree, "model");
    const cJSON *added = cJSON_GetObjectItemCaseSensitive(tree, "added_tokens");
    const cJSON *vocab = cJSON_GetObjectItemCaseSensitive(model, "vocab");
    if (!cJSON_IsObject(model))
        FAIL(ERR_FORMAT, "%s: no object \"model\": this is no tokenizer.json", name);
    TRY(check_model(name, model));
    TRY(read_json_merges(&list, &merges, cJSON_GetObjectItemCaseSensitive(model, "merges")));
    TRY(add_object(t, &entries, vocab));
    TRY(read_added(t, &entries, added, vocab));
    TRY(vocab_index(t, &entries));
    TRY(allow_added(t, &entries, added));
    TRY(resolve(t, &list, &entries, &merges));
out:
    MEM_FREE(list.item);
    return rc;
}

int read_vocab_bytes(struct tokenizer *t, const char *name, const char *bytes, size_t n)
{
    int rc = ERR_OK;
    struct str text = {0};
    cJSON *tree = NULL;
    if (n > 1 && (unsigned char)bytes[0] == 0x1F && (unsigned char)bytes[1] == 0x8B)
        TRY(inflate_all(&text, name, bytes, n));
    else
        TRY(str_add_bytes(&text, bytes, n));
    if (!text.len || strlen(text.text) != text.len)
        FAIL(ERR_FORMAT, "%s: empty, or holds a zero byte", name);
    if (text.text[strspn(text.text, " \t\r\n")] == '{') {
        TRY(json_parse(&tree, text.text, name));
        TRY(read_model(t, name, tree));
    } else {
        TRY(read_text(t, name, text.text));
    }
out:
    json_free(&tree);
    str_free(&text);
    return rc;
}

/* vocab.json and its partner in the same folder. */
static int read_vocab_json(struct tokenizer *t, const char *path, const char *merges_path)
{
    int rc = ERR_OK;
    struct origin from = {path, "entry"};
    cJSON *tree = NULL;
    TRY(json_read(&tree, path, MAX_FILE));
    if (!cJSON_IsObject(tree))
        FAIL(ERR_FORMAT, "%s: not a JSON object", path);
    TRY(read_pair(t, &from, tree, merges_path));
out:
    json_free(&tree);
    return rc;
}

static int read_folder(struct tokenizer *t, const char *folder)
{
    int rc = ERR_OK;
    static const char *const names[] = {"tokenizer.json", "vocab.json", "merges.txt", gzip_name};
    enum { WHOLE, VOCAB, MERGES, GZIP, N_NAMES };
    char *path[N_NAMES] = {0};
    for (int i = 0; i < N_NAMES; i++)
        TRY(path_join(&path[i], folder, names[i]));
    if (path_is_file(path[WHOLE]))
        TRY(read_vocab(t, path[WHOLE]));
    else if (path_is_file(path[VOCAB]) && path_is_file(path[MERGES]))
        TRY(read_vocab_json(t, path[VOCAB], path[MERGES]));
    else if (path_is_file(path[GZIP]))
        TRY(read_vocab(t, path[GZIP]));
    else
        FAIL(ERR_CONFIG, "%s: no tokenizer.json, no vocab.json with merges.txt, no %s", folder,
             gzip_name);
out:
    for (int i = 0; i < N_NAMES; i++)
        MEM_FREE(path[i]);
    return rc;
}

/* A file named like one of the pair stands for both. */
static int read_named_pair(struct tokenizer *t, const char *path)
{
    int rc = ERR_OK;
    char *folder = NULL;
    char *vocab = NULL;
    char *merges = NULL;
    TRY(path_dir(&folder, path));
    TRY(path_join(&vocab, folder, "vocab.json"));
    TRY(path_join(&merges, folder, "merges.txt"));
    TRY(read_vocab_json(t, vocab, merges));
out:
    MEM_FREE(folder);
    MEM_FREE(vocab);
    MEM_FREE(merges);
    return rc;
}

int read_vocab(struct tokenizer *t, const char *path)
{
    int rc = ERR_OK;
    char *bytes = NULL;
    size_t n;
    if (path_is_dir(path)) {
        TRY(read_folder(t, path));
    } else if (strcmp(path_base(path), "vocab.json") == 0 ||
               strcmp(path_base(path), "merges.txt") == 0) {
        TRY(read_named_pair(t, path));
    } else {
        TRY(file_read(path, MAX_FILE, &bytes, &n));
        TRY(read_vocab_bytes(t, path, bytes, n));
    }
out:
    MEM_FREE(bytes);
    return rc;
}
