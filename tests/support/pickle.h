/*
 * pickle.h - pickles as string literals, for tests of the PyTorch reader.
 *
 * The archive of pickle_archive has storages "0": twelve floats 0 to 11, "1": int64 5, -6, 1 << 40,
 * "2": halves 1, -2, 0.5, "3": bytes 0 to 255, "4": doubles 0.1, 2.
 */
#ifndef SUPPORT_PICKLE_H
#define SUPPORT_PICKLE_H

#include <stddef.h>
#include <stdint.h>

/* A literal and its size; literals hold zero bytes. */
#define BYTES(literal) (literal), sizeof(literal) - 1

/* len is an escape: TEXT("\4", "keys") */
#define TEXT(len, text) "X" len "\0\0\0" text
#define ONE_OF(k)       "X\1\0\0\0" k /* a text of one character */
#define INT(n)          "K" n         /* INT("\5") */

#define STORAGE(type, key, count) \
    "(" TEXT("\7", "storage") "ctorch\n" type "\n" ONE_OF(key) TEXT("\3", "cpu") INT(count) "tQ"
#define HOOKS "ccollections\nOrderedDict\n)R"

/* dims and strides are tuples: "K\3K\2\x86", or "K\3\x85", or ")" */
#define TENSOR(type, key, count, offset, dims, strides)                                       \
    "ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE(type, key, count) INT(offset) dims strides \
        "\x89" HOOKS "tR"

/* The archive around such pickles; its own data.pkl is None. free() it. */
uint8_t *pickle_archive(size_t *n);

#endif /* SUPPORT_PICKLE_H */
