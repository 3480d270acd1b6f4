/* Texts that people write: element codes in both spellings, modes, formats,
 * layouts. Each lies at the end of its page; what is accepted must be sound. */
#include "guarded.h"

static void check_element(const mapped_element *element,
                          const mapped_error *error, size_t length)
{
    if (element == NULL) {
        EXPECT(error->status == MAPPED_CODE && error->offset <= length);
        return;
    }
    EXPECT(element->size >= 1 && element->size <= 16);
    EXPECT(element->size == 1 || element->big <= 1);
    EXPECT(element->kind > MAPPED_KIND_FLOAT ||
           mapped_element_find((mapped_kind)element->kind, element->size,
                               element->big) == element);
    const char *code = mapped_element_struct_code(element);
    EXPECT(code == NULL ||
           mapped_element_from_struct(code, strlen(code), NULL) == element);
}

static void try_codes(const char *text, size_t length)
{
    mapped_error error = MAPPED_ERROR_INIT;
    const mapped_element *element =
        mapped_element_from_struct(text, length, &error);
    check_element(element, &error, length);
    element = mapped_element_from_pack(text, length, &error);
    check_element(element, &error, length);
}

static void try_mode(const char *text, size_t length)
{
    mapped_mode mode;
    if (mapped_mode_parse(text, length, &mode, NULL) == MAPPED_OK)
        EXPECT(memcmp(mapped_mode_text(mode), text, length) == 0);
}

static void try_format(mapped_dialect dialect, const char *text, size_t length)
{
    mapped_format *format;
    mapped_error error = MAPPED_ERROR_INIT;
    size_t size;
    mapped_status status =
        mapped_format_compile(dialect, text, length, &format, &error);
    if (status != MAPPED_OK) {
        EXPECT(status == MAPPED_FORMAT && error.offset <= length);
        return;
    }
    (void)mapped_format_size(format, &size);
    (void)mapped_format_count(format);
    mapped_format_release(format);
}

/* Fields lie inside the record. */
static void try_layout(const char *text, size_t length)
{
    mapped_layout *layout;
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_status status = mapped_layout_compile(text, length, &layout, &error);
    if (status != MAPPED_OK) {
        EXPECT(status == MAPPED_LAYOUT && error.offset <= length);
        return;
    }
    size_t size = mapped_layout_size(layout);
    for (size_t i = 0; i < mapped_layout_count(layout); i++) {
        const mapped_layout_entry *field = mapped_layout_field(layout, i);
        size_t bytes;
        EXPECT(
            mapped_multiply_size(field->count, field->element->size, &bytes));
        EXPECT(mapped_range_fits(field->offset, bytes, size));
        EXPECT(mapped_layout_find(layout, field->name, field->name_length) ==
               field);
    }
    mapped_layout_release(layout);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1024)
        return 0;
    char *text = (char *)guarded(size, true);
    if (size > 0)
        memcpy(text, data, size);
    try_codes(text, size);
    try_mode(text, size);
    for (int dialect = 0; dialect < 3; dialect++)
        try_format((mapped_dialect)dialect, text, size);
    try_layout(text, size);
    return 0;
}
