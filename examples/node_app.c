/* A program on a node in C: sends every message back to where it came from, N times.
 *
 *   cc -O2 -o node_app examples/node_app.c -lzmq && ORBITMESH_NODE=ipc:///... ./node_app 5
 * The node writes JSON without white space and escapes quotes inside of texts, so that `"name":` occurs once, as
 * the field's name; a value is pasted into the answer as it stands. docs/applications.md describes the protocol. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static void value_of(const char *json, const char *name, char *value, size_t room) { /* as written, quotes included */
    char key[64];
    size_t n = 0;
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *found = strstr(json, key), *at = found ? found + strlen(key) : "";
    for (int in_text = 0; *at && n + 1 < room && (in_text || !strchr(",}", *at)); at++) {
        if (*at == '"') in_text = !in_text;
        value[n++] = *at;
        if (*at == '\\' && at[1] && n + 1 < room) value[n++] = *++at;
    }
    value[n] = 0;
}

int main(int argc, char **argv) {
    const char *endpoint = getenv("ORBITMESH_NODE"), *hello = "{\"op\":\"hello\",\"version\":1,\"service\":\"echo\"}";
    int left = argc > 1 ? atoi(argv[1]) : 5;
    void *context = zmq_ctx_new(), *node = zmq_socket(context, ZMQ_DEALER);
    if (!endpoint || zmq_connect(node, endpoint)) return fprintf(stderr, "ORBITMESH_NODE is no endpoint\n"), 2;
    zmq_send(node, hello, strlen(hello), 0);
    for (int number = 1; left > 0;) {
        char json[4096], reply[4096], op[32], id[1024], from[512], service[512], sent[32], arrived[32];
        int size = zmq_recv(node, json, sizeof json - 1, 0), more = 0;
        size_t more_size = sizeof more;
        if (size < 0) return perror("zmq_recv"), 1;
        json[size < (int)sizeof json ? size : (int)sizeof json - 1] = 0;
        value_of(json, "op", op, sizeof op);
        if (strcmp(op, "\"message\"")) puts(json); /* welcome, accepted, outcome ... */
        if (!strcmp(op, "\"error\"") || !strcmp(op, "\"bye\"")) return 1; /* service taken; the run is over */
        if (strcmp(op, "\"message\"")) continue;
        value_of(json, "id", id, sizeof id), value_of(json, "from", from, sizeof from); /* with their quotes */
        value_of(json, "service_from", service, sizeof service);
        value_of(json, "sent_s", sent, sizeof sent), value_of(json, "arrived_s", arrived, sizeof arrived);
        printf("message from %s, %.6f s on its way\n", from, atof(arrived) - atof(sent)), fflush(stdout);
        const char *send = "{\"op\":\"send\",\"to\":%s,\"service\":%s,\"reference\":%d}";
        snprintf(reply, sizeof reply, send, from, service, number++);
        zmq_getsockopt(node, ZMQ_RCVMORE, &more, &more_size);
        zmq_send(node, reply, strlen(reply), more ? ZMQ_SNDMORE : 0);
        while (more) { /* the payload, frame by frame, as it came */
            zmq_msg_t frame;
            if (zmq_msg_init(&frame) || zmq_msg_recv(&frame, node, 0) < 0) return perror("zmq_msg_recv"), 1;
            more = zmq_msg_more(&frame);
            zmq_msg_send(&frame, node, more ? ZMQ_SNDMORE : 0);
        }
        snprintf(reply, sizeof reply, "{\"op\":\"received\",\"id\":%s}", id); /* so the node may forget it */
        zmq_send(node, reply, strlen(reply), 0), left--;
    }
    zmq_send(node, "{\"op\":\"bye\"}", 12, 0);
    return zmq_close(node) || zmq_ctx_term(context);
}
