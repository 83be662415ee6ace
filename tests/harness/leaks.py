"""What LeakSanitizer reports of libraries that we only call."""
import re

FRAME = re.compile(r"^ +#\d+ .*$", re.M)


def are_criterions(frames):
    return all("libsanitizer" in frame or "libcriterion" in frame for frame in frames)


def is_nngs(frames):
    """Allocated by nng or its TLS, whoever called it."""
    allocator = next((frame for frame in frames if "libsanitizer" not in frame), "")
    return "libnng" in allocator or "libmbed" in allocator


def is_a_librarys_own(report):
    """
    A leak of Criterion's runner, which it has now and then. Or of nng: it forgets a TLS connection whose handshake is under way when its
    socket is closed, with all that it holds on to. Then nothing is lost directly, as nobody ever had it in hand; of what we forget
    something would be.
    """
    leaks = [FRAME.findall(block) for block in re.split(r"^(?:Direct|Indirect) leak of ", report, flags=re.M)[1:]]
    if "LeakSanitizer" not in report or not leaks:
        return False
    if all(are_criterions(frames) for frames in leaks):
        return True
    return "Direct leak" not in report and "mbedtls_ssl_setup" in report and all(is_nngs(frames) for frames in leaks)
