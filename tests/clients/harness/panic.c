/* Preloaded into a broker: the thread that receives "panic-now" panics at its next look at the clock, as Rust demands that one succeeds;
   at "abort-now" the process aborts. Both happen while the bytes that were received with that text are worked on. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Thread_local int fails;

static int has(const void *bytes, ssize_t length, const char *text)
{
    return length > 0 && memmem(bytes, (size_t)length, text, strlen(text)) != NULL;
}

ssize_t recv(int socket, void *bytes, size_t length, int flags)
{
    ssize_t received = syscall(SYS_recvfrom, socket, bytes, length, flags, NULL, NULL);
    if (has(bytes, received, "abort-now"))
        abort();
    if (has(bytes, received, "panic-now"))
        fails = 1;
    return received;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (fails && clock == CLOCK_MONOTONIC) {
        fails = 0;
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_clock_gettime, clock, now);
}
