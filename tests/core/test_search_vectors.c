/* Guards against searches that give other results in C than in Lua and Python.
 * All three run the cases of tests/vectors/search.tsv. */
#include "memory.h"

#define LINE_SIZE 2048

static void show_parts(mapped_parts *parts, char *text)
{
    mapped_slice part;
    bool more = true;
    size_t used = 0;
    while (
        CHECK_STATUS(mapped_parts_next(parts, &part, &more, NULL), MAPPED_OK) &&
        more)
        used += (size_t)sprintf(text + used, "%s%zu+%zu", used ? " " : "",
                                part.offset, part.length);
}

static void show_split(mapped_slice slice, const memory_bytes *separator,
                       bool lines, char *text)
{
    mapped_parts parts;
    if (lines)
        mapped_parts_lines(&parts, slice, false);
    else
        CHECK_STATUS(mapped_parts_split(&parts, slice, separator->data,
                                        separator->length, NULL),
                     MAPPED_OK);
    show_parts(&parts, text);
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void show(const char *operation, mapped_slice slice,
                 const memory_bytes *wanted, char *text)
{
    mapped_needle needle;
    mapped_status status = MAPPED_OK;
    size_t found = 0;
    bool yes = false;
    mapped_needle_init(&needle, wanted->data, wanted->length);
    if (is(operation, "split") || is(operation, "lines")) {
        show_split(slice, wanted, is(operation, "lines"), text);
        return;
    }
    if (is(operation, "find"))
        status = mapped_find(slice, &needle, &found, NULL);
    else if (is(operation, "rfind"))
        status = mapped_rfind(slice, &needle, &found, NULL);
    else if (is(operation, "count"))
        status = mapped_count(slice, &needle, &found, NULL);
    else
        status =
            (is(operation, "ends") ? mapped_ends_with : mapped_starts_with)(
                slice, wanted->data, wanted->length, &yes, NULL);
    CHECK_STATUS(status, MAPPED_OK);
    found = yes ? 1 : found;
    sprintf(text, found == MAPPED_NOT_FOUND ? "-1" : "%zu", found);
}

static void check_line(char *line)
{
    char *fields[4] = {line};
    char text[LINE_SIZE] = "";
    line[strcspn(line, "\r\n")] = '\0';
    for (int i = 1; i < 4; i++) {
        fields[i] = strchr(fields[i - 1], '\t');
        if (!CHECK(fields[i] != NULL))
            return;
        *fields[i]++ = '\0';
    }
    memory_bytes data = memory_unhex(fields[1]);
    memory_bytes wanted = memory_unhex(fields[2]);
    mapped_region *region = memory_wrap(data.data, data.length, true);
    show(fields[0], mapped_region_slice(region), &wanted, text);
    CHECK_TEXT(text, fields[3]);
    mapped_region_release(region);
}

static void test_search_vectors(void)
{
    char line[LINE_SIZE];
    int rows = 0;
    FILE *file = fopen("tests/vectors/search.tsv", "r");
    if (!CHECK(file != NULL))
        return;
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#')
            continue;
        check_line(line);
        rows++;
    }
    fclose(file);
    CHECK(rows > 50);
}

int main(void)
{
    RUN(test_search_vectors);
    return check_finish();
}
