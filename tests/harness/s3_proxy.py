"""A proxy in front of S3 that counts what it is asked for and, when told to, answers by itself: wrongly, late, or not at all."""
import http.client, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .processes import HOST, free_port

ERROR = b"<?xml version=\"1.0\"?><Error><Code>%s</Code></Error>"


class Answer:
    """What is said instead of what the store would say; `cut`: end the connection after so many bytes of all of it."""

    def __init__(self, status, body=b"", headers=None, cut=None, length=None):
        self.status, self.body, self.headers, self.cut = status, body, headers or {}, cut
        self.length = len(body) if length is None else length

    def send(self, handler):
        head = f"HTTP/1.1 {self.status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in self.headers.items())
        all_of_it = head.encode() + b"Content-Length: %d\r\n\r\n" % self.length + self.body
        handler.wfile.write(all_of_it[:self.cut])
        handler.close_connection = True


class S3Proxy:
    """To be given to a Stack in the place of an S3."""

    def __init__(self, s3):
        self.s3, self.port = s3, free_port()
        self.delay = 0
        self.lie = lambda method, path: None   # an Answer, or None: pass it on
        self.gets = []                         # the paths of objects that were asked for
        self.lock = threading.Lock()

    @property
    def endpoint(self):
        return f"http://{HOST}:{self.port}"

    def start(self):
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def any(self):
                proxy.handle(self)
            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = any

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                """A client that went away in the middle."""

        self.server = Server((HOST, self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        if handler.command == "GET" and "?" not in handler.path:
            with self.lock:
                self.gets.append(handler.path)
        answer = self.lie(handler.command, handler.path)
        if answer is not None:
            return answer.send(handler)
        time.sleep(self.delay)
        store = http.client.HTTPConnection(HOST, self.s3.port, timeout=60)
        store.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
        for name, value in handler.headers.items():
            store.putheader(name, value)
        store.endheaders(body)
        reply = store.getresponse()
        data = reply.read()
        handler.send_response_only(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                handler.send_header(name, value)
        length = reply.getheader("Content-Length") if handler.command == "HEAD" else len(data)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(data)
        store.close()
