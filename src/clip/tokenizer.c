/* tokenizer.c - text to CLIP's token ids and back; the public part of the tokenizer. See clip.h. */
#include "clip/clip.h"

#include "base/err.h"
#include "base/mem.h"
#include "clip/tokenizer_int.h"

#include <string.h>

int tokenizer_open(struct tokenizer **out, const char *folder_or_file)
{
    int rc = ERR_OK;
    *out = NULL;
    TRY(MEM_NEW(*out, 1));
    TRY(read_vocab(*out, folder_or_file));
out:
    if (rc)
        tokenizer_free(out);
    return rc;
}

int tokenizer_parse(struct tokenizer **out, const char *name, const void *bytes, size_t n)
{
    int rc = ERR_OK;
    *out = NULL;
    TRY(MEM_NEW(*out, 1));
    TRY(read_vocab_bytes(*out, name, bytes, n));
out:
    if (rc)
        tokenizer_free(out);
    return rc;
}

void tokenizer_free(struct tokenizer **tokenizer)
{
    struct tokenizer *t = *tokenizer;
    if (t) {
        str_free(&t->pool);
        MEM_FREE(t->token);
        mem_release((void *)t->text_of);
        MEM_FREE(t->merge);
    }
    MEM_FREE(*tokenizer);
}

size_t tokenizer_size(const struct tokenizer *tokenizer)
{
    return tokenizer->n;
}

int32_t tokenizer_start(const struct tokenizer *tokenizer)
{
    return tokenizer->start;
}

int32_t tokenizer_end(const struct tokenizer *tokenizer)
{
    return tokenizer->end;
}

/* Ids that fit are stored, all are counted. */
struct id_sink {
    int32_t *id;
    size_t cap;
    size_t n;
};

static void put(struct id_sink *sink, int32_t id)
{
    if (sink->n < sink->cap)
        sink->id[sink->n] = id;
    sink->n++;
}

static int encode(const struct tokenizer *t, const char *text, struct id_sink *sink)
{
    int rc = ERR_OK;
    struct bpe_space space = {0};
    struct word word = {0};
    uint32_t *code = NULL;
    size_t n;
    TRY(text_clean(&code, &n, text));
    TRY(bpe_space_init(&space, 4 * n + 1));
    while ((word = word_next(code, n, word.first + word.n)).kind != WORD_NONE) {
        size_t len = word.kind == WORD_PLAIN ? bpe_word(t, &space, code + word.first, word.n) : 0;
        for (size_t i = 0; i < len; i++)
            put(sink, space.symbol[i]);
        if (word.kind != WORD_PLAIN)
            put(sink, word.kind == WORD_START ? t->start : t->end);
    }
out:
    bpe_space_release(&space);
    MEM_FREE(code);
    return rc;
}

int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, int32_t *ids, size_t cap,
                     size_t *n)
{
    int rc = ERR_OK;
    struct id_sink sink = {ids, cap, 0};
    *n = 0;
    TRY(encode(tokenizer, text, &sink));
    *n = sink.n;
    if (sink.n > cap)
        FAIL(ERR_SHAPE, "text \"%.80s\" has %zu tokens, room is for %zu", text, sink.n, cap);
out:
    return rc;
}

int tokenizer_prompt(const struct tokenizer *tokenizer, const char *text, size_t context,
                     int32_t *ids)
{
    int rc = ERR_OK;
    struct id_sink sink = {ids, context, 0};
    put(&sink, tokenizer->start);
    TRY(encode(tokenizer, text, &sink));
    put(&sink, tokenizer->end);
    if (sink.n > context)
        FAIL(ERR_CONFIG, "text \"%.80s\" has %zu tokens with start and end, the model reads %zu",
             text, sink.n, context);
    while (sink.n < context)
        put(&sink, 0);
out:
    return rc;
}

/* A token's symbols are bytes; a mark at its end is a blank; start and end are their own names. */
static int decode_token(struct str *out, const char *text)
{
    int rc = ERR_OK;
    const char *p = text;
    bool is_end = str_ends(text, "</w>");
    const char *stop = text + strlen(text) - (is_end ? 4 : 0);
    while (p < stop) {
        uint32_t code;
        int byte = utf8_get(&p, &code) ? symbol_byte(code) : -1;
        char one = (char)byte;
        if (byte < 0)
            FAIL(ERR_FORMAT, "the token \"%s\" is not made of byte symbols", text);
        TRY(str_add_bytes(out, &one, 1));
    }
    if (is_end)
        TRY(str_add(out, " "));
out:
    return rc;
}

int tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t n, char **out)
{
    int rc = ERR_OK;
    struct str text = {0};
    *out = NULL;
    TRY(str_add(&text, ""));
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= tokenizer->n)
            FAIL(ERR_SHAPE, "token %zu is %d, the vocabulary has %zu", i, (int)ids[i],
                 tokenizer->n);
        TRY(decode_token(&text, tokenizer->text_of[ids[i]]));
    }
    *out = text.text;
    text.text = NULL;
out:
    str_free(&text);
    return rc;
}
