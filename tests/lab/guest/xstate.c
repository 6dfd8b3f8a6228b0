/*
 * Preloaded into the User-Mode Linux kernel process only; the guest's programs never see it.
 *
 * The kernel saves a guest process's extended registers in a buffer of fixed size (2,696 bytes in 6.1). A host
 * whose CPU has more (AMX: about 11 KB) refuses a PTRACE_SETREGSET(NT_X86_XSTATE) that is shorter than its own
 * area, and the guest dies at its first process. Here the missing tail is added as zeros: the header in the
 * saved part says that those registers are in their initial state.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char whole[1 << 16] __attribute__((aligned(64)));
static size_t host_size;

static long set_xstate(pid_t pid, void *type, struct iovec *part)
{
    if (host_size == 0) {
        struct iovec all = {whole, sizeof whole};
        if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, type, &all) != 0)
            return -1;
        host_size = all.iov_len;
        memset(whole, 0, sizeof whole);
    }
    if (part->iov_len >= host_size)
        return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, type, part);
    memcpy(whole, part->iov_base, part->iov_len);
    struct iovec all = {whole, host_size};
    return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, type, &all);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    pid_t pid = va_arg(arguments, pid_t);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);

    if (request >= PTRACE_PEEKTEXT && request <= PTRACE_PEEKUSER) {
        long peeked = 0; /* the system call stores what the C function returns */
        if (syscall(SYS_ptrace, request, pid, address, &peeked) < 0)
            return -1;
        errno = 0;
        return peeked;
    }
    if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE)
        return set_xstate(pid, address, data);
    return syscall(SYS_ptrace, request, pid, address, data);
}
