/* Writes the two kinds of file that the published program loads, for torch.sh: write_torch FOLDER. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tensor/torch.h"

#include <stdio.h>

/* Element i is (i mod 251) / 8 - first, exact in float32; tools/golden/check_torch.py knows it too. */
static int add(struct torch_writer *w, const char *name, int rank, const size_t *dim, float first)
{
    int rc = ERR_OK;
    struct tensor t = {0};
    TRY(tensor_new(&t, DTYPE_F32, rank, dim));
    for (size_t i = 0; i < tensor_count(&t); i++)
        ((float *)t.data)[i] = (float)(i % 251) / 8 - first;
    TRY(torch_write_tensor(w, name, &t));
out:
    tensor_free(&t);
    return rc;
}

static int write_bank(const char *folder)
{
    int rc = ERR_OK;
    char *path = NULL;
    struct torch_writer *w = NULL;
    TRY(str_make(&path, "%s/cache_model.pt", folder));
    TRY(torch_write_begin(&w, path));
    TRY(add(w, "keys", 2, (size_t[]){300, 768}, 1)); /* sizes of one, two and four bytes */
    TRY(add(w, "values", 2, (size_t[]){300, 2}, 2));
    TRY(torch_write_commit(&w));
out:
    torch_write_abort(&w);
    MEM_FREE(path);
    return rc;
}

static int write_heads(const char *folder)
{
    int rc = ERR_OK;
    char *path = NULL;
    struct torch_writer *w = NULL;
    const int64_t steps[2] = {-5, (int64_t)1 << 40};
    const size_t two = 2;
    struct tensor t = tensor_view(DTYPE_I64, 1, &two, steps);
    TRY(str_make(&path, "%s/heads.pth", folder));
    TRY(torch_write_begin(&w, path));
    TRY(add(w, "image_proj/mlp1.weight", 2, (size_t[]){4, 6}, 3));
    TRY(add(w, "image_proj/mlp1.bias", 1, (size_t[]){6}, 4));
    TRY(add(w, "prompt_learner/ctx_pos", 4, (size_t[]){1, 1, 2, 3}, 5));
    TRY(add(w, "prompt_learner/inner/empty", 2, (size_t[]){0, 3}, 0));
    TRY(add(w, "scale", 0, NULL, 6));
    TRY(torch_write_tensor(w, "steps", &t));
    TRY(torch_write_commit(&w));
out:
    torch_write_abort(&w);
    MEM_FREE(path);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = argc == 2 ? ERR_OK : ERR_USAGE;
    if (!rc)
        rc = write_bank(argv[1]);
    if (!rc)
        rc = write_heads(argv[1]);
    if (rc)
        (void)fprintf(stderr, "write_torch: %s\n%s", err_message(), err_trace());
    return err_exit_status(rc);
}
