/*
 * fuzz_tokenizer.c - hostile vocabularies and texts. The first byte picks: even, the rest is a
 * vocabulary file; odd, a text for a vocabulary of three merges.
 */
#include "fuzz.h"

#include "base/err.h"
#include "base/mem.h"
#include "clip/clip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_IDS = 4096 };

static const char small[] = "#version: 0.2\na b</w>\nc d\ncd a\n";

static void round_trip(const struct tokenizer *t, const char *text)
{
    static int32_t ids[N_IDS];
    char *back = NULL;
    size_t n;
    if (tokenizer_encode(t, text, ids, N_IDS, &n) == ERR_OK)
        (void)tokenizer_decode(t, ids, n, &back);
    MEM_FREE(back);
    err_clear();
}

static void try_text(const uint8_t *data, size_t n)
{
    struct tokenizer *t = NULL;
    char *text = NULL;
    BUG_ON(tokenizer_parse(&t, "small", small, strlen(small)) != ERR_OK);
    if (MEM_NEW(text, n + 1) == ERR_OK) {
        if (n)
            memcpy(text, data, n);
        round_trip(t, text);
    }
    MEM_FREE(text);
    tokenizer_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct tokenizer *t = NULL;
    if (n == 0)
        return 0;
    if (data[0] & 1) {
        try_text(data + 1, n - 1);
        return 0;
    }
    if (tokenizer_parse(&t, "fuzz", data + 1, n - 1) == ERR_OK)
        round_trip(t, "It's a &lt;DAMAGED&gt; b\xC3\xA9ton, 42!");
    tokenizer_free(&t);
    err_clear();
    if (mem_live() != 0) {
        (void)fprintf(stderr, "%zu blocks of memory were not freed\n", mem_live());
        abort();
    }
    return 0;
}

/* The first byte chooses: odd, the rest is a text; even, a vocabulary. */
void fuzz_corpus(void)
{
    static const char text[] = "\1It's  caf\xC3\xA9 no. 42 &amp; more!!";
    static const char words[] = "\0#version: 0.2\nd a\nda m\nc a</w>\n";
    fuzz_add(text, sizeof text - 1);
    fuzz_add(words, sizeof words - 1);
    fuzz_add(small, strlen(small));
}
