/* The compiled form of a pattern, which pattern_compile.c makes and
 * pattern_match.c runs: an array of nodes, one for each pattern item (as Lua's
 * manual calls it), that ends with MAPPED__PATTERN_DONE or _BAD. */
#ifndef MAPPED_PATTERN_INTERNAL_H
#define MAPPED_PATTERN_INTERNAL_H

#include <mapped/pattern.h>

/* The first three, up to MAPPED__PATTERN_SET, match one byte and may be
 * repeated. */
typedef enum mapped__pattern_op {
    MAPPED__PATTERN_BYTE,     /* the byte `first` */
    MAPPED__PATTERN_ANY,      /* "." */
    MAPPED__PATTERN_SET,      /* a byte of sets[set] */
    MAPPED__PATTERN_OPEN,     /* "(" */
    MAPPED__PATTERN_POSITION, /* "()" */
    MAPPED__PATTERN_CLOSE,    /* ")" */
    MAPPED__PATTERN_BALANCE,  /* "%bxy": x is `first`, y is `second` */
    MAPPED__PATTERN_FRONTIER, /* "%f[set]" */
    MAPPED__PATTERN_BACK,     /* "%0" to "%9": the digit is `first` */
    MAPPED__PATTERN_END,      /* "$" */
    MAPPED__PATTERN_DONE,     /* the whole pattern has matched */
    MAPPED__PATTERN_BAD       /* the mapped__pattern_error `first` */
} mapped__pattern_op;

typedef enum mapped__pattern_repeat {
    MAPPED__PATTERN_ONCE,
    MAPPED__PATTERN_OPTIONAL,    /* "?" */
    MAPPED__PATTERN_GREEDY,      /* "*" */
    MAPPED__PATTERN_GREEDY_ONCE, /* "+" */
    MAPPED__PATTERN_LAZY         /* "-" */
} mapped__pattern_repeat;

/* Why a pattern is malformed; pattern_match.c has the texts. */
typedef enum mapped__pattern_error {
    MAPPED__PATTERN_ENDS_WITH_ESCAPE,
    MAPPED__PATTERN_MISSING_BRACKET,
    MAPPED__PATTERN_MISSING_FRONTIER,
    MAPPED__PATTERN_MISSING_BALANCE,
    MAPPED__PATTERN_NOT_OPEN,
    MAPPED__PATTERN_UNFINISHED,
    MAPPED__PATTERN_TOO_MANY,
    MAPPED__PATTERN_TOO_COMPLEX,
    MAPPED__PATTERN_BAD_INDEX /* of "%0"; those of other digits follow */
} mapped__pattern_error;

typedef struct mapped__pattern_node {
    uint8_t op;
    uint8_t repeat;
    uint8_t first;
    uint8_t second;
    uint32_t set;
    uint32_t at; /* offset of the item in the pattern's text */
} mapped__pattern_node;

/* Must an item of one byte match at least one? */
static inline bool mapped__pattern_needs_byte(const mapped__pattern_node *item)
{
    return item->repeat == MAPPED__PATTERN_ONCE ||
           item->repeat == MAPPED__PATTERN_GREEDY_ONCE;
}

typedef struct mapped__pattern_set {
    uint8_t bits[(UCHAR_MAX + 1) / CHAR_BIT];
} mapped__pattern_set;

#define MAPPED__PATTERN_NO_SET UINT32_MAX

/* A compiled pattern. In memory the sets follow, then the nodes, then the
 * prefix. The search skips offsets where no match can begin: every match begins
 * with the prefix, or if that is empty with a byte of `first_set`. */
struct mapped_pattern {
    uint32_t set_count;
    uint32_t node_count;
    uint32_t prefix_length; /* 0: no prefix is known */
    uint32_t first_set;     /* MAPPED__PATTERN_NO_SET: not known */
    bool anchored;
    bool looks_back; /* a match depends on the byte before it */
};

static inline const mapped__pattern_set *
mapped__pattern_sets(const mapped_pattern *pattern)
{
    return (const mapped__pattern_set *)(pattern + 1);
}

static inline const mapped__pattern_node *
mapped__pattern_nodes(const mapped_pattern *pattern)
{
    const void *end = mapped__pattern_sets(pattern) + pattern->set_count;
    return end;
}

static inline const unsigned char *
mapped__pattern_prefix(const mapped_pattern *pattern)
{
    const void *end = mapped__pattern_nodes(pattern) + pattern->node_count;
    return end;
}

static inline bool mapped__pattern_set_has(const mapped__pattern_set *set,
                                           unsigned char byte)
{
    return set->bits[byte / CHAR_BIT] >> (byte % CHAR_BIT) & 1;
}

#endif
