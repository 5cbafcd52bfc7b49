/*
 * Thousands of SSE clients in one epoll loop, which do nothing but take bytes and note moments.
 *
 *   crowd PORT REQUEST RECEIVE_BYTES [NATS_PORT SUBJECT]
 *
 * REQUEST is a file with the whole request that opens a stream; RECEIVE_BYTES is the size of each receive
 * buffer, 0 = as the kernel likes. With a NATS_PORT it also listens there, to say when a change was on the
 * bus. Commands, one a line; each is answered by one line of JSON, moments are CLOCK_MONOTONIC in ns:
 *
 *   open N WINDOW SECONDS  open N more, WINDOW of them under way at once, until each has had `features`
 *   watch TOKEN SECONDS    answers {"watching":true}, and again when every stream that takes had the text,
 *                          with when it was on the bus and when it came to the first, median, … stream
 *   stop N                 the N oldest that take bytes take none any more
 *   unread                 the fewest and most bytes that wait unread in streams that take none
 *   count                  how many are open, were ended by the server, and all bytes that came
 *   close N                reset the N newest
 */
#include "common.h"

enum { CONNECTING, WAITING, LIVE, ENDED };
enum { COMMANDS = 1, NATS = 2, STREAMS = 3 }; /* epoll data: a stream's is its place + STREAMS */

struct client {
    int fd, state, stopped;
    unsigned line, line_kind; /* how much of a line is read, and whether it may be `event: features` */
    unsigned matched;         /* how much of the token the last bytes were */
    int features, had_token;
};

static struct client *clients;
static int count_of_clients, most_clients, epoll, port, receive_bytes, nats = -1;
static char *request, *buffer;
static size_t request_length;
static uint64_t all_bytes, bytes_before;
static int ended, ended_before;

/* What an `open` waits for. */
static int wanted, opened, under_way, window, opening;
static uint64_t open_began, open_ends, *open_took, *begun_at;

/* What a `watch` waits for. */
static char token[256];
static size_t token_length;
static uint64_t *arrivals, heard_at, watch_ends, watch_cpu;
static int watching, arrived, watched;

#define BUFFER_BYTES (1 << 20)
static const char FEATURES[] = "event: features";

static void answer(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

static void begin_one(void) {
    struct client *client = &clients[count_of_clients];
    memset(client, 0, sizeof *client);
    begun_at[count_of_clients] = now_ns();
    client->fd = begin_to_connect(port, receive_bytes);
    watch_fd(epoll, client->fd, EPOLLOUT | EPOLLIN, (uint64_t)(count_of_clients + STREAMS), EPOLL_CTL_ADD);
    count_of_clients++;
    under_way++;
}

static void open_more(void) {
    while (opening && under_way < window && opened + under_way + ended - ended_before < wanted) begin_one();
}

static void tell_opened(void) {
    uint64_t ends = now_ns();
    qsort(open_took, (size_t)opened, sizeof *open_took, by_value);
    answer("{\"opened\":%d,\"wanted\":%d,\"began\":%lu,\"ended\":%lu,\"bytes\":%lu,\"closed\":%d,\"p50\":%lu,"
           "\"p99\":%lu,\"max\":%lu}",
           opened, wanted, open_began, ends, all_bytes - bytes_before, ended - ended_before,
           percentile(open_took, (size_t)opened, 50), percentile(open_took, (size_t)opened, 99),
           percentile(open_took, (size_t)opened, 100));
    opening = 0;
}

static void had_features(struct client *client) {
    client->state = LIVE;
    open_took[opened++] = now_ns() - begun_at[client - clients];
    under_way--;
}

/* Look for the end of the `features` event: the first empty line after its name. */
static void look_for_features(struct client *client, const char *bytes, size_t length) {
    const char *end = bytes + length;
    while (bytes < end) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t piece = (size_t)((newline ? newline : end) - bytes);
        for (size_t each = 0; each < piece && client->line + each < sizeof FEATURES - 1; each++)
            if (bytes[each] != FEATURES[client->line + each]) client->line_kind = 1;
        client->line += (unsigned)piece;
        if (newline == NULL) return;
        if (client->line_kind == 0 && client->line == sizeof FEATURES - 1) client->features = 1;
        else if (client->line == 0 && client->features) {
            had_features(client);
            return;
        }
        client->line = client->line_kind = 0;
        bytes = newline + 1;
    }
}

/* Whether the token ends within these bytes; it may have begun in those before. */
static int has_token(struct client *client, const char *bytes, size_t length) {
    if (client->matched > 0) {
        size_t rest = token_length - client->matched, here = rest < length ? rest : length;
        if (memcmp(bytes, token + client->matched, here) == 0) {
            client->matched += (unsigned)here;
            if (client->matched == token_length) return 1;
            if (here == length) return 0;
        }
        client->matched = 0;
    }
    if (memmem(bytes, length, token, token_length) != NULL) return 1;
    size_t tail = token_length - 1 < length ? token_length - 1 : length;
    for (; tail > 0; tail--)
        if (memcmp(bytes + length - tail, token, tail) == 0) {
            client->matched = (unsigned)tail;
            break;
        }
    return 0;
}

static void tell_watched(void) {
    qsort(arrivals, (size_t)arrived, sizeof *arrivals, by_value);
    size_t count = (size_t)arrived;
    answer("{\"count\":%d,\"wanted\":%d,\"heard\":%lu,\"first\":%lu,\"p50\":%lu,\"p99\":%lu,\"max\":%lu,"
           "\"cpu\":%lu}",
           arrived, watched, heard_at, percentile(arrivals, count, 0), percentile(arrivals, count, 50),
           percentile(arrivals, count, 99), percentile(arrivals, count, 100), cpu_ns() - watch_cpu);
    watching = 0;
}

static void end_client(struct client *client) {
    if (client->state == CONNECTING || client->state == WAITING) under_way--;
    client->state = ENDED;
    ended++;
    close(client->fd);
    client->fd = -1;
}

static void hear_stream(struct client *client) {
    ssize_t got = recv(client->fd, buffer, BUFFER_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        end_client(client);
        return;
    }
    all_bytes += (size_t)got;
    if (client->state == WAITING) look_for_features(client, buffer, (size_t)got);
    else if (watching && !client->had_token && has_token(client, buffer, (size_t)got)) {
        client->had_token = 1;
        arrivals[arrived++] = now_ns();
    }
}

static void connected(struct client *client, uint64_t place) {
    if (send(client->fd, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length) {
        end_client(client);
        return;
    }
    client->state = WAITING;
    watch_fd(epoll, client->fd, EPOLLIN, place, EPOLL_CTL_MOD);
}

static void hear_nats(void) {
    static char bytes[1 << 16];
    ssize_t got = recv(nats, bytes, sizeof bytes, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) die("the bus has gone");
    if (memmem(bytes, (size_t)got, "PING\r\n", 6) != NULL && send(nats, "PONG\r\n", 6, MSG_NOSIGNAL) != 6)
        die("the bus takes nothing");
    if (watching && heard_at == 0 && memmem(bytes, (size_t)got, token, token_length) != NULL)
        heard_at = now_ns();
}

static void listen_to_nats(int nats_port, const char *subject) {
    char hello[512];
    int length = snprintf(hello, sizeof hello,
                          "CONNECT {\"verbose\":false,\"headers\":true,\"lang\":\"c\",\"version\":\"1\","
                          "\"protocol\":1}\r\nSUB %s 1\r\n", subject);
    nats = begin_to_connect(nats_port, 0);
    fcntl(nats, F_SETFL, fcntl(nats, F_GETFL) & ~O_NONBLOCK);
    /* Waits until it is connected. */
    struct timeval patience = {.tv_sec = 5};
    setsockopt(nats, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (send(nats, hello, (size_t)length, MSG_NOSIGNAL) != length) die("no bus at %d", nats_port);
    not_blocking(nats);
    watch_fd(epoll, nats, EPOLLIN, NATS, EPOLL_CTL_ADD);
}

static void begin_open(int more, int at_once, double seconds) {
    if (count_of_clients + more > most_clients) die("more than %d streams", most_clients);
    opening = 1;
    opened = under_way = 0;
    wanted = more;
    window = at_once;
    bytes_before = all_bytes;
    ended_before = ended;
    open_began = now_ns();
    open_ends = open_began + (uint64_t)(seconds * 1e9);
}

static void begin_watch(const char *text, double seconds) {
    snprintf(token, sizeof token, "%s", text);
    token_length = strlen(token);
    watching = 1;
    arrived = watched = 0;
    heard_at = 0;
    for (int each = 0; each < count_of_clients; each++) {
        clients[each].had_token = 0;
        clients[each].matched = 0;
        watched += clients[each].state == LIVE && !clients[each].stopped;
    }
    watch_cpu = cpu_ns();
    watch_ends = now_ns() + (uint64_t)(seconds * 1e9);
    answer("{\"watching\":true}");
}

static void stop_taking(int wanted_to_stop) {
    int stopped = 0;
    for (int each = 0; each < count_of_clients && stopped < wanted_to_stop; each++) {
        struct client *client = &clients[each];
        if (client->stopped || client->fd < 0) continue;
        client->stopped = 1;
        stopped++;
        if (epoll_ctl(epoll, EPOLL_CTL_DEL, client->fd, NULL) < 0) die("epoll_ctl: %s", strerror(errno));
    }
    answer("{\"stopped\":%d}", stopped);
}

static void tell_unread(void) {
    int least = -1, most = 0, bytes = 0;
    for (int each = 0; each < count_of_clients; each++) {
        if (!clients[each].stopped || clients[each].fd < 0) continue;
        if (ioctl(clients[each].fd, FIONREAD, &bytes) < 0) continue;
        if (least < 0 || bytes < least) least = bytes;
        if (bytes > most) most = bytes;
    }
    answer("{\"least\":%d,\"most\":%d}", least, most);
}

static void close_newest(int count) {
    while (count-- > 0 && count_of_clients > 0) {
        struct client *client = &clients[--count_of_clients];
        if (client->fd >= 0) close(client->fd);
    }
    answer("{\"open\":%d}", count_of_clients);
}

static void obey(void) {
    char line[1024], text[256];
    int number, at_once;
    double seconds;
    if (fgets(line, sizeof line, stdin) == NULL) exit(0);
    if (sscanf(line, "open %d %d %lf", &number, &at_once, &seconds) == 3) begin_open(number, at_once, seconds);
    else if (sscanf(line, "watch %255s %lf", text, &seconds) == 2) begin_watch(text, seconds);
    else if (sscanf(line, "stop %d", &number) == 1) stop_taking(number);
    else if (sscanf(line, "close %d", &number) == 1) close_newest(number);
    else if (strcmp(line, "unread\n") == 0) tell_unread();
    else if (strcmp(line, "count\n") == 0)
        answer("{\"open\":%d,\"closed\":%d,\"bytes\":%lu}", count_of_clients - ended, ended, all_bytes);
    else die("no such command: %s", line);
}

static void react(const struct epoll_event *event) {
    if (event->data.u64 == COMMANDS) obey();
    else if (event->data.u64 == NATS) hear_nats();
    else {
        uint64_t place = event->data.u64 - STREAMS;
        if (place >= (uint64_t)count_of_clients) return; /* closed in this very round */
        struct client *client = &clients[place];
        if (client->fd < 0) return;
        if (client->state == CONNECTING && (event->events & (EPOLLERR | EPOLLHUP))) end_client(client);
        else if (client->state == CONNECTING) connected(client, event->data.u64);
        else hear_stream(client);
    }
}

int main(int count, char **words) {
    if (count != 4 && count != 6) die("usage: crowd PORT REQUEST RECEIVE_BYTES [NATS_PORT SUBJECT]");
    port = atoi(words[1]);
    request = read_file(words[2], &request_length);
    receive_bytes = atoi(words[3]);
    all_the_files_that_are_allowed();
    most_clients = (int)sysconf(_SC_OPEN_MAX) - 16;
    clients = allocate((size_t)most_clients, sizeof *clients);
    arrivals = allocate((size_t)most_clients, sizeof *arrivals);
    open_took = allocate((size_t)most_clients, sizeof *open_took);
    begun_at = allocate((size_t)most_clients, sizeof *begun_at);
    buffer = allocate(BUFFER_BYTES, 1);
    setvbuf(stdin, NULL, _IONBF, 0);
    epoll = epoll_create1(0);
    watch_fd(epoll, 0, EPOLLIN, COMMANDS, EPOLL_CTL_ADD);
    if (count == 6) listen_to_nats(atoi(words[4]), words[5]);
    answer("{\"running\":true}");
    struct epoll_event events[512];
    for (;;) {
        int ready = epoll_wait(epoll, events, 512, opening || watching ? 5 : 1000);
        for (int each = 0; each < ready; each++) react(&events[each]);
        open_more();
        uint64_t now = opening || watching ? now_ns() : 0;
        int over = opened == wanted || now > open_ends || ended - ended_before >= wanted - opened;
        if (opening && over) tell_opened();
        if (watching && (arrived == watched || now > watch_ends)) tell_watched();
    }
}
