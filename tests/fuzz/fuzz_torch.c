/*
 * Fuzz target: the reader of PyTorch files. An input that begins as a zip archive is a whole file; any
 * other one is a pickle, read beside a fixed archive, since an archive's CRC would stop most changes.
 */
#include "archive.h"
#include "fuzz.h"

#include "base/err.h"
#include "base/mem.h"
#include "tensor/torch.h"
#include "tensor/torch_int.h"

#include <stdio.h>
#include <stdlib.h>

#define OPENED "ctorch._utils\n_rebuild_tensor_v2\n(("
#define STORED                                        \
    "X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" \
    "0X\3\0\0\0cpuK\14tQ"
#define TENSOR                                  \
    OPENED STORED "K\0K\3K\2\x86K\2K\1\x86\x89" \
                  "ccollections\nOrderedDict\n)RtR"

static const char bank[] = "\x80\2}(X\4\0\0\0keys" TENSOR "X\6\0\0\0valuesq\1" TENSOR "u.";
static const char module[] =
    "\x80\2c__torch__\nNode\n)\x81}(X\1\0\0\0a" TENSOR
    "X\1\0\0\0bc__torch__.m\nNode\n)\x81}X\1\0\0\0c" TENSOR "sbX\2\0\0\0onNub.";
static const char state[] = "\x80\2ccollections\nOrderedDict\n)Rq\0(X\1\0\0\0w" TENSOR
                            "X\1\0\0\0n\x8a\3\1\2\3u}X\1\0\0\0mh\0s0b.";
static const char plain[] =
    "\x80\2](K\1M\1\2J\377\377\377\377G?\360\0\0\0\0\0\0\x88\x89N(K\1K\2tq\5h\5"
    "X\2\0\0\0ab}K\1K\2s]K\7a\x85\x86\x87"
    "e.";

static const float numbers[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

static uint8_t *build(const char *pickle, size_t n_pickle, bool deflate, size_t *n)
{
    const struct archive_part part[] = {
        {"a/data.pkl", pickle, n_pickle, deflate},
        {"a/byteorder", "little", 6, false},
        {"a/data/0", numbers, sizeof numbers, deflate},
    };
    return archive_build(part, sizeof part / sizeof *part, n);
}

struct reading {
    struct torch_file *f;
    size_t n_tensors;
};

static int read_one(void *user, const char *name, const struct torch_value *t)
{
    struct reading *r = user;
    struct tensor out = {0};
    (void)name;
    if (torch_tensor_read(r->f, t, t->is_float ? DTYPE_F32 : DTYPE_I32, &out))
        err_clear();
    tensor_free(&out);
    return r->n_tensors++ < 64 ? ERR_OK : ERR_STOPPED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static uint8_t *fixed;
    static size_t n_fixed;
    struct reading r = {0};
    int rc;
    if (!fixed)
        fixed = build(plain, sizeof plain - 1, false, &n_fixed);
    if (torch_is_file(data, n))
        rc = torch_open_bytes(&r.f, "input", data, n);
    else
        rc = torch_open_pickle(&r.f, "input", fixed, n_fixed, data, n);
    if (rc == ERR_OK) {
        (void)torch_get(torch_root(r.f), "a.b.c");
        (void)torch_walk(torch_root(r.f), read_one, &r);
    }
    torch_close(&r.f);
    err_clear();
    if (mem_live() != 0) {
        (void)fprintf(stderr, "%zu blocks of memory were not freed\n", mem_live());
        abort();
    }
    return 0;
}

static void add(const char *pickle, size_t n_pickle, bool deflate)
{
    size_t n;
    uint8_t *archive = build(pickle, n_pickle, deflate, &n);
    fuzz_add(pickle, n_pickle);
    fuzz_add(archive, n);
    free(archive);
}

void fuzz_corpus(void)
{
    add(bank, sizeof bank - 1, false);
    add(module, sizeof module - 1, true);
    add(state, sizeof state - 1, false);
    add(plain, sizeof plain - 1, true);
}
