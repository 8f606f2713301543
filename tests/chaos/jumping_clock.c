/* Loaded before libc: the wall clock goes wrong by as many seconds as the eight bytes of a file say.
 * What measures durations, the monotonic clock, goes on rightly, as it does when a machine's clock is
 * set. A file that was written has the wrong time as well, as on a machine whose clock is wrong. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real_close)(int);
static int (*real_gettime)(clockid_t, struct timespec *);
static const volatile int64_t *offset;

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("JUMPING_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  real_close = (int (*)(int))dlsym(RTLD_NEXT, "close");
  real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  if (file < 0) return;
  void *found = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
  if (found != MAP_FAILED) offset = found;
  real_close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  if (!real_gettime) start();
  int failed = real_gettime(clock, now);
  if (!failed && clock == CLOCK_REALTIME && offset) now->tv_sec += *offset;
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *also) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (also) *also = now.tv_sec;
  return now.tv_sec;
}

int close(int file) {
  struct stat found;
  if (!real_close) start();
  int flags = fcntl(file, F_GETFL);
  if (offset && *offset && flags >= 0 && (flags & O_ACCMODE) != O_RDONLY &&
      !fstat(file, &found) && S_ISREG(found.st_mode)) {
    struct timespec times[2] = {{0, UTIME_OMIT}, {0, 0}};
    clock_gettime(CLOCK_REALTIME, &times[1]);
    futimens(file, times);
  }
  return real_close(file);
}
