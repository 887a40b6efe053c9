const LARGE_BYTES = 31 * 1024 * 1024;

/**
 * Node's HTTP parser makes every piece of an upload anew. glibc gives the end of its heap back to the kernel whenever more than 128 KiB of it are free,
 * and would get it back page by page for the next pieces: half of what an upload costs. Once a large piece of memory has been freed, it keeps up to
 * twice as much (`M_MMAP_THRESHOLD` in mallopt(3)). This one is freed with the first garbage, and never touched.
 */
export function keepFreedMemory(): void {
  new ArrayBuffer(LARGE_BYTES);
}
