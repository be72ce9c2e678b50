/*
 * tokenizer_clean.c - text as the pattern sees it: basic_clean and whitespace_clean of CLIP, lower case.
 *
 * In:  UTF-8. Out: code points. What ftfy.fix_text would do first is not done; docs/TOKENIZER.md.
 */
#include "clip/tokenizer_int.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

enum { CODE_MAX = 0x10FFFF, REPLACEMENT = 0xFFFD, NAME_MAX_CODES = 32, DROPPED = -1 };

bool in_ranges(const struct code_range *table, size_t n, uint32_t code)
{
    size_t low = 0;
    size_t high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code > table[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && code >= table[low].first;
}

static bool is_space(uint32_t code)
{
    return in_ranges(spaces, n_spaces, code);
}

size_t utf8_put(char out[4], uint32_t code)
{
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(lead[n] | code);
    return n;
}

bool utf8_get(const char **p, uint32_t *out)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)*p;
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    uint32_t code = n == 1 ? s[0] : s[0] & (0x7FU >> n);
    if (s[0] >= 0xF8 || (s[0] >= 0x80 && s[0] < 0xC0))
        return false;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return false;
        code = code << 6 | (s[i] & 0x3FU);
    }
    if (code < smallest[n] || code > CODE_MAX || (code >= 0xD800 && code < 0xE000))
        return false;
    *p += n;
    *out = code;
    return true;
}

static int decode(uint32_t *out, size_t *n, const char *text)
{
    int rc = ERR_OK;
    const char *p = text;
    *n = 0;
    while (*p) {
        if (!utf8_get(&p, &out[*n]))
            FAIL(ERR_CONFIG, "text is not valid UTF-8 at byte %zu: 0x%02X", (size_t)(p - text),
                 (unsigned)(unsigned char)*p);
        (*n)++;
    }
out:
    return rc;
}

/* The number of a reference as HTML 5 reads it; DROPPED for one that stands for nothing. */
static int32_t number_code(uint32_t number)
{
    static const uint16_t windows[32] = {
        0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
        0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
        0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178,
    };
    if (number == 0 || number > CODE_MAX || (number >= 0xD800 && number < 0xE000))
        return REPLACEMENT;
    if (number >= 0x80 && number < 0xA0)
        return windows[number - 0x80];
    if (number < 0x20 && number != '\t' && number != '\n' && number != '\f' && number != '\r')
        return DROPPED;
    if (number == 0x7F || (number >= 0xFDD0 && number <= 0xFDEF) || (number & 0xFFFE) == 0xFFFE)
        return DROPPED;
    return (int32_t)number;
}

/* The value of a digit in a base of 10 or 16, or the base. */
static uint32_t digit(uint32_t c, uint32_t base)
{
    uint32_t value = base;
    if (c >= '0' && c <= '9')
        value = c - '0';
    else if (c >= 'a' && c <= 'f')
        value = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
        value = c - 'A' + 10;
    return value < base ? value : base;
}

/* c[0..1] is "&#". Returns the length of the reference, 0 when it is none. */
static size_t number_reference(const uint32_t *c, size_t n, int32_t *out)
{
    size_t at = 2;
    size_t first;
    uint32_t number = 0;
    uint32_t base = 10;
    if (at < n && (c[at] == 'x' || c[at] == 'X')) {
        base = 16;
        at++;
    }
    for (first = at; at < n && digit(c[at], base) < base; at++)
        if (number <= CODE_MAX)
            number = number * base + digit(c[at], base);
    if (at == first)
        return 0;
    *out = number_code(number);
    return at < n && c[at] == ';' ? at + 1 : at;
}

static bool begins_with(const uint32_t *c, size_t n, const char *name)
{
    size_t i = 0;
    while (name[i] && i < n && c[i] == (unsigned char)name[i])
        i++;
    return !name[i];
}

/* c[0] is '&'. Returns the length of the reference, 0 when its name is not among ours. */
static size_t name_reference(const uint32_t *c, size_t n, int32_t *out)
{
    /* bare: HTML 5 knows it without ';', then also in front of other letters; shared: longer names
       that end in ';' begin like it, and these are not known here */
    static const struct {
        const char *name;
        int32_t code;
        bool is_bare;
        bool is_shared;
    } names[] = {
        {"amp", '&', true, false},    {"AMP", '&', true, false},  {"lt", '<', true, true},
        {"LT", '<', true, false},     {"gt", '>', true, true},    {"GT", '>', true, false},
        {"quot", '"', true, false},   {"QUOT", '"', true, false}, {"nbsp", 0xA0, true, false},
        {"apos", '\'', false, false},
    };
    size_t len = 0;
    while (1 + len < n && len < NAME_MAX_CODES && c[1 + len] != '\t' && c[1 + len] != '\n' &&
           c[1 + len] != '\f' && c[1 + len] != ' ' && c[1 + len] != '<' && c[1 + len] != '&' &&
           c[1 + len] != '#' && c[1 + len] != ';')
        len++;
    bool is_closed = 1 + len < n && c[1 + len] == ';';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t want = strlen(names[i].name);
        if (!begins_with(c + 1, len, names[i].name))
            continue;
        *out = names[i].code;
        if (len == want && is_closed)
            return want + 2;
        if (names[i].is_bare && (len == want || !is_closed || !names[i].is_shared))
            return want + 1;
    }
    return 0;
}

/* html.unescape in place; a reference never becomes longer. Returns the new length. */
static size_t unescape(uint32_t *c, size_t n)
{
    size_t kept = 0;
    for (size_t at = 0; at < n;) {
        int32_t code = (int32_t)c[at];
        size_t used = 0;
        if (c[at] == '&')
            used = at + 1 < n && c[at + 1] == '#' ? number_reference(c + at, n - at, &code)
                                                  : name_reference(c + at, n - at, &code);
        if (!used)
            code = (int32_t)c[at];
        if (code != DROPPED)
            c[kept++] = (uint32_t)code;
        at += used ? used : 1;
    }
    return kept;
}

/* What str.strip removes: four separators more than the pattern's white space. */
static bool is_trimmed(uint32_t code)
{
    return is_space(code) || (code >= 0x1C && code <= 0x1F);
}

/* Nothing blank at the ends, one blank for each run inside. Returns the new length. */
static size_t collapse(uint32_t *c, size_t n)
{
    size_t kept = 0;
    size_t at = 0;
    while (n > 0 && is_trimmed(c[n - 1]))
        n--;
    while (at < n && is_trimmed(c[at]))
        at++;
    for (; at < n; at++)
        if (!is_space(c[at]))
            c[kept++] = c[at];
        else if (c[kept - 1] != ' ')
            c[kept++] = ' ';
    return kept;
}

static uint32_t simple_lower(uint32_t code)
{
    size_t low = 0;
    size_t high = n_lower_runs;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code > lower_runs[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == n_lower_runs || code < lower_runs[low].first ||
        (code - lower_runs[low].first) % lower_runs[low].step)
        return code;
    return (uint32_t)((int32_t)code + lower_runs[low].delta);
}

/* A capital sigma is final when a cased letter comes before it and none after. */
static bool is_final_sigma(const uint32_t *c, size_t n, size_t at)
{
    size_t before = at;
    size_t after = at + 1;
    while (before > 0 && in_ranges(case_ignorable, n_case_ignorable, c[before - 1]))
        before--;
    while (after < n && in_ranges(case_ignorable, n_case_ignorable, c[after]))
        after++;
    return before > 0 && in_ranges(cased, n_cased, c[before - 1]) &&
           !(after < n && in_ranges(cased, n_cased, c[after]));
}

/* str.lower: the simple mappings and the two characters that have another. out[2 n]. */
static size_t lower(uint32_t *out, const uint32_t *c, size_t n)
{
    size_t len = 0;
    for (size_t at = 0; at < n; at++) {
        if (c[at] == 0x130) { /* capital I with dot: i and a combining dot */
            out[len++] = 'i';
            out[len++] = 0x307;
        } else if (c[at] == 0x3A3) {
            out[len++] = is_final_sigma(c, n, at) ? 0x3C2 : 0x3C3;
        } else {
            out[len++] = simple_lower(c[at]);
        }
    }
    return len;
}

int text_clean(uint32_t **out, size_t *n, const char *text)
{
    int rc = ERR_OK;
    uint32_t *code = NULL;
    size_t len = strlen(text);
    *out = NULL;
    *n = 0;
    if (len > TEXT_MAX_BYTES)
        FAIL(ERR_CONFIG, "text \"%.40s...\" has %zu bytes; more than %d are not tokenized", text,
             len, TEXT_MAX_BYTES);
    TRY(MEM_NEW(code, len + 1));
    TRY(MEM_NEW(*out, 2 * len + 1));
    TRY(decode(code, &len, text));
    len = unescape(code, unescape(code, len));
    len = collapse(code, len);
    *n = lower(*out, code, len);
out:
    MEM_FREE(code);
    if (rc)
        MEM_FREE(*out);
    return rc;
}
