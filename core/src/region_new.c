/* The struct of a region, in memory of its own or of the caller's; and regions
 * that wrap memory which somebody else owns. */
#include <mapped/region.h>

#include <stdlib.h>
#include <string.h>

#include <mapped/checked.h>

#include "region_internal.h"

/* Clears all but the entries of the guard's two lists, which are most of the
 * struct. Both lists are empty then. */
static void clear(mapped__region *self)
{
    memset(self, 0, offsetof(mapped__region, guard.lost_list.list));
    self->guard.recovered.count = 0;
}

size_t mapped_region_room(const char *name)
{
    size_t room = sizeof(mapped__region);
    if (name == NULL)
        return room;
    room += strlen(name) + 1;
    if (name[0] != '/') /* a directory may have to stand before it */
        return room + MAPPED__BASE_SIZE;
    bool can_be_shared = strchr(name + 1, '/') == NULL;
    return can_be_shared ? room + MAPPED__SHARED_PREFIX : room;
}

static mapped_status allocate(mapped__storage at, const char *name,
                              mapped__region **region, mapped_error *error)
{
    char base[MAPPED__BASE_SIZE]; /* what makes a relative path absolute */
    size_t base_size = name != NULL ? mapped__path_base(name, base) : 0;
    size_t name_size = name != NULL ? strlen(name) + 1 : 0;
    size_t room = sizeof **region + base_size + name_size;
    if (at.memory != NULL && at.size < room)
        return mapped_error_set(error, MAPPED_ARGUMENT, at.too_small);
    mapped__region *self = at.memory != NULL ? at.memory : malloc(room);
    if (self == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "region");
    clear(self);
    self->in_callers_memory = at.memory != NULL;
    *region = self;
    if (name == NULL)
        return MAPPED_OK;
    memcpy(self->path, base, base_size);
    memcpy(self->path + base_size, name, name_size);
    self->name = self->path + base_size;
    return MAPPED_OK;
}

/* A struct in the caller's memory goes on answering, so it forgets the list. */
void mapped__region_free_struct(mapped__region *self)
{
    MAPPED__STORE(&self->head.traits_,
                  self->head.traits_ & ~MAPPED__TRAIT_PROTECTED);
    free(self->protection);
    self->protection = NULL;
    if (!self->in_callers_memory)
        free(self);
}

mapped_status mapped__region_new(mapped__storage at, const char *name,
                                 mapped__region **region, mapped_error *error)
{
    mapped__region *self;
    mapped_status status = allocate(at, name, &self, error);
    if (status != MAPPED_OK)
        return status;
    status = mapped__region_watch(self, error);
    if (status != MAPPED_OK) {
        mapped__region_free_struct(self);
        return status;
    }
    self->references = 1;
    self->file = MAPPED__NO_FILE;
    self->head.base_ = mapped__region_nothing;
    *region = self;
    return MAPPED_OK;
}

void mapped__region_discard(mapped__region *self)
{
    if (self == NULL)
        return;
    mapped__guard_remove(&self->guard);
    mapped__region_free_struct(self);
}

/* The memory may be a mapping, whose pages may be lost. Whether it may be
 * written is not known; so zero pages that take the place of lost ones are
 * writable. */
static void guard_wrapped(mapped__region *self, unsigned char *data,
                          size_t length)
{
    const size_t page = mapped__page_size();
    size_t used;
    self->lead = (uintptr_t)data % page;
    self->guard.page_size = page;
    self->guard.writable = true;
    if (mapped_round_up(length + self->lead, page, &used))
        mapped__guard_move(&self->guard, data - self->lead, used, used);
}

mapped_status mapped_region_wrap(void *data, size_t length, bool readonly,
                                 mapped_wrap_hook *hook, void *context,
                                 mapped_region **region, mapped_error *error)
{
    mapped__region *self;
    const mapped__storage none = {.memory = NULL};
    mapped_status status;
    if (length > 0 && (data == NULL || length > SIZE_MAX / 2 ||
                       length > UINTPTR_MAX - (uintptr_t)data))
        status = mapped_error_set(error, MAPPED_ARGUMENT, "wrap no memory");
    else
        status = mapped__region_new(none, NULL, &self, error);
    if (status != MAPPED_OK)
        return mapped__region_complete_error(NULL, "wrap", status, error);
    self->mode = readonly ? MAPPED_MODE_READ : MAPPED_MODE_READ_WRITE;
    self->wrapped = true;
    self->hook = hook;
    self->context = context;
    if (readonly)
        self->head.traits_ |= MAPPED__TRAIT_READONLY;
    if (length > 0) {
        self->head.base_ = data;
        guard_wrapped(self, data, length);
    }
    mapped__region_publish_length(self, length);
    *region = &self->head;
    return MAPPED_OK;
}
