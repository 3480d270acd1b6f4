/* The two-way algorithm: M. Crochemore and D. Perrin, "Two-way string
 * matching", Journal of the ACM 38 (1991). Linear time for any needle, no
 * memory of its own. It is the answer to needles on which the fast filter of
 * needle.c would take quadratic time.
 *
 * Every step moves forward whatever the bytes are, and no bound depends on
 * them, so memory that changes meanwhile can spoil the result but never more.
 */
#include <mapped/needle.h>

/* Bytes in either direction: `at[0]` is the first, `at[step]` the next, so that
 * one implementation finds the first and the last occurrence. */
typedef struct text {
    const unsigned char *at;
    ptrdiff_t step;
} text;

static inline unsigned char byte_of(text t, size_t i)
{
    return t.at[(ptrdiff_t)i * t.step];
}

typedef struct factors {
    size_t cut;    /* where the needle's right part begins */
    size_t period; /* how far to move after a full match of the right part */
    bool periodic; /* the period is the whole needle's */
} factors;

/* Where the greatest suffix begins, and its period; by the order of bytes or,
 * with `down`, by the reverse order. */
static size_t greatest_suffix(text needle, size_t length, bool down,
                              size_t *period)
{
    size_t start = 0; /* of the best suffix so far */
    size_t rival = 1; /* of the suffix compared with it */
    size_t same = 0;  /* bytes of the two that agree within a period */
    *period = 1;
    while (rival + same < length) {
        unsigned char best = byte_of(needle, start + same);
        unsigned char next = byte_of(needle, rival + same);
        if (next == best) {
            same++;
            if (same == *period) {
                rival += same;
                same = 0;
            }
        } else if (down ? next > best : next < best) {
            rival += same + 1;
            same = 0;
            *period = rival - start;
        } else {
            start = rival++;
            same = 0;
            *period = 1;
        }
    }
    return start;
}

/* Does the needle's left part repeat `period` bytes further on? */
static bool repeats(text needle, size_t cut, size_t period, size_t length)
{
    if (cut + period > length)
        return false;
    for (size_t i = 0; i < cut; i++)
        if (byte_of(needle, i) != byte_of(needle, i + period))
            return false;
    return true;
}

static factors factorize(text needle, size_t length)
{
    factors f;
    size_t up_period;
    size_t down_period;
    size_t up = greatest_suffix(needle, length, false, &up_period);
    size_t down = greatest_suffix(needle, length, true, &down_period);
    f.cut = up > down ? up : down;
    f.period = up > down ? up_period : down_period;
    f.periodic = repeats(needle, f.cut, f.period, length);
    if (!f.periodic)
        f.period = 1 + (f.cut > length - f.cut ? f.cut : length - f.cut);
    return f;
}

static size_t two_way(text needle, size_t length, text data, size_t n)
{
    factors f = factorize(needle, length);
    size_t known = 0; /* bytes at the left that are known to match */
    for (size_t at = 0; at <= n - length;) {
        size_t i = known > f.cut ? known : f.cut;
        while (i < length && byte_of(needle, i) == byte_of(data, at + i))
            i++;
        if (i < length) {
            at += i - f.cut + 1;
            known = 0;
            continue;
        }
        i = f.cut;
        while (i > known && byte_of(needle, i - 1) == byte_of(data, at + i - 1))
            i--;
        if (i <= known)
            return at;
        at += f.period;
        known = f.periodic ? length - f.period : 0;
    }
    return MAPPED_NOT_FOUND;
}

size_t mapped__two_way_first(const unsigned char *needle, size_t length,
                             const unsigned char *data, size_t n)
{
    return two_way((text){needle, 1}, length, (text){data, 1}, n);
}

size_t mapped__two_way_last(const unsigned char *needle, size_t length,
                            const unsigned char *data, size_t n)
{
    size_t back = two_way((text){needle + length - 1, -1}, length,
                          (text){data + n - 1, -1}, n);
    return back == MAPPED_NOT_FOUND ? back : n - length - back;
}
