/* torch.c - see torch.h: opening and closing a file, the nodes that belong to it. */
#include "tensor/torch.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "tensor/torch_int.h"

#include <string.h>

static bool is_zip(const void *bytes, size_t n)
{
    /* an entry, or the directory of an archive that has none */
    return n >= 4 && (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "PK\5\6", 4) == 0);
}

/* Before there were archives, a magic number was pickled first. */
static bool is_legacy(const void *bytes, size_t n)
{
    static const uint8_t magic[] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46};
    return n >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

bool torch_is_file(const void *bytes, size_t n)
{
    return is_zip(bytes, n) || is_legacy(bytes, n);
}

static int check_magic(const void *bytes, size_t n)
{
    int rc = ERR_OK;
    if (is_legacy(bytes, n))
        FAIL(ERR_FORMAT, "written by torch.save before 1.6, which is not read: load and save it "
                         "with a newer PyTorch");
    if (!is_zip(bytes, n))
        FAIL(ERR_FORMAT, "not a file of torch.save or torch.jit.save: it is no zip archive");
out:
    return rc;
}

/* Files of big-endian machines say so; older files say nothing and are little-endian. */
static int check_order(const struct torch_file *f)
{
    int rc = ERR_OK;
    uint64_t entry;
    size_t n;
    uint8_t *order = NULL;
    if (!archive_has(&f->archive, "byteorder"))
        return ERR_OK;
    TRY(archive_find(&f->archive, "byteorder", &entry, &n));
    if (n <= 16)
        TRY(archive_read(&f->archive, entry, &order, &n));
    if (!order || n != 6 || memcmp(order, "little", 6) != 0)
        FAIL(ERR_FORMAT, "entry byteorder: only \"little\" is read");
out:
    MEM_FREE(order);
    return rc;
}

static int read_pickle(struct torch_file *f)
{
    int rc = ERR_OK;
    uint64_t entry;
    size_t n;
    uint8_t *pickle = NULL;
    TRY(archive_find(&f->archive, "data.pkl", &entry, &n));
    if (n > TORCH_MAX_PICKLE)
        FAIL(ERR_FORMAT, "entry data.pkl has %zu bytes, at most %d are read", n, TORCH_MAX_PICKLE);
    TRY(archive_read(&f->archive, entry, &pickle, &n));
    TRY(torch_pickle(f, pickle, n));
out:
    MEM_FREE(pickle);
    return rc;
}

int torch_open_pickle(struct torch_file **out, const char *name, const void *bytes, size_t n,
                      const void *pickle, size_t n_pickle)
{
    int rc = ERR_OK;
    struct torch_file *f = NULL;
    *out = NULL;
    TRY(MEM_NEW(f, 1));
    TRY(str_dup(&f->name, name));
    TRY(check_magic(bytes, n));
    TRY(archive_open(&f->archive, bytes, n));
    TRY(check_order(f));
    if (pickle)
        TRY(torch_pickle(f, pickle, n_pickle));
    else
        TRY(read_pickle(f));
    TRY(torch_check_tree(f->root));
out:
    if (rc) {
        err_prefix("%s: ", name);
        torch_close(&f);
    }
    *out = f;
    return rc;
}

int torch_open_bytes(struct torch_file **out, const char *name, const void *bytes, size_t n)
{
    return torch_open_pickle(out, name, bytes, n, NULL, 0);
}

int torch_open(struct torch_file **out, const char *path)
{
    int rc = ERR_OK;
    struct file_map *map = NULL;
    *out = NULL;
    TRY(MEM_NEW(map, 1));
    TRY(file_map_open(map, path));
    TRY(torch_open_bytes(out, path, map->data, map->size));
    (*out)->map = map;
    map = NULL;
out:
    if (map)
        file_map_close(map);
    MEM_FREE(map);
    return rc;
}

static void block_free(struct node_block *block)
{
    for (size_t i = 0; i < block->n; i++) {
        struct torch_value *v = &block->node[i].v;
        char *text = (char *)(uintptr_t)v->text;
        MEM_FREE(text);
        MEM_FREE(v->key);
        MEM_FREE(v->item);
    }
    MEM_FREE(block);
}

void torch_close(struct torch_file **file)
{
    struct torch_file *f = *file;
    *file = NULL;
    if (!f)
        return;
    while (f->blocks) {
        struct node_block *next = f->blocks->next;
        block_free(f->blocks);
        f->blocks = next;
    }
    archive_close(&f->archive);
    if (f->map)
        file_map_close(f->map);
    MEM_FREE(f->map);
    MEM_FREE(f->name);
    MEM_FREE(f->storage);
    MEM_FREE(f->cache);
    MEM_FREE(f);
}

const struct torch_value *torch_root(const struct torch_file *f)
{
    return f->root;
}

int torch_node_new(struct torch_file *f, enum torch_kind kind, struct node **out)
{
    int rc = ERR_OK;
    struct node_block *block = f->blocks;
    *out = NULL;
    if (f->n_values == TORCH_MAX_VALUES)
        FAIL(ERR_FORMAT, "more than %d values", TORCH_MAX_VALUES);
    if (!block || block->n == NODES_EACH) {
        TRY(MEM_NEW(block, 1));
        block->next = f->blocks;
        f->blocks = block;
    }
    *out = &block->node[block->n++];
    (*out)->v.kind = kind;
    f->n_values++;
out:
    return rc;
}

int torch_node_add(struct node *to, struct torch_value *key, struct torch_value *item)
{
    int rc = ERR_OK;
    struct torch_value *v = &to->v;
    TRY(MEM_GROW(v->item, &to->cap_item, v->n + 1));
    if (key)
        TRY(MEM_GROW(v->key, &to->cap_key, v->n + 1));
    v->item[v->n] = item;
    if (key)
        v->key[v->n] = key;
    v->n++;
out:
    return rc;
}

const char *torch_shown(char out[64], const char *text, size_t n)
{
    size_t used = n < 60 ? n : 60;
    for (size_t i = 0; i < used; i++)
        out[i] = (char)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    memcpy(out + used, n > 60 ? "..." : "", n > 60 ? 4 : 1);
    return out;
}
