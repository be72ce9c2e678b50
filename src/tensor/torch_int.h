/*
 * torch_int.h - what the parts of the PyTorch reader share: the archive, the file, the pickle's nodes.
 *
 * torch_zip.c opens the archive, torch_pickle.c runs the opcodes, torch_call.c knows the globals,
 * torch_tree.c checks and searches what came out, torch_read.c reads elements.
 */
#ifndef TENSOR_TORCH_INT_H
#define TENSOR_TORCH_INT_H

#include "tensor/torch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TORCH_MAX_PICKLE = 16 << 20, /* bytes; a large model's has a few hundred thousand */
    TORCH_MAX_VALUES = 1 << 18,  /* in one file, also when shared values are counted each time */
    TORCH_MAX_DEPTH = 64,        /* of nested values */
    TORCH_MAX_KEY = 1024         /* bytes of a dict's key, and of keys joined by dots */
};

/* A zip archive whose entries lie in one folder. */
struct archive {
    struct zip *zip;
    char *prefix;   /* "NAME/", owned */
    size_t n_bytes; /* of the whole archive */
};

/* Open an archive in memory that stays where it is; refuses entries of one name. */
int archive_open(struct archive *a, const void *bytes, size_t n);
void archive_close(struct archive *a);

/* The entry prefix + name and its size unpacked, which the packed size bears out. */
int archive_find(const struct archive *a, const char *name, uint64_t *entry, size_t *size);
bool archive_has(const struct archive *a, const char *name);

/* Unpack a whole entry and check its CRC; *out belongs to the caller (MEM_FREE). */
int archive_read(const struct archive *a, uint64_t entry, uint8_t **out, size_t *n);

/* The types of elements that storages have. */
enum element {
    ELEMENT_F64,
    ELEMENT_F32,
    ELEMENT_F16,
    ELEMENT_BF16,
    ELEMENT_I64,
    ELEMENT_I32,
    ELEMENT_I16,
    ELEMENT_I8,
    ELEMENT_U8,
    ELEMENT_BOOL
};

struct storage {
    uint64_t entry;
    enum element element;
    size_t count; /* elements; all of them lie within the entry */
};

/* What a node stands for while the pickle runs. Only plain values may be left at its end. */
enum role {
    ROLE_VALUE,
    ROLE_GLOBAL,  /* integer: an enum global; storage: an enum element where it names one */
    ROLE_STORAGE, /* storage: its number */
    ROLE_SPENT    /* a state that BUILD has moved into a module */
};

struct node {
    struct torch_value v; /* first, so that a torch_value is its node */
    enum role role;
    bool is_tuple;     /* a TORCH_LIST that nothing may be added to */
    bool is_module;    /* a TORCH_DICT that waits for its state */
    bool is_ordered;   /* a TORCH_DICT that may have attributes, which are dropped */
    bool is_open;      /* the check is at work on what it holds */
    int height;        /* 1 for a leaf; 0 until checked */
    size_t cap_key;    /* room in key */
    size_t cap_item;   /* room in item */
    size_t n_unfolded; /* values below and itself, shared ones counted each time */
};

enum { NODES_EACH = 256 };

/* Nodes never move, so they come in blocks. */
struct node_block {
    struct node node[NODES_EACH];
    size_t n;
    struct node_block *next;
};

struct torch_file {
    struct archive archive;
    void *map; /* the file_map that torch_open made, or NULL */
    char *name;
    struct node_block *blocks;
    size_t n_values;
    struct torch_value *root;
    struct storage *storage;
    size_t n_storages;
    size_t cap_storages;
    uint8_t *cache; /* the entry that was read last: tensors that share it follow each other */
    size_t cache_size;
    uint64_t cache_entry;
};

/* As torch_open_bytes, with another pickle in place of data.pkl: for tests of the pickle alone. */
int torch_open_pickle(struct torch_file **out, const char *name, const void *bytes, size_t n,
                      const void *pickle, size_t n_pickle);

/* Run a pickle; the value it leaves becomes f->root, unchecked. */
int torch_pickle(struct torch_file *f, const uint8_t *pickle, size_t n);

/* A new value that belongs to f. */
int torch_node_new(struct torch_file *f, enum torch_kind kind, struct node **out);

/* Add to a dict (key not NULL) or to a list. */
int torch_node_add(struct node *to, struct torch_value *key, struct torch_value *item);

/* A value that is a plain one of that kind, else an error that says what was found. */
int torch_demand(const struct torch_value *v, enum torch_kind kind, const char *what);

/* Text for a message: what is not printable ASCII becomes '?', and it is cut. */
const char *torch_shown(char out[64], const char *text, size_t n);

/* The node that a global of that name stands for; ERR_FORMAT "global NAME is refused". */
int torch_global(struct torch_file *f, const char *name, struct node **out);

/* REDUCE, NEWOBJ and BINPERSID: the value that a global makes of its arguments. */
int torch_call(struct torch_file *f, const struct torch_value *global,
               const struct torch_value *args, struct torch_value **out);
int torch_new_module(struct torch_file *f, const struct torch_value *global,
                     const struct torch_value *args, struct torch_value **out);
int torch_storage(struct torch_file *f, const struct torch_value *id, struct torch_value **out);

size_t torch_element_size(enum element element);
bool torch_element_is_float(enum element element);
const char *torch_element_name(enum element element);

/* Check the finished tree: plain values only, no cycle, no excessive depth or size, no key twice. */
int torch_check_tree(struct torch_value *root);

#endif /* TENSOR_TORCH_INT_H */
