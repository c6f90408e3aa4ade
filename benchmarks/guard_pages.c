/* Replaces posix_memalign so that every aligned block of memory ends at a page that can be read but not written: a
   write behind the block ends the process at once (SIGSEGV) instead of corrupting memory. Used by conv_memory.py
   through LD_PRELOAD. Reads are allowed, since vector code may read slightly beyond a block without harm. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE 4096UL
#define REGION (1UL << 37) /* of address space, not of memory */

static char *start, *next;

static int guarded(const void *block) {
    return start && (char *)block >= start && (char *)block < start + REGION;
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    if (!start) {
        char *region = mmap(0, REGION, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (region == MAP_FAILED) return ENOMEM;
        next = start = region;
    }
    size_t rounded = (size + alignment - 1) & ~(alignment - 1);
    size_t pages = (rounded + PAGE - 1) & ~(PAGE - 1);
    char *place = __atomic_fetch_add(&next, pages + PAGE, __ATOMIC_SEQ_CST);
    if (place + pages + PAGE > start + REGION) return ENOMEM;
    if (mprotect(place, pages, PROT_READ | PROT_WRITE)) return ENOMEM;
    *block = place + pages - rounded;
    return 0;
}

/* Blocks are never freed: the processes are short-lived. */
void free(void *block) {
    static void (*original)(void *);
    if (!original) original = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    if (!guarded(block)) original(block);
}
