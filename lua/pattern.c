/* Lua patterns, matched in place: the methods find, match, gmatch and gsub,
 * with the results and the errors of string.*.
 *
 * The core compiles and matches; here arguments become a compiled pattern, a
 * subject and a match, and captures become values. A view given as the pattern
 * matches exactly its own bytes. A compiled pattern is used only until Lua may
 * collect garbage, or as long as it is on the stack. */
#include <string.h>
#include "cache.h"
#include "search.h"

#define SPECIALS "^$()%.[]*+-?"

/* Returns the compiled pattern at argument 2, whose string is `text`. It is
 * valid until Lua may collect garbage; if the cache's slots don't have it, it
 * is also pushed. Callers convert their arguments first, because what is pushed
 * may get the index of an argument that was left out. */
static const mlua_compiled *get_pattern(lua_State *L, const char *text)
{
    const mlua_compiled *found = mlua_find_compiled(
        lua_touserdata(L, lua_upvalueindex(MLUA_CACHE)), MLUA_PATTERN, text);
    return MAPPED__LIKELY(found != NULL)
               ? found
               : mlua_push_compiled(L, MLUA_PATTERN, 2);
}

#define SHORT_BYTES 256

/* Pushes a short string without a call of the core, which is enough for most
 * captures. Returns false and pushes nothing if that is not possible. */
static bool try_push_short(lua_State *L, mapped_slice subject, size_t start,
                           size_t n)
{
    char bytes[SHORT_BYTES];
    const unsigned char *p;
    if (n == 0 || n > sizeof bytes)
        return false;
    p = mapped_slice_try_enter(subject, start, n);
    if (p == NULL)
        return false;
    memcpy(bytes, p, n);
    if (!mapped_slice_try_leave(subject))
        return false;
    lua_pushlstring(L, bytes, n);
    return true;
}

static void push_bytes(lua_State *L, const char *operation,
                       mapped_slice subject, size_t start, size_t n)
{
    if (!try_push_short(L, subject, start, n))
        mlua_push_bytes_in(L, operation, subject, start, n);
}

static void push_capture(lua_State *L, const char *operation,
                         mapped_slice subject, const mapped_capture *capture)
{
    if (capture->length == MAPPED_CAPTURE_POSITION)
        lua_pushinteger(L, (lua_Integer)capture->start + 1);
    else
        push_bytes(L, operation, subject, capture->start, capture->length);
}

/* Pushes all captures and returns their number. Pushing may run a finalizer
 * that continues the same search, so all captures are read before. */
static int push_captures(lua_State *L, const char *operation,
                         mapped_slice subject, const mapped_match *match)
{
    mapped_capture captures[MAPPED_PATTERN_CAPTURES];
    mapped_error error;
    const size_t count = match->count;
    size_t i;
    for (i = 0; i < count; i++)
        if (mapped_match_capture(match, i, &captures[i], &error) != MAPPED_OK)
            mlua_raise_in(L, operation, &error);
    luaL_checkstack(L, (int)count + LUA_MINSTACK, "too many captures");
    for (i = 0; i < count; i++)
        push_capture(L, operation, subject, &captures[i]);
    return (int)count;
}

/* Pushes the captures; or the whole match if it has none. Returns how many
 * values that is. */
static int push_match(lua_State *L, const char *operation, mapped_slice subject,
                      const mapped_match *match)
{
    if (match->count > 0)
        return push_captures(L, operation, subject, match);
    push_bytes(L, operation, subject, match->start, match->end - match->start);
    return 1;
}

/* Puts a text that stands for exactly the bytes of the view or Array at `arg`
 * in its place: a "%" comes before each character of `specials`. Does nothing
 * to any other value. */
static void escape_view(lua_State *L, const char *operation, int arg,
                        const char *specials)
{
    luaL_Buffer buffer;
    const char *text;
    size_t length, i;
    if (lua_type(L, arg) != LUA_TUSERDATA)
        return;
    mlua_copy_to_string(L, operation, arg);
    text = lua_tolstring(L, arg, &length);
    if (text == NULL)
        return;
    luaL_buffinit(L, &buffer);
    for (i = 0; i < length; i++) {
        if (text[i] != '\0' && strchr(specials, text[i]) != NULL)
            luaL_addchar(&buffer, '%');
        luaL_addchar(&buffer, text[i]);
    }
    luaL_pushresult(&buffer);
    lua_replace(L, arg);
}

static const char *check_pattern(lua_State *L, const char *operation)
{
    escape_view(L, operation, 2, SPECIALS);
    return mlua_check_string(L, 2, NULL);
}

/* Goes on to the next match. Returns false if there is none. */
static bool next_match(lua_State *L, const char *operation, mapped_match *match,
                       const mapped_pattern *pattern, mapped_slice subject)
{
    bool found;
    mapped_error error;
    if (mapped_match_next(match, pattern, subject, &found, &error) != MAPPED_OK)
        mlua_raise_in(L, operation, &error);
    return found;
}

/* Is `text`, which is argument 2, without special characters, and too long for
 * the cache? Then to compile it each time would take longer than to search. */
static bool is_long_and_plain(lua_State *L, const char *text)
{
    size_t length = lua_rawlen(L, 2);
    return length > MLUA_MAX_TEXT_BYTES &&
           mapped_pattern_is_plain(text, length);
}

/* find(pattern, init, plain): a view, or a string without special characters,
 * is searched for as plain bytes. */
static int pattern_find(lua_State *L)
{
    const char *text = NULL;
    const mlua_compiled *compiled = NULL;
    mapped_slice subject;
    mapped_match match;
    lua_Integer init;
    size_t offset;
    bool is_plain;
    mlua_at_most(L, 4);
    if (lua_type(L, 2) == LUA_TUSERDATA)
        mlua_prepare_needle(L, "find");
    else
        text = mlua_check_string(L, 2, NULL);
    init = mlua_opt_integer(L, 3, 1);
    is_plain =
        text == NULL || lua_toboolean(L, 4) || is_long_and_plain(L, text);
    if (!is_plain)
        compiled = get_pattern(L, text);
    subject = mlua_check_view(L, 1);
    offset = mlua_search_offset(init, subject.length);
    if (is_plain || compiled->is_plain)
        return mlua_find_plain(L, subject, offset);
    mapped_match_init(&match, offset);
    if (!next_match(L, "find", &match, compiled->pattern, subject)) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)match.start + 1);
    lua_pushinteger(L, (lua_Integer)match.end);
    return push_captures(L, "find", subject, &match) + 2;
}

/* match(pattern, init) */
static int pattern_match(lua_State *L)
{
    const char *text;
    const mlua_compiled *compiled;
    mapped_slice subject;
    mapped_match match;
    lua_Integer init;
    mlua_at_most(L, 3);
    text = check_pattern(L, "match");
    init = mlua_opt_integer(L, 3, 1);
    compiled = get_pattern(L, text);
    subject = mlua_check_view(L, 1);
    mapped_match_init(&match, mlua_search_offset(init, subject.length));
    if (next_match(L, "match", &match, compiled->pattern, subject))
        return push_match(L, "match", subject, &match);
    luaL_pushfail(L);
    return 1;
}

/* What gmatch returns a function over. */
typedef struct iterator {
    mapped_slice subject;
    const mapped_pattern *pattern;
    mapped_match match;
} iterator;

/* Upvalue 1 is the iterator; the others keep alive what it refers to. */
static int gmatch_next(lua_State *L)
{
    iterator *self = lua_touserdata(L, lua_upvalueindex(1));
    if (!next_match(L, "gmatch", &self->match, self->pattern, self->subject))
        return 0;
    return push_match(L, "gmatch", self->subject, &self->match);
}

/* gmatch(pattern, init) */
static int pattern_gmatch(lua_State *L)
{
    const char *text;
    lua_Integer init;
    iterator *self;
    mlua_at_most(L, 3);
    text = check_pattern(L, "gmatch");
    init = mlua_opt_integer(L, 3, 1);
    self = lua_newuserdatauv(L, sizeof *self, 0);
    /* gmatch takes "^" as a plain character, as string.gmatch does. */
    self->pattern = (text[0] == '^' ? mlua_push_unanchored(L, 2)
                                    : mlua_push_compiled(L, MLUA_PATTERN, 2))
                        ->pattern;
    self->subject = mlua_check_view(L, 1);
    mlua_push_owner(L, 1);
    mapped_match_init(&self->match,
                      mlua_search_offset(init, self->subject.length));
    lua_pushcclosure(L, gmatch_next, 3);
    return 1;
}

/* A call of gsub. The result goes to a string or, if there is a target, there.
 */
typedef struct substitution {
    lua_State *L;
    mapped_slice subject;
    mapped_match match;
    bool has_target;
    mapped_slice target;
    size_t written;       /* bytes of the target */
    luaL_Buffer result;   /* only without a target */
    int replacement_type; /* of argument 3: LUA_TSTRING and so on */
} substitution;

/* Adds the text to the result, as the other functions add_... do with what they
 * are named for. */
static void add_text(substitution *gsub, const char *text, size_t n)
{
    mapped_error error;
    if (!gsub->has_target) {
        luaL_addlstring(&gsub->result, text, n);
        return;
    }
    if (mapped_write(gsub->target, gsub->written, text, n, &error) != MAPPED_OK)
        mlua_raise_in(gsub->L, "gsub", &error);
    gsub->written += n;
}

/* Adds the string or number on top of the stack, and pops it. */
static void add_value(substitution *gsub)
{
    size_t n;
    const char *text;
    if (!gsub->has_target) {
        luaL_addvalue(&gsub->result);
        return;
    }
    text = lua_tolstring(gsub->L, -1, &n);
    add_text(gsub, text, n);
    lua_pop(gsub->L, 1);
}

/* Adds the bytes [start, end) of the subject. */
static void add_subject(substitution *gsub, size_t start, size_t end)
{
    mapped_error error;
    mapped_status status;
    size_t n = end - start;
    if (gsub->has_target) {
        const mapped_slice part = {.region = gsub->subject.region,
                                   .offset = gsub->subject.offset + start,
                                   .length = n};
        status = mapped_copy(gsub->target, gsub->written, part, &error);
        gsub->written += n;
    } else {
        char *to = luaL_prepbuffsize(&gsub->result, n);
        status = mapped_read(gsub->subject, start, to, n, &error);
        luaL_addsize(&gsub->result, n);
    }
    if (status != MAPPED_OK)
        mlua_raise_in(gsub->L, "gsub", &error);
}

/* Raises an error about the "%" at this offset in the replacement. */
static void raise_escape(substitution *gsub, const char *message, size_t offset)
{
    luaL_error(gsub->L, "%s at position %I of the replacement", message,
               (LUAI_UACINT)offset + 1);
}

/* Adds what "%" and a digit stand for; `offset` is that of the "%". */
static void add_capture(substitution *gsub, size_t index, size_t offset)
{
    mapped_capture capture;
    mapped_error error;
    if (mapped_match_capture(&gsub->match, index, &capture, &error) !=
        MAPPED_OK) {
        /* The core puts the reason in `operation`. */
        if (index >= gsub->match.count)
            raise_escape(gsub, error.operation, offset);
        mlua_raise(gsub->L, &error);
    }
    if (capture.length != MAPPED_CAPTURE_POSITION) {
        add_subject(gsub, capture.start, capture.start + capture.length);
        return;
    }
    lua_pushinteger(gsub->L, (lua_Integer)capture.start + 1);
    add_value(gsub);
}

/* Adds what "%" and `c` stand for; `offset` is that of the "%". */
static void add_escaped(substitution *gsub, char c, size_t offset)
{
    if (c == '%')
        add_text(gsub, "%", 1);
    else if (c == '0')
        add_subject(gsub, gsub->match.start, gsub->match.end);
    else if (c >= '1' && c <= '9')
        add_capture(gsub, (size_t)(c - '1'), offset);
    else
        raise_escape(gsub, "invalid use of '%' in replacement string", offset);
}

/* Adds what the string at argument 3 stands for. It ends with a NUL, so a byte
 * follows every "%". */
static void add_template(substitution *gsub)
{
    size_t length;
    const char *start = lua_tolstring(gsub->L, 3, &length);
    const char *text = start, *end = start + length;
    const char *escape;
    while ((escape = memchr(text, '%', (size_t)(end - text))) != NULL) {
        add_text(gsub, text, (size_t)(escape - text));
        add_escaped(gsub, escape[1], (size_t)(escape - start));
        text = escape + 2;
    }
    add_text(gsub, text, (size_t)(end - text));
}

/* Pushes the field of the table at argument 3 whose key is the first capture,
 * which is the whole match if the pattern has no captures. */
static void push_field(substitution *gsub)
{
    lua_State *L = gsub->L;
    mapped_capture first;
    mapped_error error;
    if (mapped_match_capture(&gsub->match, 0, &first, &error) != MAPPED_OK)
        mlua_raise(L, &error);
    push_capture(L, "gsub", gsub->subject, &first);
    lua_gettable(L, 3);
}

/* Pushes the result of the function at argument 3. */
static void push_call(substitution *gsub)
{
    lua_State *L = gsub->L;
    int count;
    lua_pushvalue(L, 3);
    count = push_match(L, "gsub", gsub->subject, &gsub->match);
    lua_call(L, count, 1);
}

static void add_replacement(substitution *gsub)
{
    lua_State *L = gsub->L;
    switch (gsub->replacement_type) {
    case LUA_TTABLE:
        push_field(gsub);
        break;
    case LUA_TFUNCTION:
        push_call(gsub);
        break;
    default:
        add_template(gsub);
        return;
    }
    /* A view becomes a string; other values stay. */
    mlua_copy_to_string(L, "gsub", lua_gettop(L));
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        add_subject(gsub, gsub->match.start, gsub->match.end);
    } else if (lua_isstring(L, -1)) {
        add_value(gsub);
    } else {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
}

/* Replaces at most `max_count` matches and returns their number. */
static lua_Integer substitute(substitution *gsub, const mapped_pattern *pattern,
                              lua_Integer max_count)
{
    lua_Integer count = 0;
    size_t done = 0; /* the end of what has been replaced or copied */
    while (count < max_count &&
           next_match(gsub->L, "gsub", &gsub->match, pattern, gsub->subject)) {
        add_subject(gsub, done, gsub->match.start);
        add_replacement(gsub);
        done = gsub->match.end;
        count++;
    }
    add_subject(gsub, done, gsub->subject.length);
    return count;
}

/* The target is argument 5, if there is one. The subject must not change while
 * it is read. */
static void check_target(lua_State *L, substitution *gsub)
{
    const mapped_slice *a = &gsub->subject, *b = &gsub->target;
    gsub->has_target = !lua_isnoneornil(L, 5);
    if (!gsub->has_target)
        return;
    gsub->target = mlua_check_view(L, 5);
    luaL_argcheck(L,
                  a->region != b->region ||
                      a->offset + a->length <= b->offset ||
                      b->offset + b->length <= a->offset,
                  5, "the target overlaps the bytes that are searched");
}

static void check_replacement(lua_State *L, substitution *gsub)
{
    escape_view(L, "gsub", 3, "%");
    gsub->replacement_type = lua_type(L, 3);
    if (gsub->replacement_type != LUA_TNUMBER &&
        gsub->replacement_type != LUA_TSTRING &&
        gsub->replacement_type != LUA_TTABLE &&
        gsub->replacement_type != LUA_TFUNCTION)
        mlua_raise_type(L, 3, "string/function/table");
}

/* gsub(pattern, replacement, n, target) */
static int pattern_gsub(lua_State *L)
{
    substitution gsub;
    const mlua_compiled *compiled;
    lua_Integer max_count, count;
    mlua_at_most(L, 5);
    gsub.L = L;
    gsub.written = 0;
    check_pattern(L, "gsub");
    max_count = mlua_opt_integer(L, 4, LUA_MAXINTEGER);
    check_replacement(L, &gsub);
    lua_settop(L, 5);
    compiled = mlua_push_compiled(L, MLUA_PATTERN, 2);
    gsub.subject = mlua_check_view(L, 1);
    check_target(L, &gsub);
    mapped_match_init(&gsub.match, 0);
    if (!gsub.has_target)
        luaL_buffinit(L, &gsub.result);
    count = substitute(&gsub, compiled->pattern, max_count);
    if (gsub.has_target)
        lua_pushinteger(L, (lua_Integer)gsub.written);
    else
        luaL_pushresult(&gsub.result);
    lua_pushinteger(L, count);
    return 2;
}

const luaL_Reg mlua_pattern_methods[] = {{"find", pattern_find},
                                         {"match", pattern_match},
                                         {"gmatch", pattern_gmatch},
                                         {"gsub", pattern_gsub},
                                         {NULL, NULL}};
