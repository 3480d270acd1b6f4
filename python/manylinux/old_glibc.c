/* Functions that glibc 2.29 to 2.34 gave new names or versions, under those
 * that 2.17 has, too. backend.py adds this file to a wheel for many Linux
 * systems, so that it need not be built on an old one. There, the threads'
 * functions are in libpthread, with which every CPython is linked. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __x86_64__
#    define OLD(name) __asm__(".symver old_" #    name "," #    name "@GLIBC_2.2.5")
#else
#    define OLD(name) __asm__(".symver old_" #    name "," #    name "@GLIBC_2.17")
#endif

OLD(pthread_create);
OLD(pthread_detach);
OLD(pthread_once);
int old_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                       void *(*run)(void *), void *argument);
int old_pthread_detach(pthread_t thread);
int old_pthread_once(pthread_once_t *once, void (*run)(void));

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*run)(void *), void *argument)
{
    return old_pthread_create(thread, attributes, run, argument);
}

int pthread_detach(pthread_t thread)
{
    return old_pthread_detach(thread);
}

int pthread_once(pthread_once_t *once, void (*run)(void))
{
    return old_pthread_once(once, run);
}

/* The kernel fills in the same struct as glibc. */
int stat64(const char *path, struct stat64 *status)
{
    return (int)syscall(SYS_newfstatat, AT_FDCWD, path, status, 0);
}

int fstat64(int descriptor, struct stat64 *status)
{
    return (int)syscall(SYS_fstat, descriptor, status);
}
