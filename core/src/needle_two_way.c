/* The two-way algorithm: M. Crochemore and D. Perrin, "Two-way string
 * matching", Journal of the ACM 38 (1991). It takes linear time for any needle
 * and no memory. needle.c falls back to it where its filter would take
 * quadratic time.
 *
 * Every step moves forward whatever the bytes are, and no bound depends on
 * them. So if another process changes the bytes meanwhile, the result may be
 * wrong, but the search ends and stays inside the haystack. */
#include <mapped/needle.h>

/* A text to be read in either direction: `at[0]` is its first byte, `at[step]`
 * its second. Reading backwards finds the last match. */
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

/* Returns where the needle's greatest suffix begins, and sets its period. Bytes
 * are ordered by value or, with `down`, in reverse. */
static size_t greatest_suffix(text needle, size_t length, bool down,
                              size_t *period)
{
    size_t start = 0; /* where the greatest suffix so far begins */
    size_t rival = 1; /* where the suffix compared with it begins */
    size_t same = 0;  /* how many bytes of the two agree within a period */
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

/* Is the needle's left part, up to `cut`, repeated `period` bytes later? */
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

static size_t two_way(text needle, size_t length, text haystack, size_t n)
{
    const factors f = factorize(needle, length);
    size_t known = 0; /* how many first bytes of the needle match at `at` */
    for (size_t at = 0; at <= n - length;) {
        size_t i = known > f.cut ? known : f.cut;
        while (i < length && byte_of(needle, i) == byte_of(haystack, at + i))
            i++;
        if (i < length) {
            at += i - f.cut + 1;
            known = 0;
            continue;
        }
        i = f.cut;
        while (i > known &&
               byte_of(needle, i - 1) == byte_of(haystack, at + i - 1))
            i--;
        if (i <= known)
            return at;
        at += f.period;
        known = f.periodic ? length - f.period : 0;
    }
    return MAPPED_NOT_FOUND;
}

size_t mapped__two_way_first(const unsigned char *needle, size_t length,
                             const unsigned char *haystack, size_t n)
{
    return two_way((text){needle, 1}, length, (text){haystack, 1}, n);
}

size_t mapped__two_way_last(const unsigned char *needle, size_t length,
                            const unsigned char *haystack, size_t n)
{
    size_t back = two_way((text){needle + length - 1, -1}, length,
                          (text){haystack + n - 1, -1}, n);
    return back == MAPPED_NOT_FOUND ? back : n - length - back;
}
