/* What the programs share: clocks, percentiles, sockets and lines of commands. Linux only. */
#ifndef BURGEE_BENCH_COMMON_H
#define BURGEE_BENCH_COMMON_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static inline uint64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static inline uint64_t cpu_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static inline void *allocate(size_t count, size_t size) {
    void *found = calloc(count, size);
    if (found == NULL) die("out of memory");
    return found;
}

/* A whole file; its length goes to *length. */
static inline char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) die("%s: %s", path, strerror(errno));
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *bytes = allocate((size_t)size + 1, 1);
    if (fread(bytes, 1, (size_t)size, file) != (size_t)size) die("%s cannot be read", path);
    fclose(file);
    *length = (size_t)size;
    return bytes;
}

static inline void all_the_files_that_are_allowed(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static inline void not_blocking(int fd) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Begin to connect to a port of this machine; receive_bytes 0 = as the kernel likes. */
static inline int begin_to_connect(int port, int receive_bytes) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) die("socket: %s", strerror(errno));
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (receive_bytes > 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    /* Closing resets: 20,000 connections that linger would leave no ports for the next run. */
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        die("connect: %s", strerror(errno));
    return fd;
}

static inline void watch_fd(int epoll, int fd, uint32_t events, uint64_t data, int how) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    if (epoll_ctl(epoll, how, fd, &event) < 0) die("epoll_ctl: %s", strerror(errno));
}

static inline int by_value(const void *one, const void *other) {
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a < b ? -1 : a > b;
}

/* The value below which so many hundredths of the sorted values lie. */
static inline uint64_t percentile(const uint64_t *sorted, size_t count, double hundredths) {
    if (count == 0) return 0;
    size_t place = (size_t)((double)count * hundredths / 100.0);
    return sorted[place < count ? place : count - 1];
}

#endif
