/*
 * Server and client for the interop tests, written with libwebsockets.
 *   libwebsockets server VERSION          prints "LISTEN PORT"
 *   libwebsockets client VERSION URL
 */
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* out is a frame that waits for the socket to take it. */
struct out {
	struct out *next;
	size_t size;
	int how;
	unsigned char bytes[]; /* LWS_PRE bytes of room, then the payload */
};

struct session {
	struct out *first, **last;
	char *message; /* what has come of a message */
	size_t size, room;
	char cookie[128];
};

static int client, over;

static void queue(struct lws *wsi, struct session *s, const void *p, size_t n, int how)
{
	struct out *o = malloc(sizeof *o + LWS_PRE + n);

	o->next = NULL;
	o->size = n;
	o->how = how;
	memcpy(o->bytes + LWS_PRE, p, n);
	*s->last = o;
	s->last = &o->next;
	lws_callback_on_writable(wsi);
}

static void say(struct lws *wsi, struct session *s, const char *before, const char *text)
{
	char line[512];
	int n = snprintf(line, sizeof line, "%s%s", before, text);

	queue(wsi, s, line, (size_t)n, LWS_WRITE_TEXT);
}

/* obey does a command. It returns -1 to close the connection. */
static int obey(struct lws *wsi, struct session *s, char *text)
{
	char *command = strsep(&text, " ");

	if (!strcmp(command, "!subprotocol")) {
		say(wsi, s, "subprotocol ", lws_get_protocol(wsi)->name);
	} else if (!strcmp(command, "!cookie")) {
		say(wsi, s, "cookie ", s->cookie);
	} else if (!strcmp(command, "!burst")) {
		say(wsi, s, "burst ", "1");
		say(wsi, s, "burst ", "2");
		say(wsi, s, "burst ", "3");
	} else if (!strcmp(command, "!fragments")) {
		queue(wsi, s, "one, ", 5, LWS_WRITE_TEXT | LWS_WRITE_NO_FIN);
		queue(wsi, s, "two, ", 5, LWS_WRITE_CONTINUATION | LWS_WRITE_NO_FIN);
		queue(wsi, s, "three \xe2\x9c\x93", 9, LWS_WRITE_CONTINUATION);
	} else if (!strcmp(command, "!ping")) {
		queue(wsi, s, text, strlen(text), LWS_WRITE_PING);
	} else if (!strcmp(command, "!close")) {
		int code = atoi(strsep(&text, " "));

		lws_close_reason(wsi, (enum lws_close_status)code, (unsigned char *)text, strlen(text));
		return -1;
	}
	return 0;
}

static int receive(struct lws *wsi, struct session *s, const void *in, size_t n)
{
	if (s->room < s->size + n + 1) {
		s->room = 2 * (s->size + n + 1);
		s->message = realloc(s->message, s->room);
	}
	memcpy(s->message + s->size, in, n);
	s->size += n;
	if (lws_remaining_packet_payload(wsi) || !lws_is_final_fragment(wsi))
		return 0;
	n = s->size;
	s->size = 0;
	s->message[n] = 0;
	if (!lws_frame_is_binary(wsi) && s->message[0] == '!')
		return obey(wsi, s, s->message);
	queue(wsi, s, s->message, n, lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
	return 0;
}

static int send_next(struct lws *wsi, struct session *s)
{
	struct out *o = s->first;

	if (!o)
		return 0;
	if (lws_write(wsi, o->bytes + LWS_PRE, o->size, (enum lws_write_protocol)o->how) < (int)o->size)
		return -1;
	s->first = o->next;
	if (!s->first)
		s->last = &s->first;
	free(o);
	if (s->first)
		lws_callback_on_writable(wsi);
	return 0;
}

static int chat(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t n)
{
	struct session *s = user;
	char pong[128];

	switch (why) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER: {
		unsigned char **p = in, *end = *p + n;

		return lws_add_http_header_by_name(wsi, (const unsigned char *)"Cookie:", (const unsigned char *)"interop=theirs", 14, p, end);
	}
	case LWS_CALLBACK_ESTABLISHED:
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		s->last = &s->first;
		lws_hdr_copy(wsi, s->cookie, sizeof s->cookie, WSI_TOKEN_HTTP_COOKIE);
		return 0;
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return receive(wsi, s, in, n);
	case LWS_CALLBACK_RECEIVE_PONG:
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		snprintf(pong, sizeof pong, "%.*s", (int)n, (char *)in);
		say(wsi, s, "pong ", pong);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return send_next(wsi, s);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: {
		unsigned char *p = in;

		if (n >= 2)
			printf("CLOSED %d %.*s\n", p[0] << 8 | p[1], (int)n - 2, (char *)p + 2);
		else
			printf("CLOSED\n");
		return 0;
	}
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		fprintf(stderr, "error: %.*s\n", (int)n, in ? (char *)in : "");
		over = 1;
		return 0;
	case LWS_CALLBACK_CLIENT_CLOSED:
		over = 1;
		return 0;
	default:
		return 0;
	}
}

static const struct lws_protocols protocols[] = {
	{"chat", chat, sizeof(struct session), 65536, 0, NULL, 0},
	{NULL, NULL, 0, 0, 0, NULL, 0},
};

int main(int argc, char **argv)
{
	struct lws_context_creation_info info = {0};
	struct lws_client_connect_info to = {0};
	struct lws_context *context;
	struct lws_vhost *vhost;

	setvbuf(stdout, NULL, _IOLBF, 0);
	lws_set_log_level(LLL_ERR, NULL);
	client = !strcmp(argv[1], "client");
	info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
	context = lws_create_context(&info);
	info.port = client ? CONTEXT_PORT_NO_LISTEN : 0;
	info.iface = "127.0.0.1";
	info.protocols = protocols;
	vhost = lws_create_vhost(context, &info);
	if (!vhost)
		return 1;
	if (client) {
		const char *scheme, *path;
		static char slashed[256], host[256];

		if (argc < 4 || lws_parse_uri(argv[3], &scheme, &to.address, &to.port, &path))
			return 1;
		snprintf(slashed, sizeof slashed, "/%s", path);
		to.context = context;
		to.vhost = vhost;
		to.path = slashed;
		snprintf(host, sizeof host, "%s:%d", to.address, to.port);
		to.host = host;
		to.origin = "interop.example"; /* http:// is put before it */
		to.protocol = "chat";
		to.ietf_version_or_minus_one = -1;
		lws_client_connect_via_info(&to);
	} else {
		printf("LISTEN %d\n", lws_get_vhost_listen_port(vhost));
	}
	while (!over && lws_service(context, 0) >= 0)
		;
	lws_context_destroy(context);
	return 0;
}
