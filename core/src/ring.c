/* A ring is a queue of records in shared memory: processes send records at one
 * end, and others receive them at the other. This file makes rings. ring_wait.c
 * tells what is in one, and waits; ring_hold.c takes one of its two ends, to
 * send or to receive; ring_calls.c sends and receives copies with that.
 *
 * - The *capacity* is how many bytes there are for records. A header comes
 *   before them (ring_internal.h).
 * - To *format* memory is to write the header of an empty ring there; to
 *   *attach* is to find a header and to check it.
 * - Each end has a *position*: the head is that of the next record to receive,
 *   the tail lies behind the last one that was sent. Positions go up to twice
 *   the capacity, so that a full ring and an empty one have different
 *   positions.
 * - Each end also has a *mutex*. Only its holder moves the position, in one
 *   store, after its records are written or read: so there is no moment at
 *   which the death of a process leaves half a record.
 *
 * No function here waits with a mutex held that it took itself. A caller may,
 * with a hold (ring_hold.c). So a process that is stopped doesn't stop the
 * others.
 *
 * Invariant: what is read from the memory is checked before it is used. Both
 * positions are multiples of 8 below twice the capacity and at most the
 * capacity apart, and a record ends before the tail and the end of the records.
 */
#include <mapped/ring.h>

#include <string.h>

#include "ring_internal.h"

#define VERSION 1
#define BYTE_ORDER_MARK 0x01020304
#define LEAST_CAPACITY 64

static const unsigned char magic[8] = "\xADmapring";

static mapped_status refuse_content(mapped_error *error)
{
    return mapped_error_set(error, MAPPED_ARGUMENT,
                            "Ring: neither zero nor a ring");
}

/* The header of an empty ring whose mutexes are free. */
static mapped__ring_header empty_header(const mapped_ring *ring)
{
    mapped__ring_header header = {.version = VERSION,
                                  .byte_order = BYTE_ORDER_MARK,
                                  .capacity = ring->capacity,
                                  .records_at = HEADER_SIZE};
    memcpy(&header.magic, magic, sizeof magic);
    return header;
}

/* Stores the header of an empty ring. The magic comes last: a header that has
 * it is whole. */
static mapped_status write_header(const mapped_ring *ring, mapped_error *error)
{
    const mapped__ring_header empty = empty_header(ring);
    unsigned char *p;
    /* A guarded access (slice.h): what is read or stored counts only if leave
     * succeeds. */
    mapped_status status =
        mapped_slice_enter_write(ring->slice, 0, HEADER_SIZE, &p, error);
    if (status != MAPPED_OK)
        return status;
    mapped__ring_header *header = (mapped__ring_header *)(void *)p;
    MAPPED__STORE(&header->version, empty.version);
    MAPPED__STORE(&header->byte_order, empty.byte_order);
    MAPPED__STORE(&header->capacity, empty.capacity);
    MAPPED__STORE(&header->records_at, empty.records_at);
    MAPPED__STORE_RELEASE(&header->magic, empty.magic);
    return mapped_slice_leave(ring->slice, 0, HEADER_SIZE, error);
}

/* Checks what write_header stores before the magic. */
static mapped_status check_header(const mapped_ring *ring,
                                  const mapped__ring_header *header,
                                  mapped_error *error)
{
    const uint64_t capacity = MAPPED__LOAD(&header->capacity);
    if (MAPPED__LOAD(&header->byte_order) != BYTE_ORDER_MARK)
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "Ring: another byte order");
    if (MAPPED__LOAD(&header->version) != VERSION)
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "Ring: another version");
    if (MAPPED__LOAD(&header->records_at) != HEADER_SIZE)
        return mapped_error_set(error, MAPPED_CORRUPT, "Ring");
    if (capacity != ring->capacity)
        return mapped__error_set_length(error, MAPPED_SIZE, "Ring", capacity,
                                        ring->capacity);
    return MAPPED_OK;
}

/* Is there a ring's magic? If so, checks the rest of the header. */
static mapped_status read_header(const mapped_ring *ring, bool *is_formatted,
                                 mapped_error *error)
{
    unsigned char *p;
    mapped_status checked = MAPPED_OK;
    mapped_status status =
        mapped_slice_enter(ring->slice, 0, HEADER_SIZE, &p, error);
    if (status != MAPPED_OK)
        return status;
    const mapped__ring_header *header = (mapped__ring_header *)(void *)p;
    const uint64_t first = MAPPED__LOAD_ACQUIRE(&header->magic);
    *is_formatted = memcmp(&first, magic, sizeof first) == 0;
    if (*is_formatted)
        checked = check_header(ring, header, error);
    status = mapped_slice_leave(ring->slice, 0, HEADER_SIZE, error);
    return status != MAPPED_OK ? status : checked;
}

/* Is each word of the header zero, or what write_header stores there? A process
 * may have died in the middle of write_header, or be in it now. That process
 * holds the senders' mutex, which may therefore be any number. */
static bool is_unused_header(const mapped_ring *ring, unsigned char *memory)
{
    const mapped__ring_header empty = empty_header(ring);
    uint64_t allowed[HEADER_SIZE / 8];
    const uint64_t *words = (const uint64_t *)(const void *)memory;
    const size_t mutex_index = SENDERS_MUTEX_AT / 8;
    memcpy(allowed, &empty, sizeof allowed);
    for (size_t i = 0; i < HEADER_SIZE / 8; i++) {
        const uint64_t word = MAPPED__LOAD(&words[i]);
        if (word != 0 && word != allowed[i] && i != mutex_index)
            return false;
    }
    return true;
}

/* Is the first byte zero, and does each equal the next? */
static bool is_zero(const unsigned char *bytes, size_t n)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0;
}

/* MAPPED_ARGUMENT if a ring would overwrite one of these bytes. The piece at 0
 * is the header. */
static mapped_status check_piece(const mapped_ring *ring, size_t at, size_t n,
                                 mapped_error *error)
{
    const bool is_header = at == 0;
    unsigned char *p;
    mapped_status status = mapped_slice_enter(ring->slice, at, n, &p, error);
    if (status != MAPPED_OK)
        return status;
    const bool is_unused =
        is_header ? is_unused_header(ring, p) : is_zero(p, n);
    status = mapped_slice_leave(ring->slice, at, n, error);
    return status == MAPPED_OK && !is_unused ? refuse_content(error) : status;
}

/* Checks all bytes of the slice, in pieces. */
static mapped_status check_unused(const mapped_ring *ring, mapped_error *error)
{
    const size_t piece = 1 << 20, length = ring->slice.length;
    mapped_status status = check_piece(ring, 0, HEADER_SIZE, error);
    for (size_t at = HEADER_SIZE; status == MAPPED_OK && at < length;
         at += piece) {
        const size_t left = length - at;
        status = check_piece(ring, at, left < piece ? left : piece, error);
    }
    return status;
}

mapped_status mapped__ring_mutex(const mapped_ring *ring, size_t at,
                                 mapped_mutex *mutex, mapped_error *error)
{
    mapped_slice word;
    mapped_status status = mapped_slice_sub(ring->slice, at, 8, &word, error);
    return status == MAPPED_OK ? mapped_mutex_at(word, mutex, error) : status;
}

/* Formats the slice with the mutex held, unless another process has done so
 * before this one got the mutex. */
static mapped_status format_locked(const mapped_ring *ring,
                                   const mapped_mutex *mutex,
                                   mapped_error *error)
{
    bool is_formatted;
    mapped_status status = read_header(ring, &is_formatted, error);
    if (status == MAPPED_OK && !is_formatted)
        status = write_header(ring, error);
    mapped_status unlock_status =
        mapped_mutex_unlock(mutex, status == MAPPED_OK ? error : NULL);
    return status == MAPPED_OK ? unlock_status : status;
}

/* How long to wait for another process that formats the ring, in nanoseconds,
 * and how often to check the header meanwhile: once the ring is formatted, the
 * mutex may be held for long by those who use it. */
#define FORMAT_TIMEOUT ((uint64_t)10000000000)
#define FORMAT_CHECK ((uint64_t)20000000)

/* Formats the slice, or waits until another process has. The senders' mutex
 * decides who does it. Whether its last owner has died isn't asked for (NULL):
 * the part of a header that it left is formatted all the same. If the word
 * stays locked for FORMAT_TIMEOUT and no header appears, it was no mutex but
 * somebody's data, which is refused. */
static mapped_status format(const mapped_ring *ring, mapped_error *error)
{
    const uint64_t end = mapped_deadline(FORMAT_TIMEOUT);
    bool is_formatted = false;
    mapped_mutex mutex;
    mapped_status status =
        mapped__ring_mutex(ring, SENDERS_MUTEX_AT, &mutex, error);
    while (status == MAPPED_OK && !is_formatted) {
        status = mapped_mutex_lock(&mutex, mapped_deadline(FORMAT_CHECK), NULL,
                                   error);
        if (status == MAPPED_OK)
            return format_locked(ring, &mutex, error);
        if (status != MAPPED_TIMEOUT)
            return status;
        status = read_header(ring, &is_formatted, error);
        if (status == MAPPED_OK && !is_formatted && mapped__now() >= end)
            return refuse_content(error);
    }
    return status;
}

static mapped_status attach_or_format(const mapped_ring *ring,
                                      mapped_error *error)
{
    bool is_formatted;
    mapped_status status = read_header(ring, &is_formatted, error);
    if (status != MAPPED_OK || is_formatted)
        return status;
    mapped_status unused = check_unused(ring, error);
    if (unused == MAPPED_OK)
        return format(ring, error);
    /* The bytes may be those of a ring that another process has formatted, and
     * used, in the middle of the check. */
    status = read_header(ring, &is_formatted, error);
    return status == MAPPED_OK && !is_formatted ? unused : status;
}

/* Can there be a ring in this slice, whatever its bytes are? */
static mapped_status check_slice(mapped_slice slice, mapped_error *error)
{
    const size_t least = HEADER_SIZE + LEAST_CAPACITY;
    unsigned char *first;
    mapped_status status = mapped_slice_check_writable(slice, error);
    if (status != MAPPED_OK)
        return status;
    if (mapped_region_device(slice.region))
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "Ring");
    if (mapped_region_mode(slice.region) == MAPPED_MODE_COPY)
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "Ring: a private copy of a file");
    /* Checks the length, too. */
    status = mapped_slice_enter_write(slice, 0, least, &first, error);
    if (status != MAPPED_OK)
        return status;
    const bool is_aligned = (uintptr_t)first % 8 == 0;
    status = mapped_slice_leave(slice, 0, least, error);
    if (status != MAPPED_OK)
        return status;
    /* The address means nothing to the caller, so the error tells the length,
     * and 8 as what the address has to be a multiple of. */
    return is_aligned ? MAPPED_OK
                      : mapped__error_set_length(error, MAPPED_MISALIGNED,
                                                 "Ring", slice.length, 8);
}

mapped_status mapped_ring_at(mapped_slice slice, mapped_ring *ring,
                             mapped_error *error)
{
    mapped_ring attached = {.slice = slice};
    mapped_status status = check_slice(slice, error);
    if (status == MAPPED_OK) {
        attached.capacity = (slice.length - HEADER_SIZE) & ~(size_t)7;
        status = attach_or_format(&attached, error);
    }
    if (status == MAPPED_OK)
        *ring = attached;
    return mapped__region_complete_error(slice.region, "Ring", status, error);
}

/* The length of the longest record. */
size_t mapped_ring_longest(const mapped_ring *ring)
{
    return mapped__ring_longest(ring);
}

mapped_status mapped__ring_check_length(const mapped_ring *ring, size_t n,
                                        const char *operation,
                                        mapped_error *error)
{
    const size_t longest = mapped__ring_longest(ring);
    return n <= longest ? MAPPED_OK
                        : mapped__error_set_length(error, MAPPED_RANGE,
                                                   operation, n, longest);
}
