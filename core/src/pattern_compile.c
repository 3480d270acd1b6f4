/* Compiles patterns. parse makes a node of each item of the text, and a set of
 * each class and each pair of brackets; then find_beginning looks among the
 * nodes for what every match begins with. The text is parsed twice: to count
 * nodes and sets, and to store them. An item that Lua would complain about
 * becomes a node that fails, because as in Lua the error comes only if matching
 * gets there. */
#include "pattern_internal.h"
#include "platform.h"

#include <ctype.h>
#include <string.h>

#define ESCAPE '%'

static void set_add(mapped__pattern_set *set, unsigned char byte)
{
    set->bits[byte / CHAR_BIT] |= (uint8_t)(1u << (byte % CHAR_BIT));
}

static void set_add_range(mapped__pattern_set *set, unsigned char first,
                          unsigned char last)
{
    for (unsigned byte = first; byte <= last; byte++)
        set_add(set, (unsigned char)byte);
}

static int is_zero(int byte)
{
    return byte == 0;
}

typedef int class_test(int byte);

/* Returns the test of the class that "%a" stands for, or NULL if the letter
 * stands for itself. */
static class_test *find_class(unsigned char letter)
{
    static const struct {
        char letter;
        class_test *test;
    } classes[] = {{'a', isalpha},  {'c', iscntrl}, {'d', isdigit},
                   {'g', isgraph},  {'l', islower}, {'p', ispunct},
                   {'s', isspace},  {'u', isupper}, {'w', isalnum},
                   {'x', isxdigit}, {'z', is_zero}};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (classes[i].letter == tolower(letter))
            return classes[i].test;
    return NULL;
}

/* Adds the class or the character after an escape. A capital letter stands for
 * the complement of the class. */
static void set_add_escaped(mapped__pattern_set *set, unsigned char letter)
{
    class_test *test = find_class(letter);
    if (test == NULL) {
        set_add(set, letter);
        return;
    }
    for (int byte = 0; byte <= UCHAR_MAX; byte++)
        if ((test(byte) != 0) == (islower(letter) != 0))
            set_add(set, (unsigned char)byte);
}

static void set_invert(mapped__pattern_set *set)
{
    for (size_t i = 0; i < sizeof set->bits; i++)
        set->bits[i] = (uint8_t)~set->bits[i];
}

/* Makes a set of the text between the brackets. parse_set has checked that the
 * text doesn't end with an escape. */
static void set_fill(mapped__pattern_set *set, const unsigned char *text,
                     size_t length)
{
    bool inverted = length > 0 && text[0] == '^';
    memset(set, 0, sizeof *set);
    for (size_t i = inverted; i < length; i++) {
        if (text[i] == ESCAPE) {
            set_add_escaped(set, text[++i]);
        } else if (length - i > 2 && text[i + 1] == '-') {
            set_add_range(set, text[i], text[i + 2]);
            i += 2;
        } else {
            set_add(set, text[i]);
        }
    }
    if (inverted)
        set_invert(set);
}

typedef struct compiler {
    const unsigned char *text;
    size_t length;
    size_t at;
    mapped__pattern_set *sets;   /* NULL while measuring */
    mapped__pattern_node *nodes; /* NULL while measuring */
    size_t set_count;
    size_t node_count;
    uint32_t class_sets[UCHAR_MAX + 1]; /* by letter: set + 1; 0: no set yet */
    bool anchored;
    bool looks_back;
} compiler;

static bool is_at(const compiler *c, size_t at, unsigned char byte)
{
    return at < c->length && c->text[at] == byte;
}

static void emit(compiler *c, mapped__pattern_node node)
{
    if (c->nodes != NULL)
        c->nodes[c->node_count] = node;
    c->node_count++;
}

/* Ends the pattern, because matching never gets past this node. */
static void emit_bad(compiler *c, size_t at, mapped__pattern_error reason)
{
    emit(c, (mapped__pattern_node){.op = MAPPED__PATTERN_BAD,
                                   .first = (uint8_t)reason,
                                   .at = (uint32_t)at});
    c->at = c->length;
}

static uint32_t new_set(compiler *c, mapped__pattern_set **set)
{
    *set = c->sets == NULL ? NULL : &c->sets[c->set_count];
    return (uint32_t)c->set_count++;
}

/* Parses the set that begins at the bracket. A closing bracket that comes first
 * belongs to the set. Returns false if the set has no end. */
static bool parse_set(compiler *c, uint32_t *index)
{
    mapped__pattern_set *set;
    size_t begin = c->at + 1;
    size_t i = begin + is_at(c, begin, '^');
    do {
        if (i >= c->length)
            return false;
        if (c->text[i++] == ESCAPE && i < c->length)
            i++;
    } while (!is_at(c, i, ']'));
    *index = new_set(c, &set);
    if (set != NULL)
        set_fill(set, c->text + begin, i - begin);
    c->at = i + 1;
    return true;
}

/* Returns the set of a class, which all uses of the class share. */
static uint32_t class_set(compiler *c, unsigned char letter)
{
    mapped__pattern_set *set;
    if (c->class_sets[letter] == 0) {
        c->class_sets[letter] = new_set(c, &set) + 1;
        if (set != NULL) {
            memset(set, 0, sizeof *set);
            set_add_escaped(set, letter);
        }
    }
    return c->class_sets[letter] - 1;
}

static uint8_t parse_repeat(compiler *c)
{
    if (c->at == c->length)
        return MAPPED__PATTERN_ONCE;
    switch (c->text[c->at++]) {
    case '?':
        return MAPPED__PATTERN_OPTIONAL;
    case '*':
        return MAPPED__PATTERN_GREEDY;
    case '+':
        return MAPPED__PATTERN_GREEDY_ONCE;
    case '-':
        return MAPPED__PATTERN_LAZY;
    default:
        c->at--;
        return MAPPED__PATTERN_ONCE;
    }
}

static void parse_escaped(compiler *c, mapped__pattern_node *node)
{
    unsigned char letter = c->text[c->at + 1];
    node->op = MAPPED__PATTERN_BYTE;
    node->first = letter;
    if (find_class(letter) != NULL) {
        node->op = MAPPED__PATTERN_SET;
        node->set = class_set(c, letter);
    }
    c->at += 2;
}

/* Parses an item that matches one byte, and its repetition. */
static void parse_single(compiler *c)
{
    mapped__pattern_node node = {.op = MAPPED__PATTERN_BYTE,
                                 .first = c->text[c->at],
                                 .at = (uint32_t)c->at};
    if (node.first == ESCAPE) {
        if (c->at + 1 == c->length) {
            emit_bad(c, c->at, MAPPED__PATTERN_ENDS_WITH_ESCAPE);
            return;
        }
        parse_escaped(c, &node);
    } else if (node.first == '[') {
        node.op = MAPPED__PATTERN_SET;
        if (!parse_set(c, &node.set)) {
            emit_bad(c, c->at, MAPPED__PATTERN_MISSING_BRACKET);
            return;
        }
    } else {
        node.op = node.first == '.' ? MAPPED__PATTERN_ANY : node.op;
        c->at++;
    }
    node.repeat = parse_repeat(c);
    emit(c, node);
}

static void parse_balance(compiler *c)
{
    if (c->length - c->at < 4) {
        emit_bad(c, c->at, MAPPED__PATTERN_MISSING_BALANCE);
        return;
    }
    emit(c, (mapped__pattern_node){.op = MAPPED__PATTERN_BALANCE,
                                   .first = c->text[c->at + 2],
                                   .second = c->text[c->at + 3],
                                   .at = (uint32_t)c->at});
    c->at += 4;
}

static void parse_frontier(compiler *c)
{
    mapped__pattern_node node = {.op = MAPPED__PATTERN_FRONTIER,
                                 .at = (uint32_t)c->at};
    c->at += 2;
    if (!is_at(c, c->at, '['))
        emit_bad(c, node.at, MAPPED__PATTERN_MISSING_FRONTIER);
    else if (!parse_set(c, &node.set))
        emit_bad(c, c->at, MAPPED__PATTERN_MISSING_BRACKET);
    else
        emit(c, node);
    c->looks_back = true;
}

/* Parses an item of n characters that has no operands. */
static void parse_simple(compiler *c, mapped__pattern_op op, size_t n)
{
    emit(c, (mapped__pattern_node){.op = (uint8_t)op, .at = (uint32_t)c->at});
    c->at += n;
}

static void parse_percent(compiler *c)
{
    unsigned char next = c->at + 1 < c->length ? c->text[c->at + 1] : 0;
    if (next == 'b') {
        parse_balance(c);
    } else if (next == 'f') {
        parse_frontier(c);
    } else if (next >= '0' && next <= '9') {
        parse_simple(c, MAPPED__PATTERN_BACK, 2);
        if (c->nodes != NULL)
            c->nodes[c->node_count - 1].first = next;
    } else {
        parse_single(c);
    }
}

static void parse_item(compiler *c)
{
    switch (c->text[c->at]) {
    case '(':
        if (is_at(c, c->at + 1, ')'))
            parse_simple(c, MAPPED__PATTERN_POSITION, 2);
        else
            parse_simple(c, MAPPED__PATTERN_OPEN, 1);
        break;
    case ')':
        parse_simple(c, MAPPED__PATTERN_CLOSE, 1);
        break;
    case ESCAPE:
        parse_percent(c);
        break;
    case '$':
        if (c->at + 1 == c->length)
            parse_simple(c, MAPPED__PATTERN_END, 1);
        else
            parse_single(c);
        break;
    default:
        parse_single(c);
        break;
    }
}

static void parse(compiler *c, unsigned flags)
{
    c->anchored = is_at(c, 0, '^') && !(flags & MAPPED_PATTERN_NO_ANCHOR);
    c->at = c->anchored;
    while (c->at < c->length)
        parse_item(c);
    emit(c, (mapped__pattern_node){.op = MAPPED__PATTERN_DONE,
                                   .at = (uint32_t)c->length});
}

/* Returns the first node that isn't the beginning of a capture, or NULL if too
 * many captures begin, which is an error before any byte is read. */
static const mapped__pattern_node *first_item(const mapped_pattern *pattern)
{
    const mapped__pattern_node *node = mapped__pattern_nodes(pattern);
    size_t opened = 0;
    while (node->op == MAPPED__PATTERN_OPEN ||
           node->op == MAPPED__PATTERN_POSITION) {
        if (++opened > MAPPED_PATTERN_CAPTURES)
            return NULL;
        node++;
    }
    return node;
}

static void find_prefix(mapped_pattern *pattern,
                        const mapped__pattern_node *node)
{
    unsigned char *prefix = (unsigned char *)mapped__pattern_prefix(pattern);
    if (node->op == MAPPED__PATTERN_BALANCE) {
        prefix[pattern->prefix_length++] = node->first;
        return;
    }
    while (node->op == MAPPED__PATTERN_BYTE &&
           mapped__pattern_needs_byte(node)) {
        prefix[pattern->prefix_length++] = node->first;
        if (node->repeat != MAPPED__PATTERN_ONCE)
            break;
        node++;
    }
}

static void find_beginning(mapped_pattern *pattern)
{
    const mapped__pattern_node *node = first_item(pattern);
    pattern->prefix_length = 0;
    pattern->first_set = MAPPED__PATTERN_NO_SET;
    if (node == NULL)
        return;
    find_prefix(pattern, node);
    if ((node->op == MAPPED__PATTERN_SET && mapped__pattern_needs_byte(node)) ||
        node->op == MAPPED__PATTERN_FRONTIER)
        pattern->first_set = node->set;
}

size_t mapped_pattern_size(const void *text, size_t length, unsigned flags)
{
    compiler c = {.text = text, .length = length};
    if (length > UINT32_MAX - 1)
        return 0;
    parse(&c, flags);
    /* There are no more sets, and no more bytes of prefix, than nodes. Their
     * size can overflow on 32-bit machines only. */
    const size_t each =
        sizeof(mapped__pattern_set) + sizeof(mapped__pattern_node) + 1;
    if (c.node_count > (SIZE_MAX - sizeof(mapped_pattern)) / each)
        return 0;
    return sizeof(mapped_pattern) + c.set_count * sizeof(mapped__pattern_set) +
           c.node_count * (sizeof(mapped__pattern_node) + 1);
}

const mapped_pattern *mapped_pattern_init(void *storage, const void *text,
                                          size_t length, unsigned flags)
{
    mapped_pattern *pattern = storage;
    compiler measure = {.text = text, .length = length};
    parse(&measure, flags);
    pattern->set_count = (uint32_t)measure.set_count;
    pattern->node_count = (uint32_t)measure.node_count;
    compiler c = {.text = text,
                  .length = length,
                  .sets = (mapped__pattern_set *)mapped__pattern_sets(pattern),
                  .nodes =
                      (mapped__pattern_node *)mapped__pattern_nodes(pattern)};
    parse(&c, flags);
    pattern->anchored = c.anchored;
    pattern->looks_back = c.looks_back;
    find_beginning(pattern);
    return pattern;
}

bool mapped_pattern_is_plain(const void *text, size_t length)
{
    const unsigned char *bytes = text;
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != '\0' && strchr("^$*+?.([%-", bytes[i]) != NULL)
            return false;
    return true;
}

void mapped_pattern_classes_get(mapped_pattern_classes *classes)
{
    mapped__system_classes(classes->bits_);
}

bool mapped_pattern_classes_current(const mapped_pattern_classes *classes)
{
    mapped_pattern_classes now;
    mapped_pattern_classes_get(&now);
    return memcmp(&now, classes, sizeof now) == 0;
}
