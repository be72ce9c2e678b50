/* json_seal.c - see json.h: files that carry a hash of themselves. */
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "config/json.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <string.h>

enum { DIGITS = HASH_HEX - 1 };

/* Stands for the hash in what is hashed. */
static const char unset[] = "00000000000000000000000000000000";

/* The digits of the last "hash" of a text that json_text made, or NULL. */
static char *find_digits(char *text)
{
    static const char mark[] = "\"hash\":\t\"";
    char *digits = NULL;
    for (char *at = strstr(text, mark); at; at = strstr(digits, mark))
        digits = at + strlen(mark);
    return digits && strlen(digits) > DIGITS ? digits : NULL;
}

int json_write_sealed(cJSON *tree, const char *path)
{
    int rc = ERR_OK;
    char *text = NULL;
    char *digits;
    char hex[HASH_HEX];
    TRY(json_put_text(tree, "hash", unset));
    TRY(json_text(&text, tree));
    hash_hex(hex, hash_bytes(text, strlen(text)));
    digits = find_digits(text);
    BUG_ON(!digits);
    memcpy(digits, hex, DIGITS);
    TRY(file_write(path, text, strlen(text)));
out:
    MEM_FREE(text);
    return rc;
}

int json_read_sealed(cJSON **out, const char *path, size_t max_bytes)
{
    int rc = ERR_OK;
    char *text = NULL;
    char *digits;
    char hex[HASH_HEX];
    bool is_whole = false;
    size_t n;
    *out = NULL;
    TRY(file_read(path, max_bytes, &text, &n));
    digits = find_digits(text);
    if (digits) {
        char found[HASH_HEX] = "";
        memcpy(found, digits, DIGITS);
        memcpy(digits, unset, DIGITS);
        hash_hex(hex, hash_bytes(text, n));
        is_whole = strcmp(found, hex) == 0;
    }
    if (!is_whole)
        FAIL(ERR_FORMAT, "%s: is damaged: its content is not what its hash says", path);
    TRY(json_parse(out, text, path));
out:
    MEM_FREE(text);
    return rc;
}
