"""TCP proxies of the tests, which forward bytes and fail as they are told; in a process of their own, so that they do not wait for their clients.

Modes, for what is connected and what will connect:
    pass                  forward
    refuse                connects are refused, what was connected is reset
    hold                  connects are accepted, and nothing is forwarded until the mode changes
    slow SECONDS RATE     each direction is late by SECONDS, and takes RATE bytes a second
    cut BYTES             each connection is reset when so many bytes more have come back
"""
import asyncio, socket, struct, subprocess, sys

if __name__ != "__main__":
    from .processes import HOST, free_port

CHUNK, CHUNKS = 16384, 64
# The header (PROXY protocol, version 2) of one whose client is 192.0.2.1.
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 127, 0, 0, 1, 0, 1, 0, 110])


class Proxies:
    """The tests' end: any number of proxies by name, all in one process."""

    def __init__(self):
        self.ports = {}
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        assert answer[:1] == ["ok"], (words, answer)
        return answer[1:]

    def port(self, name, target):
        """The port that leads to the port `target`: a proxy `name` that passes, made if there is none."""
        if name not in self.ports:
            self.ports[name] = free_port()
            self.ask("add", name, HOST, self.ports[name], target)
        return self.ports[name]

    def set(self, name, mode, *numbers):
        self.ask("mode", name, mode, *numbers)

    def sent(self, name):
        """Bytes that clients have sent through it."""
        return int(self.ask("sent", name)[0])

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


class Link:
    """One connection through a proxy."""

    def __init__(self, proxy, client):
        self.proxy, self.ends, self.given = proxy, [client], 0

    def reset(self):
        for _, writer in self.ends:
            raw = writer.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def run(self):
        try:
            await self.proxy.is_open.wait()
            self.ends.append(await asyncio.open_connection(self.proxy.host, self.proxy.target))
            client, server = self.ends
            await asyncio.gather(self.forward(client[0], server[1], False), self.forward(server[0], client[1], True))
        except OSError:
            pass
        self.reset()

    async def forward(self, reader, writer, is_answer):
        """What was read waits in a line, so that lateness does not limit the rate."""
        line = asyncio.Queue(CHUNKS)
        await asyncio.gather(self.read(reader, line), self.write(line, writer, is_answer))

    async def read(self, reader, line):
        try:
            while data := await reader.read(CHUNK):
                await line.put((asyncio.get_running_loop().time(), data))
        finally:
            await line.put(None)

    async def write(self, line, writer, is_answer):
        free = 0
        while item := await line.get():
            came, data = item
            await self.proxy.is_open.wait()
            if self.proxy.slow:
                late, rate = self.proxy.slow
                free = max(free, came + late) + len(data) / rate
                await asyncio.sleep(free - asyncio.get_running_loop().time())
            writer.write(data)
            await writer.drain()
            self.count(len(data), is_answer)
        if writer.can_write_eof():
            writer.write_eof()

    def count(self, size, is_answer):
        if not is_answer:
            self.proxy.sent += size
            return
        self.given += size
        if self.proxy.cut and self.given >= self.proxy.cut:
            self.reset()


class Proxy:
    """A listening port and its links."""

    def __init__(self, host, port, target):
        self.host, self.port, self.target = host, port, target
        self.sent, self.slow, self.cut, self.links, self.server = 0, None, None, set(), None
        self.is_open = asyncio.Event()

    async def accept(self, reader, writer):
        link = Link(self, (reader, writer))
        self.links.add(link)
        try:
            await link.run()
        finally:
            self.links.discard(link)

    async def set(self, mode, *numbers):
        self.slow = numbers if mode == "slow" else None
        self.cut = numbers[0] if mode == "cut" else None
        for link in self.links:
            link.given = 0
        (self.is_open.clear if mode == "hold" else self.is_open.set)()
        if mode == "refuse":
            self.server.close()
            self.server = None
            for link in list(self.links):
                link.reset()
        elif self.server is None:
            self.server = await asyncio.start_server(self.accept, self.host, self.port, backlog=1024)


async def serve():
    """One command a line, one answer a line, until the tests close."""
    proxies, loop = {}, asyncio.get_running_loop()
    while words := (await loop.run_in_executor(None, sys.stdin.readline)).split():
        command, name, *rest = words
        answer = "ok"
        if command == "add":
            proxies[name] = Proxy(rest[0], int(rest[1]), int(rest[2]))
            await proxies[name].set("pass")
        elif command == "mode":
            await proxies[name].set(rest[0], *map(float, rest[1:]))
        elif command == "sent":
            answer = f"ok {proxies[name].sent}"
        print(answer, flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
