/*
 * torch.h - the files of torch.save and torch.jit.save: read without Python, and written.
 *
 * Such a file is a zip archive: NAME/data.pkl, a pickle of protocol 2, describes a tree of values,
 * and NAME/data/N hold the tensors' storages. The pickle is read by a machine that knows tensors,
 * dicts, lists, numbers and text, and refuses everything else by name; nothing is ever executed.
 * Nothing that the file claims is believed before the file bears it out.
 *
 *     struct torch_file *f = NULL;
 *     struct tensor keys = {0};
 *     TRY(torch_open(&f, "cache_model.pt"));
 *     TRY(torch_tensor_read(f, torch_get(torch_root(f), "keys"), DTYPE_F32, &keys));
 *     ...
 *     tensor_free(&keys);
 *     torch_close(&f);
 *
 * Local; one thread at a time for each file.
 */
#ifndef TENSOR_TORCH_H
#define TENSOR_TORCH_H

#include "tensor/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TORCH_MAX_RANK = 8 };

enum torch_kind {
    TORCH_NONE,
    TORCH_BOOL,  /* integer is 0 or 1 */
    TORCH_INT,   /* integer */
    TORCH_FLOAT, /* real */
    TORCH_TEXT,  /* text */
    TORCH_LIST,  /* a list, a tuple or a torch.Size: item[n] */
    TORCH_DICT,  /* a dict, an OrderedDict or a TorchScript module: key[n], item[n] in file order */
    TORCH_TENSOR /* rank, dim, stride, is_float */
};

/* One value of the tree; belongs to the file. Only the members named beside its kind mean something. */
struct torch_value {
    enum torch_kind kind;
    bool is_float; /* the elements: float of 2, 4 or 8 bytes, or an integer of 1 to 8 */
    int rank;
    uint32_t storage; /* which storage the elements lie in */
    size_t n;
    int64_t integer;
    double real;
    const char *text;
    struct torch_value **key; /* TORCH_TEXT or TORCH_INT, no two alike */
    struct torch_value **item;
    size_t dim[TORCH_MAX_RANK];
    size_t stride[TORCH_MAX_RANK]; /* in elements */
    size_t offset;                 /* of the first element within the storage */
};

struct torch_file;

/*
 * Open and check a file. ERR_FORMAT names file, entry, byte and opcode of what is wrong: damage, an
 * opcode or a global that is not known, files of torch.save before 1.6. Free with torch_close.
 */
int torch_open(struct torch_file **out, const char *path);

/* The same for a file's content in memory, which must outlive *out; name stands for it in messages. */
int torch_open_bytes(struct torch_file **out, const char *name, const void *bytes, size_t n);

/*
 * Does the content begin as a file of torch.save does: as a zip archive, or as files from before 1.6,
 * which torch_open refuses with the reason? Says nothing about the rest.
 */
bool torch_is_file(const void *bytes, size_t n);

/* Free and set to NULL. */
void torch_close(struct torch_file **f);

/* The value that was saved. */
const struct torch_value *torch_root(const struct torch_file *f);

/*
 * The value under a key, or under keys joined by dots ("visual.conv1.weight" in nested modules); a
 * key that holds dots itself is found too. NULL when there is none or dict is no TORCH_DICT.
 */
const struct torch_value *torch_get(const struct torch_value *dict, const char *key);

/* Receives each tensor of a tree with its keys joined by dots; a code other than ERR_OK ends the walk. */
typedef int (*torch_visit_fn)(void *user, const char *name, const struct torch_value *tensor);

/* Call visit for each tensor below a value, in file order. Items of lists are named by number. */
int torch_walk(const struct torch_value *value, torch_visit_fn visit, void *user);

/* "dict", "tensor", ... for messages; static. NULL is "nothing". */
const char *torch_kind_name(const struct torch_value *value);

/* Number of elements of a tensor. */
size_t torch_count(const struct torch_value *tensor);

/*
 * Read a tensor's torch_count elements in row-major order, whatever its strides: DTYPE_F32 from any
 * float, DTYPE_I64 or DTYPE_I32 from any integer. ERR_FORMAT when value is NULL or no tensor, is of
 * the other sort, or does not fit into I32.
 */
int torch_read(struct torch_file *f, const struct torch_value *value, enum dtype dtype, void *out);

/* The same into a new tensor of at most TENSOR_MAX_RANK dimensions; release with tensor_free. */
int torch_tensor_read(struct torch_file *f, const struct torch_value *value, enum dtype dtype,
                      struct tensor *out);

struct torch_writer;

/*
 * Start a file for torch.load: nested dicts of tensors. It gets its name in torch_write_commit.
 * Equal content gives equal bytes. Free with torch_write_abort.
 */
int torch_write_begin(struct torch_writer **out, const char *path);

/*
 * Add a tensor, F32 or I64; the data is copied. '/' parts the keys of nested dicts:
 * "image_proj/mlp1.weight" is ["image_proj"]["mlp1.weight"]. Tensors of one dict must follow each other.
 */
int torch_write_tensor(struct torch_writer *w, const char *name, const struct tensor *t);

/* Write the file and give it its name, durably. Frees *w. */
int torch_write_commit(struct torch_writer **w);

/* Give up: nothing was written. NULL is fine. */
void torch_write_abort(struct torch_writer **w);

/* Name and version of the zip library; static storage. */
const char *torch_library(void);

#endif /* TENSOR_TORCH_H */
