/* Types and compiler quirks that every other header of mapped leans on. */
#ifndef MAPPED_BASE_H
#define MAPPED_BASE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#    define MAPPED_BEGIN extern "C" {
#    define MAPPED_END }
#else
#    define MAPPED_BEGIN
#    define MAPPED_END
#endif

#define MAPPED_VERSION_MAJOR 0
#define MAPPED_VERSION_MINOR 1
#define MAPPED_VERSION_PATCH 0
#define MAPPED_VERSION "0.1.0"

/* gcc and clang only (also as MinGW): the atomics below are their builtins. */
#if !defined(__GNUC__)
#    error "mapped needs gcc or clang"
#endif

#define MAPPED__LIKELY(x) __builtin_expect(!!(x), 1)
#define MAPPED__UNLIKELY(x) __builtin_expect(!!(x), 0)
/* src/library/mapped.c defines it otherwise, so that the inline functions are
 * symbols of the shared library, too. */
#ifndef MAPPED__INLINE
#    define MAPPED__INLINE static inline __attribute__((always_inline, unused))
#endif
#define MAPPED__NOINLINE __attribute__((noinline))
/* For a result that tells whether what was done or read is valid. */
#define MAPPED__MUST_USE __attribute__((warn_unused_result))

#define MAPPED__LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define MAPPED__LOAD_ACQUIRE(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define MAPPED__STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define MAPPED__STORE_RELEASE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* ThreadSanitizer doesn't understand fences, nor plain loads that a later check
 * finds to be valid or not. For it the loads themselves are atomic. */
#if defined(__SANITIZE_THREAD__)
#    define MAPPED__THREAD_SANITIZER 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define MAPPED__THREAD_SANITIZER 1
#    endif
#endif

/* A load that may be older than the program text says: the compiler may keep
 * the value in a register across a loop. */
#ifdef MAPPED__THREAD_SANITIZER
#    define MAPPED__PEEK(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#    define MAPPED__FENCE(order) __atomic_signal_fence(order)
#else
#    define MAPPED__PEEK(p) (*(p))
#    define MAPPED__FENCE(order) __atomic_thread_fence(order)
#endif
#define MAPPED__LOAD_FENCE() MAPPED__FENCE(__ATOMIC_ACQUIRE)

/* A load that comes after every volatile access before it. x86 keeps loads in
 * order by itself, and a fence would only take registers from the compiler. */
#if defined(MAPPED__THREAD_SANITIZER)
#    define MAPPED__LOAD_AFTER(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#elif defined(__x86_64__) || defined(__i386__)
#    define MAPPED__LOAD_AFTER(p) (*(const volatile uint32_t *)(p))
#else
#    define MAPPED__LOAD_AFTER(p) \
        (__atomic_thread_fence(__ATOMIC_ACQUIRE), MAPPED__LOAD(p))
#endif

/* A pause of the processor, inside a loop that waits for another one. */
#if defined(__x86_64__) || defined(__i386__)
#    define MAPPED__PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__) || defined(__arm__)
#    define MAPPED__PAUSE() __asm__ volatile("yield")
#else
#    define MAPPED__PAUSE() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#endif

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#    define MAPPED_BIG_ENDIAN 1
#else
#    define MAPPED_BIG_ENDIAN 0
#endif

/* The result of a search without a match. */
#define MAPPED_NOT_FOUND SIZE_MAX

#endif
