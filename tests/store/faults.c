/* Simulation of a failing disk, preloaded into a process. Every FAULT_EVERY-th write to a history fails with
   FAULT_ERRNO. The file FAULT_SYNCS counts the syncs of the write-ahead log. Files whose path does not contain
   FAULT_PATH are not affected.

   A look is a call such as stat, access or readlink. The FAULT_LOOK-th look at such a path fails with EIO, and the path
   is appended to the file FAULT_SEEN. The count begins again with each new value of FAULT_LOOK. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Return whether this look at a path fails. */
static int blind(const char *path) {
    static int looks;
    static char last[32];
    const char *wanted = getenv("FAULT_PATH"), *look = getenv("FAULT_LOOK"), *seen = getenv("FAULT_SEEN");
    int file;
    if (!wanted || !look || !path || !strstr(path, wanted)) return 0;
    if (strcmp(look, last)) {
        snprintf(last, sizeof last, "%s", look);
        looks = 0;
    }
    if (++looks != atoi(look)) return 0;
    if (seen && (file = open(seen, O_WRONLY | O_CREAT | O_APPEND, 0600)) >= 0) {
        if (write(file, path, strlen(path)) < 0 || write(file, "\n", 1) < 0) abort();
        close(file);
    }
    errno = EIO;
    return 1;
}

#define LOOK(type, name, parameters, path, arguments)                        \
    type name parameters {                                                   \
        static type (*real) parameters;                                      \
        if (!real) real = dlsym(RTLD_NEXT, #name);                           \
        return blind(path) ? -1 : real arguments;                            \
    }

LOOK(int, stat, (const char *path, struct stat *status), path, (path, status))
LOOK(int, stat64, (const char *path, struct stat64 *status), path, (path, status))
LOOK(int, lstat, (const char *path, struct stat *status), path, (path, status))
LOOK(int, lstat64, (const char *path, struct stat64 *status), path, (path, status))
LOOK(int, fstatat, (int fd, const char *path, struct stat *status, int flags), path, (fd, path, status, flags))
LOOK(int, fstatat64, (int fd, const char *path, struct stat64 *status, int flags), path, (fd, path, status, flags))
LOOK(int, access, (const char *path, int mode), path, (path, mode))
LOOK(int, faccessat, (int fd, const char *path, int mode, int flags), path, (fd, path, mode, flags))
LOOK(ssize_t, readlink, (const char *path, char *target, size_t size), path, (path, target, size))
LOOK(ssize_t, readlinkat, (int fd, const char *path, char *target, size_t size), path, (fd, path, target, size))

DIR *opendir(const char *path) {
    static DIR *(*real)(const char *);
    if (!real) real = dlsym(RTLD_NEXT, "opendir");
    return blind(path) ? NULL : real(path);
}
