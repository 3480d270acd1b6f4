/* Layouts: a text that compiles must have fields that lie inside the record,
 * apart and under names of their own; any other must have its mistake's place.
 */
#include "guarded.h"

static void check_apart(const mapped_layout_entry *a,
                        const mapped_layout_entry *b)
{
    EXPECT(a->offset + mapped_layout_entry_size(a) <= b->offset ||
           b->offset + mapped_layout_entry_size(b) <= a->offset);
    EXPECT(strcmp(a->name, b->name) != 0);
}

static void check_layout(const mapped_layout *layout, size_t length)
{
    size_t count = mapped_layout_count(layout);
    EXPECT(count > 0 && mapped_layout_size(layout) <= PTRDIFF_MAX);
    for (size_t i = 0; i < count; i++) {
        const mapped_layout_entry *field = mapped_layout_field(layout, i);
        EXPECT(field->place + field->name_length <= length);
        EXPECT(strlen(field->name) == field->name_length);
        EXPECT(field->count > 0);
        EXPECT(mapped_range_fits(field->offset, mapped_layout_entry_size(field),
                                 mapped_layout_size(layout)));
        EXPECT(mapped_layout_find(layout, field->name, field->name_length) ==
               field);
        for (size_t k = 0; k < i; k++)
            check_apart(mapped_layout_field(layout, k), field);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mapped_layout *layout;
    mapped_error error = MAPPED_ERROR_INIT;
    size_t length = size < 4096 ? size : 4096;
    char *text = (char *)guarded(length, true);
    if (length > 0)
        memcpy(text, bytes, length);
    if (mapped_layout_compile(text, length, &layout, &error) != MAPPED_OK) {
        EXPECT(error.status == MAPPED_LAYOUT && error.offset <= length);
        return 0;
    }
    check_layout(layout, length);
    mapped_layout_release(layout);
    return 0;
}
