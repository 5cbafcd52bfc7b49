/*
 * The least that a server can do: one epoll loop that answers polls and streams with bytes made elsewhere.
 *
 *   floor PORT POLL UNCHANGED STREAM      each a file with a whole answer, head included
 *
 * `GET /features?…` is answered with POLL, or with UNCHANGED when there is an if-none-match; any other
 * `GET /features/…` becomes a stream that is sent STREAM. Commands, one a line; each is answered by a line:
 *
 *   event FILE     write its bytes to every stream   {"streams":…,"began":…,"ended":…,"short":…}
 *   streams        how many are open                 {"streams":…}
 *
 * Moments are CLOCK_MONOTONIC in nanoseconds. Heads are believed to be plain and to come in one piece:
 * the only client is ours.
 */
#include "common.h"

struct stream_rest {
    char *bytes;
    size_t length, sent;
};

struct connection {
    int is_stream, place;
    struct stream_rest rest;
};

static struct connection *connections;
static int *streams, stream_count, most_files, epoll;
static char *poll_answer, *unchanged_answer, *stream_answer;
static size_t poll_length, unchanged_length, stream_length;

static void forget(int fd) {
    struct connection *gone = &connections[fd];
    if (gone->is_stream) {
        int last = streams[--stream_count];
        streams[gone->place] = last;
        connections[last].place = gone->place;
    }
    free(gone->rest.bytes);
    memset(gone, 0, sizeof *gone);
    close(fd);
}

/* Write what goes, keep the rest; answers 1 when some of it is left. */
static int send_all(int fd, const char *bytes, size_t length) {
    struct stream_rest *rest = &connections[fd].rest;
    ssize_t sent = 0;
    if (rest->bytes == NULL) {
        sent = write(fd, bytes, length);
        if (sent == (ssize_t)length) return 0;
        if (sent < 0) sent = 0;
    }
    size_t left = length - (size_t)sent, kept = rest->length - rest->sent;
    char *joined = allocate(kept + left, 1);
    if (kept > 0) memcpy(joined, rest->bytes + rest->sent, kept);
    memcpy(joined + kept, bytes + sent, left);
    free(rest->bytes);
    *rest = (struct stream_rest){joined, kept + left, 0};
    watch_fd(epoll, fd, EPOLLIN | EPOLLOUT, (uint64_t)fd, EPOLL_CTL_MOD);
    return 1;
}

static void go_on(int fd) {
    struct stream_rest *rest = &connections[fd].rest;
    if (rest->bytes == NULL) return;
    ssize_t sent = write(fd, rest->bytes + rest->sent, rest->length - rest->sent);
    if (sent < 0) return;
    rest->sent += (size_t)sent;
    if (rest->sent < rest->length) return;
    free(rest->bytes);
    *rest = (struct stream_rest){0};
    watch_fd(epoll, fd, EPOLLIN, (uint64_t)fd, EPOLL_CTL_MOD);
}

static void answer(int fd, const char *head) {
    static const char streams_begin[] = "GET /features/";
    if (strncmp(head, streams_begin, sizeof streams_begin - 1) == 0 && head[sizeof streams_begin - 1] != '?') {
        connections[fd].is_stream = 1;
        connections[fd].place = stream_count;
        streams[stream_count++] = fd;
        send_all(fd, stream_answer, stream_length);
    } else if (strstr(head, "\r\nif-none-match:") != NULL) {
        send_all(fd, unchanged_answer, unchanged_length);
    } else {
        send_all(fd, poll_answer, poll_length);
    }
}

static void hear(int fd) {
    static char head[65536];
    ssize_t got = read(fd, head, sizeof head - 1);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        forget(fd);
        return;
    }
    head[got] = 0;
    char *end, *next = head;
    while ((end = strstr(next, "\r\n\r\n")) != NULL) {
        *end = 0;
        answer(fd, next);
        next = end + 4;
    }
}

static void welcome(int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= most_files) die("too many connections");
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        memset(&connections[fd], 0, sizeof connections[fd]);
        watch_fd(epoll, fd, EPOLLIN, (uint64_t)fd, EPOLL_CTL_ADD);
    }
}

static void write_event(const char *path) {
    size_t length;
    char *bytes = read_file(path, &length);
    int left_over = 0;
    uint64_t began = now_ns();
    for (int place = 0; place < stream_count; place++) left_over += send_all(streams[place], bytes, length);
    printf("{\"streams\":%d,\"began\":%lu,\"ended\":%lu,\"short\":%d}\n", stream_count, began, now_ns(),
           left_over);
    free(bytes);
}

static void obey(void) {
    char line[4096];
    if (fgets(line, sizeof line, stdin) == NULL) exit(0);
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "event ", 6) == 0) write_event(line + 6);
    else if (strcmp(line, "streams") == 0) printf("{\"streams\":%d}\n", stream_count);
    else die("no such command: %s", line);
    fflush(stdout);
}

int main(int count, char **words) {
    if (count != 5) die("usage: floor PORT POLL UNCHANGED STREAM");
    poll_answer = read_file(words[2], &poll_length);
    unchanged_answer = read_file(words[3], &unchanged_length);
    stream_answer = read_file(words[4], &stream_length);
    all_the_files_that_are_allowed();
    signal(SIGPIPE, SIG_IGN);
    most_files = (int)sysconf(_SC_OPEN_MAX);
    connections = allocate((size_t)most_files, sizeof *connections);
    streams = allocate((size_t)most_files, sizeof *streams);
    setvbuf(stdin, NULL, _IONBF, 0);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0) die("bind: %s", strerror(errno));
    if (listen(listener, 2048) < 0) die("listen: %s", strerror(errno));

    epoll = epoll_create1(0);
    watch_fd(epoll, listener, EPOLLIN, (uint64_t)listener, EPOLL_CTL_ADD);
    watch_fd(epoll, 0, EPOLLIN, 0, EPOLL_CTL_ADD);
    puts("{\"listening\":true}");
    fflush(stdout);
    struct epoll_event events[512];
    for (;;) {
        int ready = epoll_wait(epoll, events, 512, -1);
        for (int each = 0; each < ready; each++) {
            int fd = (int)events[each].data.u64;
            if (fd == 0) obey();
            else if (fd == listener) welcome(listener);
            else {
                if (events[each].events & EPOLLOUT) go_on(fd);
                if (events[each].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) hear(fd);
            }
        }
    }
}
