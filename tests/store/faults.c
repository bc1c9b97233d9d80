/* Simulation of a failing disk, preloaded into a process. Every FAULT_EVERY-th write to a history fails with
   FAULT_ERRNO. The file FAULT_SYNCS counts the syncs of the write-ahead log. Files whose path does not contain
   FAULT_PATH are not affected. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int ours(int fd, const char *suffix) {
    const char *wanted = getenv("FAULT_PATH");
    char link[64], path[4096];
    ssize_t length;
    if (!wanted) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (!strstr(path, wanted)) return 0;
    return !suffix || ((size_t)length >= strlen(suffix) && !strcmp(path + length - strlen(suffix), suffix));
}

static int fails(int fd) {
    static int writes;
    const char *every = getenv("FAULT_EVERY");
    if (!every || !ours(fd, NULL) || ours(fd, ".owner")) return 0;
    if (++writes % atoi(every)) return 0;
    errno = atoi(getenv("FAULT_ERRNO"));
    return 1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    return fails(fd) ? -1 : real(fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite");
    return fails(fd) ? -1 : real(fd, bytes, count, offset);
}

static void count_sync(int fd) {
    const char *counter = getenv("FAULT_SYNCS");
    int file;
    if (!counter || !ours(fd, "-wal")) return;
    file = open(counter, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file >= 0) {
        if (write(file, "s", 1) < 0) abort();
        close(file);
    }
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    count_sync(fd);
    return real(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    count_sync(fd);
    return real(fd);
}
