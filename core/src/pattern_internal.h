/* The compiled form of a pattern: a row of nodes, each one item. */
#ifndef MAPPED_PATTERN_INTERNAL_H
#define MAPPED_PATTERN_INTERNAL_H

#include <mapped/pattern.h>

/* The first three match one byte and may be repeated; the order matters to
 * mapped__pattern_is_single. */
typedef enum mapped__pattern_op {
    MAPPED__PATTERN_BYTE, /* `first` */
    MAPPED__PATTERN_ANY,
    MAPPED__PATTERN_SET,      /* a byte of sets[set] */
    MAPPED__PATTERN_OPEN,     /* a capture begins */
    MAPPED__PATTERN_POSITION, /* a position capture */
    MAPPED__PATTERN_CLOSE,
    MAPPED__PATTERN_BALANCE,  /* between `first` and `second` */
    MAPPED__PATTERN_FRONTIER, /* into sets[set] */
    MAPPED__PATTERN_BACK,     /* what capture `first` ('0' to '9') matched */
    MAPPED__PATTERN_END,      /* "$" */
    MAPPED__PATTERN_DONE,
    MAPPED__PATTERN_BAD /* error `first` of mapped__pattern_fault */
} mapped__pattern_op;

typedef enum mapped__pattern_repeat {
    MAPPED__PATTERN_ONCE,
    MAPPED__PATTERN_OPTIONAL,
    MAPPED__PATTERN_GREEDY,
    MAPPED__PATTERN_GREEDY_ONCE, /* at least once */
    MAPPED__PATTERN_LAZY
} mapped__pattern_repeat;

typedef enum mapped__pattern_fault {
    MAPPED__PATTERN_ENDS_WITH_ESCAPE,
    MAPPED__PATTERN_MISSING_BRACKET,
    MAPPED__PATTERN_MISSING_FRONTIER,
    MAPPED__PATTERN_MISSING_BALANCE,
    MAPPED__PATTERN_NOT_OPEN,
    MAPPED__PATTERN_UNFINISHED,
    MAPPED__PATTERN_TOO_MANY,
    MAPPED__PATTERN_TOO_COMPLEX,
    MAPPED__PATTERN_BAD_INDEX /* followed by one for each digit */
} mapped__pattern_fault;

typedef struct mapped__pattern_node {
    uint8_t op;
    uint8_t repeat;
    uint8_t first;
    uint8_t second;
    uint32_t set;
    uint32_t place; /* in the pattern's text */
} mapped__pattern_node;

typedef struct mapped__pattern_set {
    uint8_t bits[(UCHAR_MAX + 1) / CHAR_BIT];
} mapped__pattern_set;

/* What must come first in a match, to pass over what can't be one: the bytes of
 * `prefix`, or else a byte of a set, or else nothing is known. */
#define MAPPED__PATTERN_NO_SET UINT32_MAX

/* Followed by the sets, the nodes and the prefix. */
struct mapped_pattern {
    uint32_t sets;
    uint32_t nodes;
    uint32_t prefix; /* bytes */
    uint32_t first_set;
    bool anchored;
    bool looks_back; /* to the byte before a match */
};

static inline const mapped__pattern_set *
mapped__pattern_sets(const mapped_pattern *pattern)
{
    return (const mapped__pattern_set *)(pattern + 1);
}

static inline const mapped__pattern_node *
mapped__pattern_nodes(const mapped_pattern *pattern)
{
    const void *end = mapped__pattern_sets(pattern) + pattern->sets;
    return end;
}

static inline const unsigned char *
mapped__pattern_prefix(const mapped_pattern *pattern)
{
    const void *end = mapped__pattern_nodes(pattern) + pattern->nodes;
    return end;
}

static inline bool mapped__pattern_set_has(const mapped__pattern_set *set,
                                           unsigned char byte)
{
    return set->bits[byte / CHAR_BIT] >> (byte % CHAR_BIT) & 1;
}

#endif
