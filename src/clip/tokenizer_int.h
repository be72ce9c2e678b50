/*
 * tokenizer_int.h - the parts of the tokenizer: vocabulary, cleaning, splitting, merging.
 *
 *     file -> tokenizer_read.c -> vocab_* (tokenizer_vocab.c) -> struct tokenizer
 *     text -> text_clean (code points) -> word_next (words) -> bpe_word (ids)
 *
 * All lookups are binary searches in sorted arrays: a hostile vocabulary cannot make them slow.
 */
#ifndef CLIP_TOKENIZER_INT_H
#define CLIP_TOKENIZER_INT_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VOCAB_MAX_TOKENS = 1 << 20,
    VOCAB_MAX_BYTES = 1024,             /* of one token's text */
    VOCAB_MAX_MERGES = 49152 - 256 - 2, /* CLIP reads no more lines than these */
    TEXT_MAX_BYTES = 1 << 16,
};

#define TOKEN_START "<|startoftext|>"
#define TOKEN_END   "<|endoftext|>"

/* Where a token or merge was read, for messages. */
struct origin {
    const char *file;
    const char *unit; /* what is counted from 1: "line", "entry" */
};

struct token {
    const char *text; /* in the pool; set by vocab_index */
    size_t at;        /* its offset in the pool */
    size_t place;     /* its line or entry */
    int32_t id;
    bool is_made; /* a byte symbol, start, end, added, or the result of a merge */
};

struct merge {
    uint64_t pair; /* left id << 32 | right id */
    uint32_t rank; /* the smallest is applied first */
    int32_t result;
    size_t place;
};

struct tokenizer {
    struct str pool;      /* texts of all tokens, each with its final zero */
    struct token *token;  /* [n], sorted by text after vocab_index */
    const char **text_of; /* [n], by id */
    struct merge *merge;  /* [n_merges], sorted by pair after vocab_finish */
    size_t n;
    size_t cap;
    size_t n_merges;
    size_t merges_cap;
    int32_t byte_id[2][256]; /* the byte's symbol inside a word; at its end */
    int32_t start;
    int32_t end;
};

/* Append a token's text. Before vocab_index. ERR_FORMAT for a text or id out of bounds. */
int vocab_add(struct tokenizer *t, const struct origin *from, const char *text, int64_t id,
              size_t place);

/* Append the 512 byte symbols in CLIP's order: inside a word, then with "</w>". */
int vocab_add_bytes(struct tokenizer *t, const struct origin *from);

/* All tokens are there: check that texts and ids are unique, ids dense, byte symbols present. */
int vocab_index(struct tokenizer *t, const struct origin *from);

/* Mark a token as valid without a merge; after vocab_index. ERR_FORMAT when it is unknown. */
int vocab_allow(struct tokenizer *t, const struct origin *from, const char *text);

/* Append a merge, of lower priority than all before; both parts and the result must be tokens. */
int vocab_add_merge(struct tokenizer *t, const struct origin *from, const char *left,
                    const char *right, size_t place);

/* All merges are there: check that they are unique and make every token. */
int vocab_finish(struct tokenizer *t, const struct origin *tokens, const struct origin *merges);

/* The token's id, or -1. After vocab_index. */
int32_t vocab_find(const struct tokenizer *t, const char *text);

/* The merge of two neighbours, or NULL. After vocab_finish. */
const struct merge *vocab_merge(const struct tokenizer *t, int32_t left, int32_t right);

/* The code point that stands for a byte in a vocabulary (GPT-2's mapping), and back; -1: none. */
uint32_t byte_symbol(unsigned byte);
int symbol_byte(uint32_t code);

/* A vocabulary file or folder into an empty t. */
int read_vocab(struct tokenizer *t, const char *path);

/* The content of a file without a partner: gzip, text, tokenizer.json. Changes bytes[n] freely. */
int read_vocab_bytes(struct tokenizer *t, const char *name, const char *bytes, size_t n);

/* Append a code point as UTF-8; returns its length, 1 to 4. */
size_t utf8_put(char out[4], uint32_t code);

/* Read one code point and step over it; false for invalid UTF-8, *p stays. */
bool utf8_get(const char **p, uint32_t *out);

/*
 * Decode, resolve references twice, collapse white space, lower case: code points that belong to the
 * caller (MEM_FREE). ERR_CONFIG for invalid UTF-8 or more than TEXT_MAX_BYTES.
 */
int text_clean(uint32_t **out, size_t *n, const char *text);

struct word {
    size_t first; /* code points [first, first + n) of the text */
    size_t n;
    enum { WORD_NONE, WORD_PLAIN, WORD_START, WORD_END } kind;
};

/* The next word at or after `at`; WORD_NONE at the end of the text. */
struct word word_next(const uint32_t *code, size_t n, size_t at);

/* Room for merging one word. */
struct bpe_space {
    int32_t *symbol;            /* [cap] */
    const struct merge **merge; /* [cap], of symbol i with symbol i + 1 */
};

int bpe_space_init(struct bpe_space *s, size_t cap);
void bpe_space_release(struct bpe_space *s);

/* Code points of one word -> space->symbol; returns their number. Needs room for 4 n symbols. */
size_t bpe_word(const struct tokenizer *t, struct bpe_space *space, const uint32_t *code, size_t n);

/* Tables of tokenizer_tables.c, sorted. */
struct code_range {
    uint32_t first;
    uint32_t last;
};

struct lower_run {
    uint32_t first;
    uint32_t last;
    uint32_t step;
    int32_t delta;
};

extern const struct code_range letters[];
extern const size_t n_letters;
extern const struct code_range numbers[];
extern const size_t n_numbers;
extern const struct code_range spaces[];
extern const size_t n_spaces;
extern const struct code_range cased[];
extern const size_t n_cased;
extern const struct code_range case_ignorable[];
extern const size_t n_case_ignorable;
extern const struct lower_run lower_runs[];
extern const size_t n_lower_runs;

/* Whether a sorted table of n ranges holds code. */
bool in_ranges(const struct code_range *table, size_t n, uint32_t code);

#endif /* CLIP_TOKENIZER_INT_H */
