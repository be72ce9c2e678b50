/*
 * tokenizer_vocab.c - tokens and merges: collected, checked, sorted, looked up. See tokenizer_int.h.
 *
 * Order of calls: vocab_add and vocab_add_bytes, vocab_index, vocab_allow and vocab_add_merge,
 * vocab_finish. After that nothing changes any more.
 */
#include "clip/tokenizer_int.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_END_MARK "</w>"

/* Bytes whose symbol is themselves: printable and not blank in Latin-1. */
static bool is_printable(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
}

/* The other bytes are counted upwards from 256. */
uint32_t byte_symbol(unsigned byte)
{
    uint32_t code = 256;
    if (is_printable(byte))
        return byte;
    for (unsigned b = 0; b < byte; b++)
        code += !is_printable(b);
    return code;
}

int symbol_byte(uint32_t code)
{
    if (code < 256)
        return is_printable(code) ? (int)code : -1;
    for (unsigned byte = 0; byte < 256; byte++)
        if (!is_printable(byte) && byte_symbol(byte) == code)
            return (int)byte;
    return -1;
}

/* The symbol's text, at the end of a word with its mark: fits in 16 bytes. */
static void symbol_text(char out[16], unsigned byte, bool is_last)
{
    char utf8[4];
    int n = (int)utf8_put(utf8, byte_symbol(byte));
    (void)snprintf(out, 16, "%.*s%s", n, utf8, is_last ? WORD_END_MARK : "");
}

int vocab_add(struct tokenizer *t, const struct origin *from, const char *text, int64_t id,
              size_t place)
{
    int rc = ERR_OK;
    struct token *token;
    size_t len = strlen(text);
    if (len == 0 || len > VOCAB_MAX_BYTES)
        FAIL(ERR_FORMAT, "%s: %s %zu: a token of %zu bytes, wanted 1 to %d", from->file, from->unit,
             place, len, VOCAB_MAX_BYTES);
    if (t->n == VOCAB_MAX_TOKENS)
        FAIL(ERR_FORMAT, "%s: more than %d tokens", from->file, VOCAB_MAX_TOKENS);
    if (id < 0 || id >= VOCAB_MAX_TOKENS)
        FAIL(ERR_FORMAT, "%s: %s %zu: token \"%s\" has the id %lld, wanted 0 to %d", from->file,
             from->unit, place, text, (long long)id, VOCAB_MAX_TOKENS - 1);
    TRY(MEM_GROW(t->token, &t->cap, t->n + 1));
    token = &t->token[t->n++];
    token->at = t->pool.len;
    token->place = place;
    token->id = (int32_t)id;
    TRY(str_add_bytes(&t->pool, text, len + 1));
out:
    return rc;
}

int vocab_add_bytes(struct tokenizer *t, const struct origin *from)
{
    int rc = ERR_OK;
    for (int is_last = 0; is_last < 2; is_last++)
        for (int printable = 1; printable >= 0; printable--)
            for (unsigned byte = 0; byte < 256; byte++) {
                char text[16];
                if (is_printable(byte) != (printable == 1))
                    continue;
                symbol_text(text, byte, is_last == 1);
                TRY(vocab_add(t, from, text, (int64_t)t->n, 1));
            }
out:
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct token *)a)->text, ((const struct token *)b)->text);
}

static struct token *find(const struct tokenizer *t, const char *text)
{
    struct token key = {.text = text};
    return bsearch(&key, t->token, t->n, sizeof key, by_text);
}

int32_t vocab_find(const struct tokenizer *t, const char *text)
{
    const struct token *token = find(t, text);
    return token ? token->id : -1;
}

int vocab_allow(struct tokenizer *t, const struct origin *from, const char *text)
{
    int rc = ERR_OK;
    struct token *token = find(t, text);
    if (!token)
        FAIL(ERR_FORMAT, "%s: the token \"%s\" is missing", from->file, text);
    token->is_made = true;
out:
    return rc;
}

/* n different ids below n are dense. */
static int index_ids(struct tokenizer *t, const struct origin *from)
{
    int rc = ERR_OK;
    TRY(MEM_NEW(t->text_of, t->n));
    for (size_t i = 0; i < t->n; i++) {
        const struct token *token = &t->token[i];
        size_t id = (size_t)token->id;
        if (id >= t->n)
            FAIL(ERR_FORMAT, "%s: %s %zu: token \"%s\" has the id %zu, but there are %zu tokens",
                 from->file, from->unit, token->place, token->text, id, t->n);
        if (t->text_of[id])
            FAIL(ERR_FORMAT, "%s: %s %zu: token \"%s\" has the id %zu of \"%s\"", from->file,
                 from->unit, token->place, token->text, id, t->text_of[id]);
        t->text_of[id] = token->text;
    }
out:
    return rc;
}

static int index_bytes(struct tokenizer *t, const struct origin *from)
{
    int rc = ERR_OK;
    for (int is_last = 0; is_last < 2; is_last++)
        for (unsigned byte = 0; byte < 256; byte++) {
            char text[16];
            symbol_text(text, byte, is_last == 1);
            TRY(vocab_allow(t, from, text));
            t->byte_id[is_last][byte] = vocab_find(t, text);
        }
out:
    return rc;
}

int vocab_index(struct tokenizer *t, const struct origin *from)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < t->n; i++)
        t->token[i].text = t->pool.text + t->token[i].at;
    if (t->n)
        qsort(t->token, t->n, sizeof *t->token, by_text);
    for (size_t i = 1; i < t->n; i++)
        if (by_text(&t->token[i - 1], &t->token[i]) == 0)
            FAIL(ERR_FORMAT, "%s: token \"%s\" occurs twice, at %s %zu and %zu", from->file,
                 t->token[i].text, from->unit, t->token[i - 1].place, t->token[i].place);
    TRY(index_ids(t, from));
    TRY(index_bytes(t, from));
    TRY(vocab_allow(t, from, TOKEN_START));
    TRY(vocab_allow(t, from, TOKEN_END));
    t->start = vocab_find(t, TOKEN_START);
    t->end = vocab_find(t, TOKEN_END);
out:
    return rc;
}

static uint64_t pair_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

int vocab_add_merge(struct tokenizer *t, const struct origin *from, const char *left,
                    const char *right, size_t place)
{
    int rc = ERR_OK;
    char joined[2 * VOCAB_MAX_BYTES + 1] = "";
    int32_t id[2] = {vocab_find(t, left), vocab_find(t, right)};
    struct token *result;
    if (id[0] < 0 || id[1] < 0)
        FAIL(ERR_FORMAT, "%s: %s %zu: the merge's part \"%.80s\" is not in the vocabulary",
             from->file, from->unit, place, id[0] < 0 ? left : right);
    (void)snprintf(joined, sizeof joined, "%s%s", left, right);
    result = find(t, joined);
    if (!result)
        FAIL(ERR_FORMAT, "%s: %s %zu: the merge's result \"%.80s\" is not in the vocabulary",
             from->file, from->unit, place, joined);
    result->is_made = true;
    TRY(MEM_GROW(t->merge, &t->merges_cap, t->n_merges + 1));
    t->merge[t->n_merges] = (struct merge){.pair = pair_key(id[0], id[1]),
                                           .rank = (uint32_t)t->n_merges,
                                           .result = result->id,
                                           .place = place};
    t->n_merges++;
out:
    return rc;
}

static int by_pair(const void *a, const void *b)
{
    const struct merge *x = a;
    const struct merge *y = b;
    return (x->pair > y->pair) - (x->pair < y->pair);
}

const struct merge *vocab_merge(const struct tokenizer *t, int32_t left, int32_t right)
{
    struct merge key = {.pair = pair_key(left, right)};
    return t->n_merges ? bsearch(&key, t->merge, t->n_merges, sizeof key, by_pair) : NULL;
}

int vocab_finish(struct tokenizer *t, const struct origin *tokens, const struct origin *merges)
{
    int rc = ERR_OK;
    if (t->n_merges)
        qsort(t->merge, t->n_merges, sizeof *t->merge, by_pair);
    for (size_t i = 1; i < t->n_merges; i++)
        if (t->merge[i - 1].pair == t->merge[i].pair)
            FAIL(ERR_FORMAT, "%s: the same merge at %s %zu and %zu", merges->file, merges->unit,
                 t->merge[i - 1].place, t->merge[i].place);
    for (size_t i = 0; i < t->n; i++)
        if (!t->token[i].is_made)
            FAIL(ERR_FORMAT,
                 "%s: %s %zu: no merge of %s makes the token \"%s\": it is cut or of another "
                 "vocabulary",
                 tokens->file, tokens->unit, t->token[i].place, merges->file, t->token[i].text);
out:
    return rc;
}
