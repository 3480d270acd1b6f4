/* Guards against a stream over a slice that reads or writes other bytes than
 * the slice's, that hides an error, or that uses the region after its close;
 * and against bytes of a lost page that are written somewhere. */
#include "refuse.h"

#include "../memory.h"

#include <mapped/bulk.h>
#include <mapped/paging.h>
#include <mapped/stream.h>

#define SIZE 100000

static mapped_stream cookie;

static FILE *opened(mapped_slice slice, bool writable)
{
    FILE *file = NULL;
    CHECK_STATUS(mapped_stream_open(slice, writable, &cookie, &file, NULL),
                 MAPPED_OK);
    return file;
}

static mapped_slice part(mapped_region *region, size_t offset, size_t length)
{
    return (mapped_slice){region, offset, length, 0};
}

static void test_stream_reads_the_bytes_of_the_slice(void)
{
    mapped_region *region = memory_region(100);
    char text[16] = "";
    CHECK_STATUS(mapped_write(part(region, 10, 8), 0, "one\ntwo\n", 8, NULL),
                 MAPPED_OK);
    FILE *file = opened(part(region, 10, 8), false);
    CHECK(fgets(text, sizeof text, file) != NULL);
    CHECK(strcmp(text, "one\n") == 0);
    CHECK(fgets(text, sizeof text, file) != NULL);
    CHECK(strcmp(text, "two\n") == 0);
    CHECK(fgetc(file) == EOF && feof(file) && !ferror(file));
    CHECK_INT(fseek(file, -3, SEEK_END), 0);
    CHECK_INT(ftell(file), 5);
    CHECK_INT(fgetc(file), 'w');
    CHECK_INT(fseek(file, 1000, SEEK_SET), 0);
    CHECK(fgetc(file) == EOF && feof(file) && !ferror(file));
    errno = 0;
    CHECK(fseek(file, -9, SEEK_END) != 0 && errno == EINVAL);
    errno = 0;
    CHECK(fputc('x', file) == EOF && errno == EBADF);
    CHECK_INT(fclose(file), 0);
    mapped_region_release(region);
}

static void test_stream_writes_at_once_and_not_behind_the_end(void)
{
    mapped_region *region = memory_region(100);
    char text[9] = "";
    FILE *file = opened(part(region, 10, 8), true);
    CHECK_STATUS(mapped_fill(mapped_region_slice(region), 0, NULL), MAPPED_OK);
    CHECK_INT(fputs("abc", file) >= 0, true);
    CHECK_STATUS(mapped_read(part(region, 9, 9), 0, text, 8, NULL), MAPPED_OK);
    CHECK(memcmp(text,
                 "\0"
                 "abc\0\0\0\0",
                 8) == 0);
    errno = 0;
    CHECK_INT(fwrite("defghijk", 1, 8, file), 5);
    CHECK_INT(errno, ENOSPC);
    CHECK_STATUS(mapped_read(part(region, 11, 8), 0, text, 8, NULL), MAPPED_OK);
    CHECK(memcmp(text, "bcdefgh\0", 8) == 0);
    clearerr(file);
    CHECK_INT(fseek(file, 1, SEEK_SET), 0);
    CHECK_INT(fgetc(file), 'b');
    CHECK_INT(fclose(file), 0);
    mapped_region_release(region);
}

enum {
    MODEL = 700
};

typedef struct model {
    unsigned char bytes[MODEL];
    size_t at;
} model;

static void read_as_model(FILE *file, model *self, size_t n)
{
    unsigned char found[MODEL];
    const size_t left = MODEL - self->at, wanted = n < left ? n : left;
    const size_t count =
        n == 1 ? (size_t)((found[0] = (unsigned char)fgetc(file)), !feof(file))
               : fread(found, 1, n, file);
    CHECK_INT(count, wanted);
    CHECK(memcmp(found, self->bytes + self->at, wanted) == 0);
    self->at += wanted;
}

static void write_as_model(FILE *file, model *self, size_t n)
{
    unsigned char data[MODEL];
    const size_t left = MODEL - self->at, room = n < left ? n : left;
    size_t i;
    for (i = 0; i < n; i++)
        data[i] = (unsigned char)rand();
    CHECK_INT(n == 1 ? fputc(data[0], file) != EOF : fwrite(data, 1, n, file),
              room);
    memcpy(self->bytes + self->at, data, room);
    self->at += room;
}

static void test_stream_does_what_a_model_does(void)
{
    static model self;
    mapped_region *region = memory_region(MODEL);
    FILE *file = opened(mapped_region_slice(region), true);
    unsigned char bytes[MODEL];
    int round;
    CHECK_STATUS(mapped_fill(mapped_region_slice(region), 0, NULL), MAPPED_OK);
    for (round = 0; round < 20000; round++) {
        const size_t n = (size_t)(rand() % 3 ? rand() % 9 : rand() % 400) + 1;
        if (rand() % 8 == 0) {
            self.at = (size_t)rand() % MODEL;
            CHECK_INT(fseek(file, (long)self.at, SEEK_SET), 0);
        } else if (rand() % 2) {
            read_as_model(file, &self, n);
        } else {
            write_as_model(file, &self, n);
        }
        clearerr(file);
        CHECK_STATUS(
            mapped_read(mapped_region_slice(region), 0, bytes, MODEL, NULL),
            MAPPED_OK);
        CHECK(memcmp(bytes, self.bytes, MODEL) == 0);
        CHECK_INT(ftell(file), self.at);
    }
    CHECK_INT(fclose(file), 0);
    mapped_region_release(region);
}

static void test_stream_outlives_the_close(void)
{
    for (int writable = 0; writable < 2; writable++) {
        mapped_region *region = memory_region(SIZE);
        FILE *file = opened(mapped_region_slice(region), writable);
        CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
        errno = 0;
        CHECK(fgetc(file) == EOF && ferror(file) && errno == EBADF);
        clearerr(file);
        errno = 0;
        CHECK(fseek(file, 0, SEEK_END) == 0 && fgetc(file) == EOF);
        CHECK(ferror(file) && errno == EBADF);
        if (writable) {
            errno = 0;
            CHECK(fputc('x', file) == EOF && errno == EBADF);
            errno = 0;
            CHECK(fwrite("abcd", 1, 4, file) == 0 && errno == EBADF);
        }
        fclose(file);
        mapped_region_release(region);
    }
}

static void test_stream_of_a_lost_page_fails(void)
{
    mapped_region *region = scratch_open(scratch_file("stream", SIZE),
                                         MAPPED_MODE_READ_WRITE, NULL);
    char *text = malloc(SIZE);
    FILE *file = opened(mapped_region_slice(region), false);
    CHECK_INT(truncate(scratch_path("stream"), 4096), 0);
    CHECK_INT(fseek(file, 50000, SEEK_SET), 0);
    errno = 0;
    CHECK(fgetc(file) == EOF && ferror(file) && errno == ENODATA);
    clearerr(file);
    CHECK_INT(fseek(file, 0, SEEK_SET), 0);
    CHECK_INT(fread(text, 1, 4096, file), 4096);
    fclose(file);
    free(text);
    mapped_region_release(region);
}

static void check_shorter_region(bool writable)
{
    mapped_region *region = memory_region(SIZE);
    FILE *file = opened(mapped_region_slice(region), writable);
    CHECK_STATUS(mapped_region_resize(region, 10, NULL), MAPPED_OK);
    CHECK_INT(fseek(file, 50000, SEEK_SET), 0);
    errno = 0;
    CHECK(fgetc(file) == EOF && ferror(file) && errno == ENODATA);
    clearerr(file);
    CHECK_INT(fseek(file, 0, SEEK_SET), 0);
    CHECK_INT(fgetc(file), 1);
    fclose(file);
    mapped_region_release(region);
}

/* Also one that reads ahead has what there still is. */
static void test_stream_of_a_shorter_region_fails(void)
{
    check_shorter_region(true);
    check_shorter_region(false);
}

static void test_stream_is_refused(void)
{
    FILE *file = NULL;
    mapped_region *region =
        scratch_open(scratch_file("stream", SIZE), MAPPED_MODE_READ, NULL);
    mapped_slice slice = mapped_region_slice(region);
    CHECK_STATUS(mapped_stream_open(slice, true, &cookie, &file, NULL),
                 MAPPED_READONLY);
    mapped_region *memory = memory_region(10);
    CHECK_STATUS(
        mapped_stream_open(mapped_slice_toreadonly(mapped_region_slice(memory)),
                           true, &cookie, &file, NULL),
        MAPPED_READONLY);
    mapped_region_release(memory);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_stream_open(slice, false, &cookie, &file, NULL),
                 MAPPED_CLOSED);
    CHECK(file == NULL);
    mapped_region_release(region);
}

/* Returns the file's bytes after all of a region was written there. */
static void check_written(bool by_stream)
{
    mapped_region *region =
        scratch_open(scratch_file("stream", SIZE), MAPPED_MODE_READ, NULL);
    mapped_slice slice = mapped_region_slice(region);
    FILE *file = tmpfile();
    size_t written = 0;
    char *bytes = malloc(2 * SIZE);
    int order = 1;
    CHECK_STATUS(by_stream ? mapped_stream_write(slice, file, &written, NULL)
                           : mapped_descriptor_write(slice, fileno(file),
                                                     &written, NULL),
                 MAPPED_OK);
    CHECK_INT(written, SIZE);
    rewind(file);
    CHECK_INT(fread(bytes, 1, 2 * SIZE, file), SIZE);
    CHECK_STATUS(mapped_compare_bytes(slice, bytes, SIZE, &order, NULL),
                 MAPPED_OK);
    CHECK_INT(order, 0);
    CHECK_INT(truncate(scratch_path("stream"), 40960), 0);
    rewind(file);
    CHECK_STATUS(by_stream ? mapped_stream_write(slice, file, &written, NULL)
                           : mapped_descriptor_write(slice, fileno(file),
                                                     &written, NULL),
                 MAPPED_FAULT);
    CHECK_INT(written, 40960);
    free(bytes);
    fclose(file);
    mapped_region_release(region);
}

static void test_slice_is_written_to_a_stream(void)
{
    check_written(true);
}

static void test_slice_is_written_to_a_descriptor(void)
{
    check_written(false);
}

static void test_slice_is_written_as_far_as_it_goes(void)
{
    int ends[2];
    mapped_region *region = memory_region(SIZE * 10);
    mapped_slice slice = mapped_region_slice(region);
    mapped_error error;
    size_t written = 0;
    CHECK_INT(pipe2(ends, O_NONBLOCK), 0);
    CHECK_STATUS(mapped_descriptor_write(slice, ends[1], &written, &error),
                 MAPPED_SYSTEM);
    CHECK_INT(error.os_error, EAGAIN);
    CHECK_INT(written, 65536);
    close(ends[0]);
    close(ends[1]);
    CHECK_STATUS(mapped_descriptor_write(slice, -1, &written, &error),
                 MAPPED_SYSTEM);
    CHECK(error.os_error == EBADF && written == 0);
    FILE *full = fopen("/dev/full", "w");
    CHECK_STATUS(mapped_stream_write(slice, full, &written, &error),
                 MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENOSPC);
    fclose(full);
    mapped_region_release(region);
}

static bool open_with_call_refused(long n)
{
    mapped_region *region = memory_region(SIZE);
    FILE *file = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    refuse_nth(n);
    mapped_status status = mapped_stream_open(mapped_region_slice(region), true,
                                              &cookie, &file, &error);
    bool over = refuse_over();
    if (over)
        CHECK_STATUS(status, MAPPED_OK);
    else
        refuse_check_error(status, &error);
    if (file != NULL)
        fclose(file);
    mapped_region_release(region);
    return over;
}

static bool write_with_call_refused(long n)
{
    mapped_region *region = memory_region(SIZE);
    FILE *file = tmpfile();
    size_t written = SIZE;
    mapped_error error = MAPPED_ERROR_INIT;
    refuse_nth(n);
    mapped_status status = mapped_descriptor_write(
        mapped_region_slice(region), fileno(file), &written, &error);
    bool over = refuse_over();
    if (over)
        CHECK_STATUS(status, MAPPED_OK);
    else
        refuse_check_error(status, &error);
    CHECK_INT(written, over ? SIZE : (size_t)(n - 1) * 8192);
    fclose(file);
    mapped_region_release(region);
    return over;
}

static void test_stream_each_call_may_fail(void)
{
    refuse_each("open", open_with_call_refused);
    refuse_each("write", write_with_call_refused);
}

int main(void)
{
    RUN(test_stream_reads_the_bytes_of_the_slice);
    RUN(test_stream_writes_at_once_and_not_behind_the_end);
    RUN(test_stream_does_what_a_model_does);
    RUN(test_stream_outlives_the_close);
    RUN(test_stream_of_a_lost_page_fails);
    RUN(test_stream_of_a_shorter_region_fails);
    RUN(test_stream_is_refused);
    RUN(test_slice_is_written_to_a_stream);
    RUN(test_slice_is_written_to_a_descriptor);
    RUN(test_slice_is_written_as_far_as_it_goes);
    RUN(test_stream_each_call_may_fail);
    return check_finish();
}
