/*
 * torch_pickle.c - a pickle machine of the opcodes that torch.save and torch.jit.save write.
 *
 * In: the bytes of data.pkl. Out: the root value of the file. Nothing is executed: globals are names
 * on a list (torch_call.c). Each opcode is one function; an opcode without one is refused by name.
 * Values grow with the bytes read, never with a number that the bytes claim.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tensor/torch_int.h"

#include <string.h>

enum { MAX_STACK = 1 << 18, MAX_MARKS = 1024, MAX_GLOBAL = 256 };

struct machine {
    struct torch_file *f;
    const uint8_t *bytes;
    size_t n;
    size_t at;    /* the next byte */
    uint8_t code; /* the opcode that runs */
    bool is_done;
    struct torch_value **stack;
    size_t n_stack;
    size_t cap_stack;
    size_t *mark; /* heights of the stack */
    size_t n_marks;
    size_t cap_marks;
    struct torch_value **memo; /* NULL where nothing was put */
    size_t cap_memo;
};

static int take(struct machine *m, size_t n, const uint8_t **out)
{
    int rc = ERR_OK;
    *out = NULL;
    if (n > m->n - m->at)
        FAIL(ERR_FORMAT, "%zu bytes wanted, %zu are left", n, m->n - m->at);
    *out = m->bytes + m->at;
    m->at += n;
out:
    return rc;
}

/* A little-endian number of up to 8 bytes. */
static int take_number(struct machine *m, size_t n, uint64_t *out)
{
    int rc = ERR_OK;
    const uint8_t *p = NULL;
    *out = 0;
    TRY(take(m, n, &p));
    for (size_t i = n; i-- > 0;)
        *out = *out << 8 | p[i];
out:
    return rc;
}

static int push(struct machine *m, struct torch_value *v)
{
    int rc = ERR_OK;
    if (m->n_stack == MAX_STACK)
        FAIL(ERR_FORMAT, "the stack grows above %d values", MAX_STACK);
    TRY(MEM_GROW(m->stack, &m->cap_stack, m->n_stack + 1));
    m->stack[m->n_stack++] = v;
out:
    return rc;
}

static int push_new(struct machine *m, enum torch_kind kind, struct node **out)
{
    int rc = ERR_OK;
    TRY(torch_node_new(m->f, kind, out));
    TRY(push(m, &(*out)->v));
out:
    return rc;
}

/* Nothing reaches below the last mark but the opcodes that take it away. */
static int pop(struct machine *m, struct torch_value **out)
{
    int rc = ERR_OK;
    size_t bottom = m->n_marks ? m->mark[m->n_marks - 1] : 0;
    *out = NULL;
    if (m->n_stack <= bottom)
        FAIL(ERR_FORMAT, "the stack is empty");
    *out = m->stack[--m->n_stack];
out:
    return rc;
}

static int peek(struct machine *m, struct node **out)
{
    int rc = ERR_OK;
    struct torch_value *top;
    TRY(pop(m, &top));
    m->n_stack++;
    *out = (struct node *)top;
out:
    return rc;
}

/* The values above the last mark leave the stack; they stay readable until the next push. */
static int pop_mark(struct machine *m, struct torch_value ***first, size_t *n)
{
    int rc = ERR_OK;
    size_t bottom;
    *first = NULL;
    *n = 0;
    if (!m->n_marks)
        FAIL(ERR_FORMAT, "no MARK is on the stack");
    bottom = m->mark[--m->n_marks];
    *first = m->stack ? m->stack + bottom : NULL;
    *n = m->n_stack - bottom;
    m->n_stack = bottom;
out:
    return rc;
}

static int op_proto(struct machine *m)
{
    int rc = ERR_OK;
    const uint8_t *version = NULL;
    TRY(take(m, 1, &version));
    if (*version != 2)
        FAIL(ERR_FORMAT, "protocol %d, only 2 is read", *version);
out:
    return rc;
}

static int op_stop(struct machine *m)
{
    int rc = ERR_OK;
    if (m->n_stack != 1 || m->n_marks)
        FAIL(ERR_FORMAT, "%zu values and %zu marks are left, one value wanted", m->n_stack,
             m->n_marks);
    if (m->at != m->n)
        FAIL(ERR_FORMAT, "%zu bytes follow", m->n - m->at);
    m->f->root = m->stack[0];
    m->is_done = true;
out:
    return rc;
}

static int op_mark(struct machine *m)
{
    int rc = ERR_OK;
    if (m->n_marks == MAX_MARKS)
        FAIL(ERR_FORMAT, "more than %d marks", MAX_MARKS);
    TRY(MEM_GROW(m->mark, &m->cap_marks, m->n_marks + 1));
    m->mark[m->n_marks++] = m->n_stack;
out:
    return rc;
}

static int op_none(struct machine *m)
{
    struct node *v;
    return push_new(m, TORCH_NONE, &v);
}

static int op_bool(struct machine *m)
{
    int rc = ERR_OK;
    struct node *v;
    TRY(push_new(m, TORCH_BOOL, &v));
    v->v.integer = m->code == 0x88;
out:
    return rc;
}

static int push_int(struct machine *m, int64_t value)
{
    int rc = ERR_OK;
    struct node *v;
    TRY(push_new(m, TORCH_INT, &v));
    v->v.integer = value;
out:
    return rc;
}

/* BININT has a sign, BININT1 and BININT2 have none. */
static int op_int(struct machine *m)
{
    int rc = ERR_OK;
    uint64_t bits;
    size_t n = m->code == 'J' ? 4 : m->code == 'M' ? 2 : 1;
    TRY(take_number(m, n, &bits));
    TRY(push_int(m, m->code == 'J' ? (int64_t)(int32_t)(uint32_t)bits : (int64_t)bits));
out:
    return rc;
}

static int op_long(struct machine *m)
{
    int rc = ERR_OK;
    uint64_t n;
    uint64_t bits;
    TRY(take_number(m, 1, &n));
    if (n > 8)
        FAIL(ERR_FORMAT, "an integer of %d bytes, at most 8 are read", (int)n);
    TRY(take_number(m, (size_t)n, &bits));
    if (n && n < 8 && bits >> (8 * n - 1)) /* the sign reaches up to bit 63 */
        bits |= ~(uint64_t)0 << (8 * n);
    TRY(push_int(m, (int64_t)bits));
out:
    return rc;
}

static int op_float(struct machine *m)
{
    int rc = ERR_OK;
    uint64_t bits = 0;
    const uint8_t *p = NULL;
    struct node *v;
    TRY(take(m, 8, &p)); /* the one big-endian number of the format */
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    TRY(push_new(m, TORCH_FLOAT, &v));
    memcpy(&v->v.real, &bits, sizeof bits);
out:
    return rc;
}

static int op_text(struct machine *m)
{
    int rc = ERR_OK;
    uint64_t n;
    const uint8_t *p = NULL;
    char *copy = NULL;
    struct node *v;
    TRY(take_number(m, 4, &n));
    TRY(take(m, (size_t)n, &p));
    if (memchr(p, 0, (size_t)n))
        FAIL(ERR_FORMAT, "text with a zero byte");
    TRY(push_new(m, TORCH_TEXT, &v));
    TRY(MEM_NEW(copy, (size_t)n + 1));
    memcpy(copy, p, (size_t)n);
    v->v.text = copy;
out:
    return rc;
}

static int op_empty(struct machine *m)
{
    int rc = ERR_OK;
    struct node *v;
    TRY(push_new(m, m->code == '}' ? TORCH_DICT : TORCH_LIST, &v));
    v->is_tuple = m->code == ')';
out:
    return rc;
}

static int make_tuple(struct machine *m, struct torch_value **first, size_t n)
{
    int rc = ERR_OK;
    struct node *v;
    TRY(torch_node_new(m->f, TORCH_LIST, &v));
    v->is_tuple = true;
    for (size_t i = 0; i < n; i++)
        TRY(torch_node_add(v, NULL, first[i]));
    TRY(push(m, &v->v));
out:
    return rc;
}

static int op_tuple(struct machine *m)
{
    int rc = ERR_OK;
    struct torch_value **first;
    size_t n;
    TRY(pop_mark(m, &first, &n));
    TRY(make_tuple(m, first, n));
out:
    return rc;
}

/* TUPLE1 to TUPLE3 are 0x85 to 0x87. */
static int op_tuple_n(struct machine *m)
{
    int rc = ERR_OK;
    struct torch_value *item[3];
    size_t n = (size_t)m->code - 0x84;
    for (size_t i = n; i-- > 0;)
        TRY(pop(m, &item[i]));
    TRY(make_tuple(m, item, n));
out:
    return rc;
}

static int op_append(struct machine *m)
{
    int rc = ERR_OK;
    struct torch_value *one = NULL;
    struct torch_value **first = &one;
    size_t n = 1;
    struct node *list;
    if (m->code == 'e')
        TRY(pop_mark(m, &first, &n));
    else
        TRY(pop(m, &one));
    TRY(peek(m, &list));
    TRY(torch_demand(&list->v, TORCH_LIST, "what is appended to"));
    if (list->is_tuple)
        FAIL(ERR_FORMAT, "what is appended to is a tuple");
    for (size_t i = 0; i < n; i++)
        TRY(torch_node_add(list, NULL, first[i]));
out:
    return rc;
}

static int set_item(struct node *dict, struct torch_value *key, struct torch_value *item)
{
    int rc = ERR_OK;
    if (((struct node *)key)->role != ROLE_VALUE || key->kind != TORCH_INT)
        TRY(torch_demand(key, TORCH_TEXT, "a key"));
    if (key->kind == TORCH_TEXT && strlen(key->text) > TORCH_MAX_KEY)
        FAIL(ERR_FORMAT, "a key of %zu bytes, at most %d are read", strlen(key->text),
             TORCH_MAX_KEY);
    TRY(torch_node_add(dict, key, item));
out:
    return rc;
}

static int op_set(struct machine *m)
{
    int rc = ERR_OK;
    struct torch_value *pair[2];
    struct torch_value **first = pair;
    size_t n = 2;
    struct node *dict;
    if (m->code == 'u') {
        TRY(pop_mark(m, &first, &n));
    } else {
        TRY(pop(m, &pair[1]));
        TRY(pop(m, &pair[0]));
    }
    TRY(peek(m, &dict));
    TRY(torch_demand(&dict->v, TORCH_DICT, "what items are set in"));
    if (dict->is_module || n % 2)
        FAIL(ERR_FORMAT, "%s",
             dict->is_module ? "items are set in a module" : "a key without a value");
    for (size_t i = 0; i < n; i += 2)
        TRY(set_item(dict, first[i], first[i + 1]));
out:
    return rc;
}

static int put(struct machine *m, size_t index)
{
    int rc = ERR_OK;
    struct node *top;
    TRY(peek(m, &top));
    if (index >= m->n) /* numbers are given one by one, and each costs a byte at least */
        FAIL(ERR_FORMAT, "memo %zu in a pickle of %zu bytes", index, m->n);
    TRY(MEM_GROW(m->memo, &m->cap_memo, index + 1));
    m->memo[index] = &top->v;
out:
    return rc;
}

/* BINPUT and BINGET have one byte, LONG_BINPUT and LONG_BINGET four. */
static int op_put(struct machine *m)
{
    int rc = ERR_OK;
    uint64_t index;
    TRY(take_number(m, m->code == 'q' ? 1 : 4, &index));
    TRY(put(m, (size_t)index));
out:
    return rc;
}

static int op_get(struct machine *m)
{
    int rc = ERR_OK;
    uint64_t index;
    TRY(take_number(m, m->code == 'h' ? 1 : 4, &index));
    if (index >= m->cap_memo || !m->memo[index])
        FAIL(ERR_FORMAT, "memo %zu was never put", (size_t)index);
    TRY(push(m, m->memo[index]));
out:
    return rc;
}

static int take_line(struct machine *m, const uint8_t **line, size_t *n)
{
    int rc = ERR_OK;
    const uint8_t *end = memchr(m->bytes + m->at, '\n', m->n - m->at);
    *line = NULL;
    *n = 0;
    if (!end)
        FAIL(ERR_FORMAT, "a line without its end");
    *line = m->bytes + m->at;
    *n = (size_t)(end - *line);
    m->at += *n + 1;
    if (*n > MAX_GLOBAL || memchr(*line, 0, *n))
        FAIL(ERR_FORMAT, "not a name: a line of %zu bytes", *n);
out:
    return rc;
}

static int op_global(struct machine *m)
{
    int rc = ERR_OK;
    const uint8_t *module;
    const uint8_t *name;
    size_t n_module;
    size_t n_name;
    char *full = NULL;
    struct node *v;
    TRY(take_line(m, &module, &n_module));
    TRY(take_line(m, &name, &n_name));
    TRY(str_make(&full, "%.*s.%.*s", (int)n_module, (const char *)module, (int)n_name,
                 (const char *)name));
    TRY(torch_global(m->f, full, &v));
    TRY(push(m, &v->v));
out:
    MEM_FREE(full);
    return rc;
}

/* REDUCE calls a global, NEWOBJ makes an object of a class; both take a tuple. */
static int op_call(struct machine *m)
{
    int rc = ERR_OK;
    struct torch_value *args;
    struct torch_value *global;
    struct torch_value *made;
    TRY(pop(m, &args));
    TRY(pop(m, &global));
    if (m->code == 'R')
        TRY(torch_call(m->f, global, args, &made));
    else
        TRY(torch_new_module(m->f, global, args, &made));
    TRY(push(m, made));
out:
    return rc;
}

static int op_persid(struct machine *m)
{
    int rc = ERR_OK;
    struct torch_value *id;
    struct torch_value *made;
    TRY(pop(m, &id));
    TRY(torch_storage(m->f, id, &made));
    TRY(push(m, made));
out:
    return rc;
}

/* The items move, so that states which share values cannot multiply. */
static void move_state(struct node *to, struct node *from)
{
    to->v.n = from->v.n;
    to->v.key = from->v.key;
    to->v.item = from->v.item;
    to->is_module = false;
    from->v.n = 0;
    from->v.key = NULL;
    from->v.item = NULL;
    from->role = ROLE_SPENT;
}

/*
 * A TorchScript module gets its members. A state dict (an OrderedDict) gets attributes, the versions of
 * its modules, which are dropped.
 */
static int op_build(struct machine *m)
{
    int rc = ERR_OK;
    struct torch_value *state;
    struct node *to;
    TRY(pop(m, &state));
    TRY(peek(m, &to));
    if (to->role != ROLE_VALUE || !(to->is_module || to->is_ordered))
        FAIL(ERR_FORMAT, "of something other than a module or an OrderedDict is refused");
    TRY(torch_demand(state, TORCH_DICT, "a state"));
    if (to->is_module && ((struct node *)state)->is_module)
        FAIL(ERR_FORMAT, "a state is a module");
    if (to->is_module)
        move_state(to, (struct node *)state);
out:
    return rc;
}

static const struct opcode {
    const char *name;
    int (*run)(struct machine *m); /* NULL: refused */
} opcodes[256] = {
    ['('] = {"MARK", op_mark},
    ['.'] = {"STOP", op_stop},
    ['0'] = {"POP", NULL},
    ['1'] = {"POP_MARK", NULL},
    ['2'] = {"DUP", NULL},
    ['F'] = {"FLOAT", NULL},
    ['I'] = {"INT", NULL},
    ['J'] = {"BININT", op_int},
    ['K'] = {"BININT1", op_int},
    ['L'] = {"LONG", NULL},
    ['M'] = {"BININT2", op_int},
    ['N'] = {"NONE", op_none},
    ['P'] = {"PERSID", NULL},
    ['Q'] = {"BINPERSID", op_persid},
    ['R'] = {"REDUCE", op_call},
    ['S'] = {"STRING", NULL},
    ['T'] = {"BINSTRING", NULL},
    ['U'] = {"SHORT_BINSTRING", NULL},
    ['V'] = {"UNICODE", NULL},
    ['X'] = {"BINUNICODE", op_text},
    ['a'] = {"APPEND", op_append},
    ['b'] = {"BUILD", op_build},
    ['c'] = {"GLOBAL", op_global},
    ['d'] = {"DICT", NULL},
    ['}'] = {"EMPTY_DICT", op_empty},
    ['e'] = {"APPENDS", op_append},
    ['g'] = {"GET", NULL},
    ['h'] = {"BINGET", op_get},
    ['i'] = {"INST", NULL},
    ['j'] = {"LONG_BINGET", op_get},
    ['l'] = {"LIST", NULL},
    [']'] = {"EMPTY_LIST", op_empty},
    ['o'] = {"OBJ", NULL},
    ['p'] = {"PUT", NULL},
    ['q'] = {"BINPUT", op_put},
    ['r'] = {"LONG_BINPUT", op_put},
    ['s'] = {"SETITEM", op_set},
    ['t'] = {"TUPLE", op_tuple},
    [')'] = {"EMPTY_TUPLE", op_empty},
    ['u'] = {"SETITEMS", op_set},
    ['G'] = {"BINFLOAT", op_float},
    ['B'] = {"BINBYTES", NULL},
    ['C'] = {"SHORT_BINBYTES", NULL},
    [0x80] = {"PROTO", op_proto},
    [0x81] = {"NEWOBJ", op_call},
    [0x82] = {"EXT1", NULL},
    [0x83] = {"EXT2", NULL},
    [0x84] = {"EXT4", NULL},
    [0x85] = {"TUPLE1", op_tuple_n},
    [0x86] = {"TUPLE2", op_tuple_n},
    [0x87] = {"TUPLE3", op_tuple_n},
    [0x88] = {"NEWTRUE", op_bool},
    [0x89] = {"NEWFALSE", op_bool},
    [0x8a] = {"LONG1", op_long},
    [0x8b] = {"LONG4", NULL},
    [0x8c] = {"SHORT_BINUNICODE", NULL},
    [0x8d] = {"BINUNICODE8", NULL},
    [0x8e] = {"BINBYTES8", NULL},
    [0x8f] = {"EMPTY_SET", NULL},
    [0x90] = {"ADDITEMS", NULL},
    [0x91] = {"FROZENSET", NULL},
    [0x92] = {"NEWOBJ_EX", NULL},
    [0x93] = {"STACK_GLOBAL", NULL},
    [0x94] = {"MEMOIZE", NULL},
    [0x95] = {"FRAME", NULL},
    [0x96] = {"BYTEARRAY8", NULL},
    [0x97] = {"NEXT_BUFFER", NULL},
    [0x98] = {"READONLY_BUFFER", NULL},
};

static int step(struct machine *m)
{
    int rc = ERR_OK;
    const uint8_t *code = NULL;
    const struct opcode *op;
    size_t at = m->at;
    if (m->at == m->n)
        FAIL(ERR_FORMAT, "entry data.pkl ends at byte %zu without STOP", at);
    TRY(take(m, 1, &code));
    m->code = *code;
    op = &opcodes[m->code];
    if (!op->name)
        FAIL(ERR_FORMAT, "entry data.pkl, byte %zu: no pickle opcode is 0x%02x", at, m->code);
    if (!op->run)
        FAIL(ERR_FORMAT,
             "entry data.pkl, byte %zu: pickle opcode %s is refused: only what tensors, dicts, "
             "lists, numbers and text need is read",
             at, op->name);
    rc = op->run(m);
    if (rc)
        err_prefix("entry data.pkl, byte %zu, pickle opcode %s: ", at, op->name);
    TRY(rc);
out:
    return rc;
}

int torch_pickle(struct torch_file *f, const uint8_t *pickle, size_t n)
{
    int rc = ERR_OK;
    struct machine m = {.f = f, .bytes = pickle, .n = n};
    while (!m.is_done)
        TRY(step(&m));
out:
    MEM_FREE(m.stack);
    MEM_FREE(m.mark);
    MEM_FREE(m.memo);
    return rc;
}
