/*
 * tokenizer_split.c - a cleaned text into words, as CLIP's pattern does:
 *
 *     <|startoftext|>|<|endoftext|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 *
 * The first alternative that fits wins; the pattern ignores case.
 */
#include "clip/tokenizer_int.h"

#include <string.h>

/* Matches no alternative when case is ignored: its capital is a letter, it is none itself. */
enum { COMBINING_IOTA = 0x345, LONG_S = 0x17F };

static bool is_letter(uint32_t code)
{
    return in_ranges(letters, n_letters, code);
}

static bool is_number(uint32_t code)
{
    return in_ranges(numbers, n_numbers, code);
}

/* After cleaning, a blank is the only white space. */
static bool is_other(uint32_t code)
{
    return code != ' ' && code != COMBINING_IOTA && !is_letter(code) && !is_number(code);
}

/* The length of name when the text begins with it (the long s is an s without case), else 0. */
static size_t match(const uint32_t *code, size_t n, const char *name)
{
    size_t len = strlen(name);
    if (len > n)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (code[i] != (unsigned char)name[i] && !(code[i] == LONG_S && name[i] == 's'))
            return 0;
    return len;
}

static size_t match_ending(const uint32_t *code, size_t n)
{
    static const char *const ending[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        size_t len = match(code, n, ending[i]);
        if (len)
            return len;
    }
    return 0;
}

static size_t run(const uint32_t *code, size_t n, bool (*is_kind)(uint32_t))
{
    size_t len = 0;
    while (len < n && is_kind(code[len]))
        len++;
    return len;
}

/* With a long s in it a special token is matched, but is an ordinary word to CLIP. */
static bool is_exact(const uint32_t *code, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (code[i] == LONG_S)
            return false;
    return true;
}

static struct word word_at(const uint32_t *code, size_t n)
{
    struct word word = {0, 0, WORD_PLAIN};
    if ((word.n = match(code, n, TOKEN_START))) {
        word.kind = is_exact(code, word.n) ? WORD_START : WORD_PLAIN;
        return word;
    }
    if ((word.n = match(code, n, TOKEN_END))) {
        word.kind = is_exact(code, word.n) ? WORD_END : WORD_PLAIN;
        return word;
    }
    if ((word.n = match_ending(code, n)) || (word.n = run(code, n, is_letter)))
        return word;
    word.n = is_number(code[0]) ? 1 : run(code, n, is_other);
    return word;
}

struct word word_next(const uint32_t *code, size_t n, size_t at)
{
    struct word none = {n, 0, WORD_NONE};
    for (; at < n; at++) {
        struct word word = word_at(code + at, n - at);
        word.first = at;
        if (word.n)
            return word;
    }
    return none;
}
