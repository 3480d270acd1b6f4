/* Guards against a parser that reads outside of its text, which lies at the end
 * of a page, or accepts a wrong one: codes of struct and of string.pack, modes
 * and formats. */
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
    if (mapped_mode_parse(text, length, &mode, NULL) != MAPPED_OK)
        return;
    const char *plain = mapped_mode_text(mode);
    size_t same = 0, b = 0;
    for (size_t i = 0; i < length; i++)
        if (text[i] == plain[same])
            same++;
        else
            b += text[i] == 'b';
    EXPECT(plain[same] == '\0' && b <= 1 && same + b == length);
}

static void try_format(mapped_dialect dialect, const char *text, size_t length)
{
    const mapped_fields_source source = {
        .dialect = dialect, .text = text, .length = length};
    mapped_fields *format;
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_status status = mapped_fields_compile(&source, &format, &error);
    if (status != MAPPED_OK) {
        EXPECT(status == MAPPED_FORMAT && error.offset <= length);
        return;
    }
    for (size_t i = 0; format->fixed && i < format->count; i++)
        EXPECT(mapped_range_fits(format->fields[i].offset,
                                 format->fields[i].item.size, format->size) ||
               dialect != MAPPED_DIALECT_STRUCT);
    mapped_fields_release(format);
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
    return 0;
}
