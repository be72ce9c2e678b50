/*
 * hash.h - 128-bit content hashes (XXH3), the names of artefacts.
 *
 * They guard against mix-ups and damage, not against an adversary.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HASH_HEX = 33 }; /* 32 digits and the final zero */

struct hash {
    uint64_t hi;
    uint64_t lo;
};

/* An unfinished hash; opaque, freed by hash_finish or hash_drop. */
struct hasher;

int hasher_new(struct hasher **out);
void hasher_add(struct hasher *h, const void *bytes, size_t n);

/* A string with its final zero, so that ("ab","c") and ("a","bc") differ. */
void hasher_add_text(struct hasher *h, const char *text);

/* The result; the hasher is freed and *h set to NULL. */
struct hash hasher_finish(struct hasher **h);
void hasher_free(struct hasher **h);

struct hash hash_bytes(const void *bytes, size_t n);

/* The content of a file. ERR_IO when it cannot be read. */
int hash_file(struct hash *out, const char *path);

/* 32 lower-case hexadecimal digits. */
void hash_hex(char out[HASH_HEX], struct hash h);

/* The other way; ERR_FORMAT when text is not 32 such digits. */
int hash_parse(struct hash *out, const char *text);

bool hash_equal(struct hash a, struct hash b);

/* Name and version of the hash library; static storage. */
const char *hash_library(void);

#endif /* BASE_HASH_H */
