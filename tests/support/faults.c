/* Preloaded: one operation on the files below a folder fails, or kills the process. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static char *folder;
static long chosen, seen;
static int error;

/* The operation number `point`, counted from 1, fails with errno `number`; if that is -1, it kills. */
void fault_arm(const char *path, long point, int number) {
  folder = strdup(path);
  chosen = point;
  error = number;
  seen = 0;
}

long fault_seen(void) { return seen; }

static int fails(const char *path) {
  char buffer[8192], current[4096];
  if (!folder || !path) return 0;
  if (path[0] != '/') {
    if (!getcwd(current, sizeof current)) return 0;
    snprintf(buffer, sizeof buffer, "%s/%s", current, path);
    path = buffer;
  }
  if (strncmp(path, folder, strlen(folder)) || ++seen != chosen) return 0;
  if (error < 0) kill(getpid(), SIGKILL);
  errno = error;
  return 1;
}

static int descriptor_fails(int descriptor) {
  char link[64], path[4096];
  if (!folder) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return fails(path);
}

#define REAL(name, result, ...) \
  static result (*real)(__VA_ARGS__); \
  if (!real) real = dlsym(RTLD_NEXT, #name)

ssize_t write(int descriptor, const void *content, size_t count) {
  REAL(write, ssize_t, int, const void *, size_t);
  return descriptor_fails(descriptor) ? -1 : real(descriptor, content, count);
}

int fsync(int descriptor) {
  REAL(fsync, int, int);
  return descriptor_fails(descriptor) ? -1 : real(descriptor);
}

int rename(const char *from, const char *to) {
  REAL(rename, int, const char *, const char *);
  return fails(to) ? -1 : real(from, to);
}

int mkdir(const char *path, mode_t mode) {
  REAL(mkdir, int, const char *, mode_t);
  return fails(path) ? -1 : real(path, mode);
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(name, int, const char *, int, ...); \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = va_arg(rest, mode_t); \
    va_end(rest); \
    return (flags & O_CREAT) && fails(path) ? -1 : real(path, flags, mode); \
  }

OPEN(open)
OPEN(open64)
