"""What LeakSanitizer reports of libraries that we only call."""
import re

FRAME = re.compile(r"^ +#\d+ .*$", re.M)


def are_criterions(frames):
    return all("libsanitizer" in frame or "libcriterion" in frame for frame in frames)


def is_nngs(frames):
    """Allocated by nng or its TLS, which is OpenSSL's by our engine, whoever called it."""
    allocator = next((frame for frame in frames if "libsanitizer" not in frame and "core/mem.c" not in frame), "")
    return any(name in allocator for name in ("libnng", "libssl", "libcrypto", "bus/tls_engine.c"))


def are_messages_of_lost_connections(leaks):
    """
    nng (1.10.1, tlstran_pipe_send) loses the message that it is handed in the moment when the connection is closed, between nni_aio_begin and
    nni_aio_schedule. One now and then: of what we forget there would be one for each call of its kind.
    """
    return len(leaks) <= 4 and all(is_nngs(frames) and any("bus_message_new" in frame for frame in frames) for frames in leaks)


def is_a_librarys_own(report):
    """
    A leak of Criterion's runner, which it has now and then. Or of nng: a message of a connection that was just lost; or a TLS connection
    that is being made, or taken down, when its socket is closed, with all that it holds on to. Then nothing is lost directly, as nobody ever
    had it in hand; of what we forget something would be.
    """
    leaks = [FRAME.findall(block) for block in re.split(r"^(?:Direct|Indirect) leak of ", report, flags=re.M)[1:]]
    if "LeakSanitizer" not in report or not leaks:
        return False
    if all(are_criterions(frames) for frames in leaks) or are_messages_of_lost_connections(leaks):
        return True
    return "Direct leak" not in report and any("libnng" in frame for frame in sum(leaks, [])) and all(is_nngs(frames) for frames in leaks)
