/* cmd_import.c - mrad import and export: banks and checkpoints as files of the published program. */
#include "bank/bank.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "head/head.h"
#include "tensor/h5.h"

#include <stdio.h>
#include <string.h>

/* The first operand: bank or head. */
static int what(const struct args *a, bool *is_bank)
{
    int rc = ERR_OK;
    const char *word = args_operand(a, 0);
    *is_bank = word && strcmp(word, "bank") == 0;
    if (!*is_bank && !(word && strcmp(word, "head") == 0))
        FAIL(ERR_USAGE, "%s: wanted what to %s first: bank or head", a->verb, a->verb);
    if (!a->out)
        FAIL(ERR_USAGE, "%s: wants --out", a->verb);
out:
    return rc;
}

static int describe_bank(const struct args *a)
{
    int rc = ERR_OK;
    struct bank *b = NULL;
    char *text = NULL;
    TRY(bank_load(&b, a->out));
    TRY(str_make(&text, "%s: %zu image keys (%zu anomalous), %zu pixel keys (%zu anomalous)\n",
                 a->out, b->n_image, bank_anomalous(b->image_labels, b->n_image), b->n_pixel,
                 bank_anomalous(b->pixel_labels, b->n_pixel)));
    TRY(cmd_print(a, text));
out:
    bank_free(&b);
    MEM_FREE(text);
    return rc;
}

/* The key of --bank, or NULL. Free with MEM_FREE. */
static int bank_key(char **out, const struct args *a)
{
    int rc = ERR_OK;
    struct bank *b = NULL;
    struct h5 *f = NULL;
    *out = NULL;
    if (!a->bank)
        return ERR_OK;
    TRY(bank_load(&b, a->bank));
    TRY(h5_open(&f, a->bank));
    TRY(h5_get_text(f, "/", "key", out));
out:
    bank_free(&b);
    h5_close(&f);
    return rc;
}

int cmd_import(struct args *a)
{
    int rc = ERR_OK;
    bool is_bank;
    char *key = NULL;
    char *text = NULL;
    TRY(what(a, &is_bank));
    if (is_bank) {
        TRY(args_operands(a, 3, 3, "bank, the image file and the patch file"));
        TRY(bank_import(a->operand[1], a->operand[2], a->out));
        TRY(describe_bank(a));
    } else {
        TRY(args_operands(a, 2, 2, "head and one checkpoint"));
        TRY(bank_key(&key, a));
        TRY(head_import(a->operand[1], key, a->out, &text));
        TRY(cmd_print(a, text));
    }
out:
    MEM_FREE(key);
    MEM_FREE(text);
    return rc;
}

/* --out DIR/NAME gives DIR/cache_model_NAME.pt and DIR/cache_patch_model_NAME.pt. */
static int export_bank(const struct args *a)
{
    int rc = ERR_OK;
    struct bank *b = NULL;
    const char *slash = strrchr(a->out, '/');
    const char *name = slash ? slash + 1 : a->out;
    int n_dir = (int)(name - a->out);
    char *image = NULL;
    char *patch = NULL;
    char *text = NULL;
    TRY(bank_load(&b, a->operand[1]));
    TRY(str_make(&image, "%.*scache_model_%s.pt", n_dir, a->out, name));
    TRY(str_make(&patch, "%.*scache_patch_model_%s.pt", n_dir, a->out, name));
    TRY(bank_export(b, image, patch));
    TRY(str_make(&text, "%s\n%s\n", image, patch));
    TRY(cmd_print(a, text));
out:
    bank_free(&b);
    MEM_FREE(image);
    MEM_FREE(patch);
    MEM_FREE(text);
    return rc;
}

int cmd_export(struct args *a)
{
    int rc = ERR_OK;
    bool is_bank;
    TRY(what(a, &is_bank));
    if (is_bank) {
        TRY(args_operands(a, 2, 2, "bank and one bank file"));
        TRY(export_bank(a));
    } else {
        TRY(args_operands(a, 2, 3, "head and the head.h5 of MRAD-FT, of MRAD-CLIP, or both"));
        TRY(head_export((const char *const *)a->operand + 1, a->n_operands - 1, a->out));
    }
out:
    return rc;
}
