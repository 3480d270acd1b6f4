/* The type Atomic: a word of a Region that is loaded, changed and waited for in
 * one step. Its userdata is a mapped_atomic, which begins with the slice of the
 * word. Like a Slice it borrows: MLUA_USER_OWNER is the Region. */
#include "sharing.h"

static const mapped_atomic *check_atomic(lua_State *L)
{
    return mlua_check(L, 1, MLUA_ATOMIC, "mapped.Atomic");
}

static int view_atomic(lua_State *L)
{
    mapped_slice slice = mlua_open_self_at_most(L, 3);
    const mapped_element *element = mlua_check_element(L, 2);
    size_t offset = mlua_check_span(L, 3, 1, element->size, slice.length);
    mapped_atomic *self, atomic;
    mapped_error error;
    if (mapped_atomic_at(slice, element, offset, &atomic, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    self = mlua_push_object(L, MLUA_ATOMIC, sizeof *self, MLUA_USER_OWNER);
    *self = atomic;
    mlua_set_owner(L, 1);
    return 1;
}

const luaL_Reg mlua_view_atomic[] = {{"atomic", view_atomic}, {NULL, NULL}};

static mapped_order opt_order(lua_State *L, int arg)
{
    mapped_order order = MAPPED_ORDER_SEQ_CST;
    const char *text;
    size_t length;
    if (lua_isnoneornil(L, arg))
        return order;
    text = mlua_check_string(L, arg, &length);
    if (mapped_order_parse(text, length, &order, NULL) != MAPPED_OK) {
        lua_pushfstring(L,
                        "unknown memory order '%s', there are: seq_cst, "
                        "relaxed, acquire, release, acq_rel",
                        mlua_push_short(L, arg));
        luaL_argerror(L, arg, lua_tostring(L, -1));
    }
    return order;
}

static int push_result(lua_State *L, const mapped_atomic *self,
                       mapped_value value)
{
    mlua_push_value(L, self->element, value);
    return 1;
}

static int atomic_load(lua_State *L)
{
    mapped_value value;
    mapped_error error;
    const mapped_atomic *self;
    mapped_order order;
    mlua_at_most(L, 2);
    self = check_atomic(L);
    order = opt_order(L, 2);
    if (mapped_atomic_load(self, order, &value, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    return push_result(L, self, value);
}

static int atomic_store(lua_State *L)
{
    mapped_value value;
    mapped_error error;
    const mapped_atomic *self;
    mapped_order order;
    mlua_at_most(L, 3);
    self = check_atomic(L);
    value = mlua_check_value(L, 2, self->element);
    order = opt_order(L, 3);
    if (mapped_atomic_store(self, value, order, &error) != MAPPED_OK)
        return mlua_raise_value(L, 2, self->element, &error);
    return 0;
}

static int update(lua_State *L, mapped_atomic_operation operation)
{
    mapped_value value, before;
    mapped_error error;
    const mapped_atomic *self;
    mapped_order order;
    mlua_at_most(L, 3);
    self = check_atomic(L);
    value = mlua_check_value(L, 2, self->element);
    order = opt_order(L, 3);
    if (mapped_atomic_update(self, operation, value, order, &before, &error) !=
        MAPPED_OK)
        return mlua_raise_value(L, 2, self->element, &error);
    return push_result(L, self, before);
}

static int atomic_exchange(lua_State *L)
{
    return update(L, MAPPED_ATOMIC_EXCHANGE);
}

static int atomic_add(lua_State *L)
{
    return update(L, MAPPED_ATOMIC_ADD);
}

static int atomic_sub(lua_State *L)
{
    return update(L, MAPPED_ATOMIC_SUB);
}

static int atomic_and(lua_State *L)
{
    return update(L, MAPPED_ATOMIC_AND);
}

static int atomic_or(lua_State *L)
{
    return update(L, MAPPED_ATOMIC_OR);
}

static int atomic_xor(lua_State *L)
{
    return update(L, MAPPED_ATOMIC_XOR);
}

static int atomic_compare_exchange(lua_State *L)
{
    mapped_value expected, desired, before;
    mapped_error error;
    const mapped_atomic *self;
    mapped_order order;
    mlua_at_most(L, 4);
    self = check_atomic(L);
    expected = mlua_check_value(L, 2, self->element);
    desired = mlua_check_value(L, 3, self->element);
    order = opt_order(L, 4);
    if (mapped_atomic_compare_exchange(self, expected, desired, order, &before,
                                       &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    return push_result(L, self, before);
}

static int atomic_wait(lua_State *L)
{
    mapped_value value, found;
    mapped_error error;
    const mapped_atomic *self;
    mlua_wait wait;
    mapped_status status;
    mlua_at_most(L, 3);
    self = check_atomic(L);
    value = mlua_check_value(L, 2, self->element);
    wait = mlua_begin_wait(L, mlua_opt_deadline(L, 3));
    do
        status = mapped_atomic_wait(self, value, wait.turn, &found, &error);
    while (mlua_next_turn(L, &wait, &status, &error));
    if (status == MAPPED_OK)
        return push_result(L, self, found);
    return error.status == MAPPED_VALUE
               ? mlua_raise_value(L, 2, self->element, &error)
               : mlua_fail(L, &error);
}

static int atomic_notify(lua_State *L)
{
    uint32_t woken = 0;
    mapped_error error;
    const mapped_atomic *self;
    size_t count = UINT32_MAX;
    mlua_at_most(L, 2);
    self = check_atomic(L);
    if (!lua_isnoneornil(L, 2))
        count = mlua_check_length(L, 2);
    if (mapped_atomic_notify(self,
                             count < UINT32_MAX ? (uint32_t)count : UINT32_MAX,
                             &woken, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    lua_pushinteger(L, woken);
    return 1;
}

static int atomic_tostring(lua_State *L)
{
    const mapped_atomic *self = check_atomic(L);
    if (mapped_region_closed(self->word.region))
        lua_pushliteral(L, "mapped.Atomic (closed)");
    else
        lua_pushfstring(L, "mapped.Atomic (%s at offset %I)",
                        self->element->name, (LUAI_UACINT)self->word.offset);
    return 1;
}

static int atomic_region(lua_State *L)
{
    mlua_at_most(L, 1);
    check_atomic(L);
    mlua_push_owner(L, 1);
    return 1;
}

static int atomic_offset(lua_State *L)
{
    mlua_at_most(L, 1);
    lua_pushinteger(L, (lua_Integer)check_atomic(L)->word.offset);
    return 1;
}

const luaL_Reg mlua_atomic_methods[] = {
    {"load", atomic_load},
    {"store", atomic_store},
    {"exchange", atomic_exchange},
    {"compare_exchange", atomic_compare_exchange},
    {"add", atomic_add},
    {"sub", atomic_sub},
    {"and_", atomic_and},
    {"or_", atomic_or},
    {"xor", atomic_xor},
    {"wait", atomic_wait},
    {"notify", atomic_notify},
    {"region", atomic_region},
    {"offset", atomic_offset},
    {NULL, NULL}};

const luaL_Reg mlua_atomic_meta[] = {{"__tostring", atomic_tostring},
                                     {NULL, NULL}};

int mlua_fence(lua_State *L)
{
    mlua_at_most(L, 1);
    mapped_atomic_fence(opt_order(L, 1));
    return 0;
}
