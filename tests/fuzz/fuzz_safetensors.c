/* Fuzz target: the reader of safetensors files. */
#include "fuzz.h"

#include "base/err.h"
#include "base/mem.h"
#include "clip/safetensors_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct safetensors s = {0};
    volatile unsigned char seen = 0;
    if (safetensors_open(&s, "input", data, n) == ERR_OK)
        for (size_t i = 0; i < s.n; i++) /* each byte that a tensor claims can be read */
            for (size_t k = s.tensor[i].first; k < s.tensor[i].last; k++)
                seen = (unsigned char)(seen ^ s.tensor[i].data[k - s.tensor[i].first]);
    safetensors_close(&s);
    err_clear();
    if (mem_live() != 0) {
        (void)fprintf(stderr, "%zu blocks of memory were not freed\n", mem_live());
        abort();
    }
    return 0;
}

static void add(const char *header, size_t n_data)
{
    uint8_t bytes[1024] = {0};
    size_t n = strlen(header);
    bytes[0] = (uint8_t)n;
    bytes[1] = (uint8_t)(n >> 8);
    (void)snprintf((char *)bytes + 8, sizeof bytes - 8, "%s", header);
    fuzz_add(bytes, 8 + n + n_data);
}

void fuzz_corpus(void)
{
    add("{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}", 24);
    add("{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":"
        "[0,8]},\"b.c\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]}}   ",
        16);
    add("{\"\\u00e9\":{\"dtype\":\"BF16\",\"shape\":[0,7],\"data_offsets\":[0,0]}}", 0);
}
