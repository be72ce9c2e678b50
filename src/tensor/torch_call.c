/*
 * torch_call.c - the globals that a pickle may name, and the values they make. Nothing is called:
 * each stands for a rule that builds a plain value.
 *
 * A tensor is accepted only when every element it can reach lies in its storage, and a storage only
 * when its entry of the archive has the bytes.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tensor/torch_int.h"

#include <string.h>

enum global {
    GLOBAL_TENSOR,
    GLOBAL_PARAMETER,
    GLOBAL_ORDERED,
    GLOBAL_SIZE,
    GLOBAL_STORAGE,
    GLOBAL_MODULE
};

/* A view may repeat elements, but not turn a small file into a large tensor. */
enum { MAX_REPEATED = 1 << 20 };

static const struct {
    const char *storage;
    size_t size;
    bool is_float;
} elements[] = {
    [ELEMENT_F64] = {"torch.DoubleStorage", 8, true},
    [ELEMENT_F32] = {"torch.FloatStorage", 4, true},
    [ELEMENT_F16] = {"torch.HalfStorage", 2, true},
    [ELEMENT_BF16] = {"torch.BFloat16Storage", 2, true},
    [ELEMENT_I64] = {"torch.LongStorage", 8, false},
    [ELEMENT_I32] = {"torch.IntStorage", 4, false},
    [ELEMENT_I16] = {"torch.ShortStorage", 2, false},
    [ELEMENT_I8] = {"torch.CharStorage", 1, false},
    [ELEMENT_U8] = {"torch.ByteStorage", 1, false},
    [ELEMENT_BOOL] = {"torch.BoolStorage", 1, false},
};

size_t torch_element_size(enum element element)
{
    return elements[element].size;
}

bool torch_element_is_float(enum element element)
{
    return elements[element].is_float;
}

const char *torch_element_name(enum element element)
{
    return elements[element].storage;
}

static const struct {
    const char *name;
    enum global global;
} globals[] = {
    {"torch._utils._rebuild_tensor_v2", GLOBAL_TENSOR},
    {"torch._utils._rebuild_parameter", GLOBAL_PARAMETER},
    {"collections.OrderedDict", GLOBAL_ORDERED},
    {"torch.Size", GLOBAL_SIZE},
};

static int find_global(const char *name, enum global *global, enum element *element)
{
    int rc = ERR_OK;
    char shown[64];
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (strcmp(name, globals[i].name) == 0) {
            *global = globals[i].global;
            return ERR_OK;
        }
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (strcmp(name, elements[i].storage) == 0) {
            *global = GLOBAL_STORAGE;
            *element = (enum element)i;
            return ERR_OK;
        }
    *global = GLOBAL_MODULE;
    if (!str_starts(name, "__torch__.")) /* the classes of a TorchScript archive */
        FAIL(ERR_FORMAT, "global %s is refused", torch_shown(shown, name, strlen(name)));
out:
    return rc;
}

int torch_global(struct torch_file *f, const char *name, struct node **out)
{
    int rc = ERR_OK;
    enum global global;
    enum element element = ELEMENT_F32;
    TRY(find_global(name, &global, &element));
    TRY(torch_node_new(f, TORCH_NONE, out));
    (*out)->role = ROLE_GLOBAL;
    (*out)->v.integer = (int64_t)global;
    (*out)->v.storage = (uint32_t)element;
out:
    return rc;
}

static bool is_global(const struct torch_value *v, enum global global)
{
    return ((const struct node *)v)->role == ROLE_GLOBAL && v->integer == (int64_t)global;
}

/* A list of that many values. */
static int demand_items(const struct torch_value *v, size_t min, size_t max, const char *what)
{
    int rc = ERR_OK;
    TRY(torch_demand(v, TORCH_LIST, what));
    if (v->n < min || v->n > max)
        FAIL(ERR_FORMAT, "%s has %zu items, wanted %zu", what, v->n, min);
out:
    return rc;
}

static int demand_count(const struct torch_value *v, const char *what, size_t *out)
{
    int rc = ERR_OK;
    TRY(torch_demand(v, TORCH_INT, what));
    if (v->integer < 0)
        FAIL(ERR_FORMAT, "%s is %lld", what, (long long)v->integer);
    *out = (size_t)v->integer;
out:
    return rc;
}

static int find_entry(const struct torch_file *f, const char *key, struct storage *s)
{
    int rc = ERR_OK;
    char *name = NULL;
    size_t have;
    size_t need;
    size_t size = torch_element_size(s->element);
    TRY(str_make(&name, "data/%s", key));
    TRY(archive_find(&f->archive, name, &s->entry, &have));
    if (__builtin_mul_overflow(s->count, size, &need) || need > have)
        FAIL(ERR_FORMAT, "a %s of %zu elements, but its entry has %zu bytes",
             torch_element_name(s->element), s->count, have);
out:
    MEM_FREE(name);
    return rc;
}

/* ('storage', torch.FloatStorage, key, place, count); old files add a view, which is None. */
int torch_storage(struct torch_file *f, const struct torch_value *id, struct torch_value **out)
{
    int rc = ERR_OK;
    struct storage s = {0};
    struct node *v;
    TRY(demand_items(id, 5, 6, "a persistent id"));
    TRY(torch_demand(id->item[0], TORCH_TEXT, "the first part of a persistent id"));
    if (strcmp(id->item[0]->text, "storage") != 0)
        FAIL(ERR_FORMAT, "a persistent id of something other than a storage");
    if (!is_global(id->item[1], GLOBAL_STORAGE))
        FAIL(ERR_FORMAT, "the type of a storage is not one");
    TRY(torch_demand(id->item[2], TORCH_TEXT, "the key of a storage"));
    TRY(torch_demand(id->item[3], TORCH_TEXT, "the place of a storage"));
    TRY(demand_count(id->item[4], "the size of a storage", &s.count));
    if (id->n == 6)
        TRY(torch_demand(id->item[5], TORCH_NONE, "the view of a storage"));
    s.element = (enum element)id->item[1]->storage;
    TRY(find_entry(f, id->item[2]->text, &s));
    TRY(torch_node_new(f, TORCH_NONE, &v));
    TRY(MEM_GROW(f->storage, &f->cap_storages, f->n_storages + 1));
    f->storage[f->n_storages] = s;
    v->role = ROLE_STORAGE;
    v->v.storage = (uint32_t)f->n_storages++;
    *out = &v->v;
out:
    return rc;
}

static int read_numbers(const struct torch_value *list, size_t n, const char *what,
                        size_t out[TORCH_MAX_RANK])
{
    int rc = ERR_OK;
    TRY(demand_items(list, n, n, what));
    for (size_t i = 0; i < n; i++)
        TRY(demand_count(list->item[i], what, &out[i]));
out:
    return rc;
}

/* The last element lies at offset + sum of (dim - 1) * stride, which must be in the storage. */
static int check_reach(const struct torch_value *t, const struct storage *s)
{
    int rc = ERR_OK;
    size_t last = t->offset;
    size_t count = 1;
    bool is_empty = false;
    bool is_wrong = false;
    for (int i = 0; i < t->rank; i++)
        is_empty = is_empty || t->dim[i] == 0;
    if (is_empty)
        return ERR_OK;
    for (int i = 0; i < t->rank; i++) {
        size_t step;
        is_wrong = is_wrong || __builtin_mul_overflow(count, t->dim[i], &count) ||
                   __builtin_mul_overflow(t->dim[i] - 1, t->stride[i], &step) ||
                   __builtin_add_overflow(last, step, &last);
    }
    if (is_wrong || last >= s->count)
        FAIL(ERR_FORMAT, "a tensor reaches outside of its storage of %zu elements", s->count);
    if (count > s->count && count > MAX_REPEATED)
        FAIL(ERR_FORMAT, "a tensor repeats a storage of %zu elements to %zu: refused", s->count,
             count);
out:
    return rc;
}

/* (storage, offset, sizes, strides, requires_grad, hooks); newer files may add metadata. */
static int make_tensor(struct torch_file *f, const struct torch_value *args,
                       struct torch_value **out)
{
    int rc = ERR_OK;
    struct node *node;
    struct torch_value *t;
    const struct storage *s;
    TRY(demand_items(args, 6, 7, "_rebuild_tensor_v2"));
    if (((struct node *)args->item[0])->role != ROLE_STORAGE)
        FAIL(ERR_FORMAT, "the storage of a tensor is not one");
    TRY(torch_demand(args->item[2], TORCH_LIST, "the size of a tensor"));
    if (args->item[2]->n > TORCH_MAX_RANK)
        FAIL(ERR_FORMAT, "a tensor of %zu dimensions, at most %d are read", args->item[2]->n,
             TORCH_MAX_RANK);
    TRY(torch_demand(args->item[4], TORCH_BOOL, "requires_grad"));
    TRY(torch_node_new(f, TORCH_TENSOR, &node));
    t = &node->v;
    t->storage = args->item[0]->storage;
    s = &f->storage[t->storage];
    t->is_float = torch_element_is_float(s->element);
    t->rank = (int)args->item[2]->n;
    TRY(demand_count(args->item[1], "the offset of a tensor", &t->offset));
    TRY(read_numbers(args->item[2], args->item[2]->n, "the size of a tensor", t->dim));
    TRY(read_numbers(args->item[3], args->item[2]->n, "the stride of a tensor", t->stride));
    TRY(check_reach(t, s));
    *out = t;
out:
    return rc;
}

int torch_call(struct torch_file *f, const struct torch_value *global,
               const struct torch_value *args, struct torch_value **out)
{
    int rc = ERR_OK;
    struct node *made;
    if (is_global(global, GLOBAL_TENSOR)) {
        TRY(make_tensor(f, args, out));
    } else if (is_global(global, GLOBAL_PARAMETER)) { /* (tensor, requires_grad, hooks) */
        TRY(demand_items(args, 3, 3, "_rebuild_parameter"));
        TRY(torch_demand(args->item[0], TORCH_TENSOR, "a parameter"));
        *out = args->item[0];
    } else if (is_global(global, GLOBAL_ORDERED)) {
        TRY(demand_items(args, 0, 0, "OrderedDict"));
        TRY(torch_node_new(f, TORCH_DICT, &made));
        made->is_ordered = true;
        *out = &made->v;
    } else if (is_global(global, GLOBAL_SIZE)) {
        TRY(demand_items(args, 1, 1, "torch.Size"));
        TRY(torch_demand(args->item[0], TORCH_LIST, "torch.Size"));
        *out = args->item[0];
    } else {
        FAIL(ERR_FORMAT, "what is called is not a function");
    }
out:
    return rc;
}

int torch_new_module(struct torch_file *f, const struct torch_value *global,
                     const struct torch_value *args, struct torch_value **out)
{
    int rc = ERR_OK;
    struct node *made;
    if (!is_global(global, GLOBAL_MODULE))
        FAIL(ERR_FORMAT, "an object of something other than a TorchScript class is refused");
    TRY(demand_items(args, 0, 0, "the arguments of a module"));
    TRY(torch_node_new(f, TORCH_DICT, &made));
    made->is_module = true;
    *out = &made->v;
out:
    return rc;
}
