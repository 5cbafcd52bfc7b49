/*
 * Polls over kept-alive connections, as fast as they are answered or at a rate.
 *
 *   pollers PORT REQUESTS CONNECTIONS SECONDS [RATE]
 *
 * REQUESTS is a file of whole requests without bodies, one after the other; all connections take the next
 * one in turn. With a RATE (per second) requests are due at even moments, whether or not the ones before
 * are answered, and a latency counts from the moment at which it was due. Every answer is read to its end;
 * a Content-Length is asked for except of a 304. The first tenth of the time warms up and is not counted.
 * Prints one line of JSON; latencies are in microseconds.
 */
#include "common.h"

#define ANSWER_BYTES (1 << 20)
#define PATIENCE 10000000000u
#define STEPS 64 /* between one power of two and the next */

struct poller {
    int fd, busy;
    uint64_t began;
    size_t got, whole; /* `whole` is 0 until the head is here */
    int status;
    char *answer;
};

static struct { const char *bytes; size_t length; } *requests;
static size_t request_count, next_request;
static uint64_t histogram[64 * STEPS], slowest, counted, received, statuses[600], measured_from;
static size_t known_head[600], known_whole[600];

static void note(uint64_t ns) {
    if (ns < 1) ns = 1;
    int power = 63 - __builtin_clzl(ns);
    uint64_t step = power >= 6 ? (ns >> (power - 6)) & (STEPS - 1) : (ns << (6 - power)) & (STEPS - 1);
    histogram[power * STEPS + (int)step]++;
    if (ns > slowest) slowest = ns;
}

static double microseconds_at(double hundredths) {
    uint64_t before = 0, wanted = (uint64_t)((double)counted * hundredths / 100.0);
    for (int place = 0; place < 64 * STEPS; place++) {
        before += histogram[place];
        if (before > wanted) {
            int power = place / STEPS;
            double base = (double)(1ul << power);
            return base * (1.0 + (place % STEPS + 0.5) / STEPS) / 1000.0;
        }
    }
    return (double)slowest / 1000.0;
}

static void cut_requests(char *bytes, size_t length) {
    char *end = bytes + length, *next = bytes, *found;
    requests = allocate(length / 16 + 1, sizeof *requests);
    while (next < end && (found = memmem(next, (size_t)(end - next), "\r\n\r\n", 4)) != NULL) {
        requests[request_count].bytes = next;
        requests[request_count++].length = (size_t)(found + 4 - next);
        next = found + 4;
    }
    if (request_count == 0) die("no requests");
}

static void ask(struct poller *poller, uint64_t due) {
    size_t place = next_request;
    next_request = next_request + 1 == request_count ? 0 : next_request + 1;
    poller->busy = 1;
    poller->began = due;
    poller->got = poller->whole = 0;
    ssize_t sent = send(poller->fd, requests[place].bytes, requests[place].length, MSG_NOSIGNAL);
    if (sent != (ssize_t)requests[place].length) die("a request could not be sent");
}

/* Find out how long the answer is; an answer shaped like the last of its status is not taken apart again. */
static void read_head(struct poller *poller) {
    if (poller->got < 16) return;
    poller->answer[poller->got] = 0;
    poller->status = atoi(poller->answer + 9);
    if (poller->status < 100 || poller->status >= 600) die("not HTTP: %.60s", poller->answer);
    size_t head = known_head[poller->status];
    if (head > 0 && poller->got == known_whole[poller->status] &&
        memcmp(poller->answer + head - 4, "\r\n\r\n", 4) == 0) {
        poller->whole = poller->got;
        return;
    }
    char *end = memmem(poller->answer, poller->got, "\r\n\r\n", 4);
    if (end == NULL) return;
    head = (size_t)(end + 4 - poller->answer);
    size_t body = 0;
    if (poller->status != 304) {
        *end = 0;
        char *length = strcasestr(poller->answer, "\r\ncontent-length:");
        if (length == NULL) die("an answer %d without a length", poller->status);
        body = strtoul(length + 17, NULL, 10);
        *end = '\r';
    }
    known_head[poller->status] = head;
    known_whole[poller->status] = poller->whole = head + body;
    if (poller->whole >= ANSWER_BYTES) die("an answer of %zu bytes", poller->whole);
}

/* Answers 1 when an answer has come to its end. */
static int hear(struct poller *poller) {
    ssize_t got = recv(poller->fd, poller->answer + poller->got, ANSWER_BYTES - 1 - poller->got, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) die("a connection ended: %s", got < 0 ? strerror(errno) : "closed by the server");
    poller->got += (size_t)got;
    if (poller->whole == 0) read_head(poller);
    if (poller->whole == 0 || poller->got < poller->whole) return 0;
    if (poller->got > poller->whole) die("more than was asked for");
    poller->busy = 0;
    uint64_t now = now_ns();
    if (poller->began >= measured_from) {
        note(now - poller->began);
        counted++;
        statuses[poller->status]++;
        received += poller->got;
    }
    return 1;
}

/* Wait for an answer, at most until a moment: finer than epoll's milliseconds. */
static void sleep_until(int epoll, uint64_t moment) {
    uint64_t now = now_ns(), left = moment > now ? moment - now : 0;
    struct timespec patience = {.tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u)};
    struct pollfd either = {.fd = epoll, .events = POLLIN};
    ppoll(&either, 1, &patience, NULL);
}

static void report(uint64_t cpu, uint64_t ended, int connections) {
    double seconds = (double)(ended - measured_from) / 1e9;
    printf("{\"requests\":%lu,\"seconds\":%.6f,\"per_second\":%.1f,\"connections\":%d", counted, seconds,
           (double)counted / seconds, connections);
    printf(",\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f", microseconds_at(50),
           microseconds_at(90), microseconds_at(99), microseconds_at(99.9), (double)slowest / 1000.0);
    printf(",\"bytes\":%lu,\"client_cpu_seconds\":%.6f,\"statuses\":{", received, (double)cpu / 1e9);
    const char *between = "";
    for (int status = 100; status < 600; status++)
        if (statuses[status] > 0) {
            printf("%s\"%d\":%lu", between, status, statuses[status]);
            between = ",";
        }
    puts("}}");
}

int main(int count, char **words) {
    if (count != 5 && count != 6) die("usage: pollers PORT REQUESTS CONNECTIONS SECONDS [RATE]");
    size_t length;
    char *bytes = read_file(words[2], &length);
    cut_requests(bytes, length);
    int port = atoi(words[1]), connections = atoi(words[3]);
    uint64_t lasts = (uint64_t)(atof(words[4]) * 1e9);
    double rate = count == 6 ? atof(words[5]) : 0;
    all_the_files_that_are_allowed();
    int epoll = epoll_create1(0);
    struct poller *pollers = allocate((size_t)connections, sizeof *pollers);
    for (int each = 0; each < connections; each++) {
        struct poller *poller = &pollers[each];
        poller->fd = begin_to_connect(port, 0);
        poller->answer = allocate(ANSWER_BYTES, 1);
        watch_fd(epoll, poller->fd, EPOLLOUT, (uint64_t)each, EPOLL_CTL_ADD);
    }
    struct epoll_event events[512];
    for (int connected = 0; connected < connections;) {
        int ready = epoll_wait(epoll, events, 512, 5000);
        if (ready <= 0) die("only %d connected", connected);
        for (int each = 0; each < ready; each++, connected++) {
            if (events[each].events & (EPOLLERR | EPOLLHUP)) die("refused");
            watch_fd(epoll, pollers[events[each].data.u64].fd, EPOLLIN, events[each].data.u64, EPOLL_CTL_MOD);
        }
    }
    uint64_t begins = now_ns(), ends = begins + lasts, issued = 0, cpu = 0;
    measured_from = begins + lasts / 10;
    int next_free = 0;
    if (rate <= 0)
        for (int each = 0; each < connections; each++) ask(&pollers[each], now_ns());
    for (;;) {
        uint64_t now = now_ns();
        if (cpu == 0 && now >= measured_from) cpu = cpu_ns();
        /* On a machine that is busy with other things a short time may pass without a single answer. */
        if (now >= ends && (counted > 0 || now >= ends + PATIENCE)) break;
        if (rate > 0) {
            uint64_t due = (uint64_t)((double)(now - begins) / 1e9 * rate);
            for (int tried = 0; issued < due && tried < connections; tried++) {
                struct poller *poller = &pollers[next_free];
                next_free = next_free + 1 == connections ? 0 : next_free + 1;
                if (poller->busy) continue;
                ask(poller, begins + (uint64_t)((double)issued++ / rate * 1e9));
            }
        }
        if (rate > 0) sleep_until(epoll, begins + (uint64_t)((double)(issued + 1) / rate * 1e9));
        int ready = epoll_wait(epoll, events, 512, rate > 0 ? 0 : 100);
        for (int each = 0; each < ready; each++) {
            struct poller *poller = &pollers[events[each].data.u64];
            if (hear(poller) && rate <= 0) ask(poller, now_ns());
        }
    }
    report(cpu_ns() - cpu, now_ns(), connections);
    return 0;
}
