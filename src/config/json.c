/* json.c - see json.h. */
#include "config/json.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Overwrite comments with blanks, so that every other character keeps its place. */
static int blank_comments(char *text, size_t *bad)
{
    char *p = text;
    while (*p) {
        if (*p == '"') {
            for (p++; *p && *p != '"'; p++)
                if (*p == '\\' && p[1])
                    p++;
            p += *p != '\0';
        } else if (p[0] == '/' && p[1] == '/') {
            for (; *p && *p != '\n'; p++)
                *p = ' ';
        } else if (p[0] == '/' && p[1] == '*') {
            char *end = strstr(p + 2, "*/");
            if (!end) {
                *bad = (size_t)(p - text);
                return ERR_CONFIG;
            }
            for (; p < end + 2; p++)
                if (*p != '\n')
                    *p = ' ';
        } else {
            p++;
        }
    }
    return ERR_OK;
}

static void find_place(const char *text, size_t at, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < at && text[i]; i++) {
        (*column)++;
        if (text[i] == '\n') {
            (*line)++;
            *column = 1;
        }
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, so that a hostile object of a million keys costs no more than reading it. */
static int check_keys(const cJSON *object, const char *name)
{
    int rc = ERR_OK;
    size_t n = 0;
    size_t i = 0;
    const char **key = NULL;
    for (const cJSON *c = object->child; c; c = c->next)
        n++;
    if (n < 2)
        return ERR_OK;
    TRY(MEM_NEW(key, n));
    for (const cJSON *c = object->child; c; c = c->next)
        key[i++] = c->string;
    qsort((void *)key, n, sizeof *key, by_text);
    for (i = 1; i < n; i++)
        if (strcmp(key[i - 1], key[i]) == 0)
            FAIL(ERR_CONFIG, "%s: the key \"%s\" occurs twice in one object", name, key[i]);
out:
    mem_release((void *)key);
    return rc;
}

static int find_duplicate(const cJSON *node, const char *name)
{
    int rc = ERR_OK;
    if (cJSON_IsObject(node))
        TRY(check_keys(node, name));
    for (const cJSON *c = node->child; c; c = c->next)
        TRY(find_duplicate(c, name));
out:
    return rc;
}

int json_parse(cJSON **out, const char *text, const char *name)
{
    int rc = ERR_OK;
    char *copy = NULL;
    const char *end = NULL;
    size_t bad = 0;
    size_t line;
    size_t column;
    *out = NULL;
    TRY(str_dup(&copy, text));
    if (blank_comments(copy, &bad)) {
        find_place(text, bad, &line, &column);
        FAIL(ERR_CONFIG, "%s:%zu:%zu: a comment begins here and does not end", name, line, column);
    }
    *out = cJSON_ParseWithOpts(copy, &end, 1);
    if (!*out) {
        bad = end ? (size_t)(end - copy) : 0;
        find_place(text, bad, &line, &column);
        if (bad < strlen(text))
            FAIL(ERR_CONFIG, "%s:%zu:%zu: not valid JSON near \"%.12s\"", name, line, column,
                 text + bad);
        FAIL(ERR_CONFIG, "%s:%zu:%zu: not valid JSON: the text ends too early", name, line, column);
    }
    TRY(find_duplicate(*out, name));
out:
    MEM_FREE(copy);
    if (rc)
        json_free(out);
    return rc;
}

int json_read(cJSON **out, const char *path, size_t max_bytes)
{
    int rc = ERR_OK;
    char *text = NULL;
    size_t n;
    *out = NULL;
    TRY(file_read(path, max_bytes, &text, &n));
    if (strlen(text) != n)
        FAIL(ERR_CONFIG, "%s: holds a zero byte, so it is not JSON", path);
    TRY(json_parse(out, text, path));
out:
    MEM_FREE(text);
    return rc;
}

/* cJSON takes 15 digits for enough when they come close; a number must come back as it was. */
static int spell_numbers(cJSON *node)
{
    int rc = ERR_OK;
    char text[32];
    (void)snprintf(text, sizeof text, "%.15g", node->valuedouble);
    if (cJSON_IsNumber(node) && isfinite(node->valuedouble) &&
        strtod(text, NULL) != node->valuedouble) {
        (void)snprintf(text, sizeof text, "%.17g", node->valuedouble);
        node->valuestring = cJSON_malloc(sizeof text);
        if (!node->valuestring)
            FAIL(ERR_MEMORY, "out of memory: JSON text");
        memcpy(node->valuestring, text, sizeof text);
        node->type = (node->type & ~0xff) | cJSON_Raw; /* flags lie above the kind */
    }
    for (cJSON *c = node->child; c; c = c->next)
        TRY(spell_numbers(c));
out:
    return rc;
}

static int print_tree(char **out, const cJSON *tree, cJSON_bool indent, const char *end)
{
    int rc = ERR_OK;
    cJSON *copy = cJSON_Duplicate(tree, 1);
    char *raw = NULL;
    *out = NULL;
    if (!copy)
        FAIL(ERR_MEMORY, "out of memory: JSON text");
    TRY(spell_numbers(copy));
    raw = indent ? cJSON_Print(copy) : cJSON_PrintUnformatted(copy);
    if (!raw)
        FAIL(ERR_MEMORY, "out of memory: JSON text");
    TRY(str_make(out, "%s%s", raw, end));
out:
    cJSON_Delete(copy);
    cJSON_free(raw);
    return rc;
}

int json_text(char **out, const cJSON *tree)
{
    return print_tree(out, tree, 1, "\n");
}

int json_line(char **out, const cJSON *tree)
{
    return print_tree(out, tree, 0, "");
}

int json_write(const cJSON *tree, const char *path)
{
    int rc = ERR_OK;
    char *text = NULL;
    TRY(json_text(&text, tree));
    TRY(file_write(path, text, strlen(text)));
out:
    MEM_FREE(text);
    return rc;
}

void json_free(cJSON **tree)
{
    cJSON_Delete(*tree);
    *tree = NULL;
}

int json_put_text(cJSON *object, const char *key, const char *value)
{
    int rc = ERR_OK;
    if (!(value ? cJSON_AddStringToObject(object, key, value) : cJSON_AddNullToObject(object, key)))
        FAIL(ERR_MEMORY, "out of memory: JSON");
out:
    return rc;
}

int json_put_number(cJSON *object, const char *key, double value)
{
    int rc = ERR_OK;
    if (!cJSON_AddNumberToObject(object, key, value))
        FAIL(ERR_MEMORY, "out of memory: JSON");
out:
    return rc;
}

int json_put_object(cJSON *object, const char *key, cJSON **out)
{
    int rc = ERR_OK;
    *out = cJSON_AddObjectToObject(object, key);
    if (!*out)
        FAIL(ERR_MEMORY, "out of memory: JSON");
out:
    return rc;
}

int json_put_array(cJSON *object, const char *key, cJSON **out)
{
    int rc = ERR_OK;
    *out = cJSON_AddArrayToObject(object, key);
    if (!*out)
        FAIL(ERR_MEMORY, "out of memory: JSON");
out:
    return rc;
}

int json_push_object(cJSON *array, cJSON **out)
{
    int rc = ERR_OK;
    *out = cJSON_CreateObject();
    if (!*out || !cJSON_AddItemToArray(array, *out)) {
        cJSON_Delete(*out);
        *out = NULL;
        FAIL(ERR_MEMORY, "out of memory: JSON");
    }
out:
    return rc;
}

int json_new(cJSON **out)
{
    int rc = ERR_OK;
    *out = cJSON_CreateObject();
    if (!*out)
        FAIL(ERR_MEMORY, "out of memory: JSON");
out:
    return rc;
}
