"""Responses of IMAP in one form, where its grammar leaves a choice."""
import re


def open_at(text):
    """Where the line behind the last literal begins; more than len(text) when a literal is not complete."""
    at = 0
    while True:
        end = text.find("\r\n", at)
        line = text[at:] if end < 0 else text[at:end]
        literal = re.search(r"\{(\d+)\}$", line)
        if not literal:
            return at
        at += len(line) + 2 + int(literal[1])
        if at > len(text):
            return at


def is_open(text):
    return open_at(text) > len(text)


def is_literal(text):
    return open_at(text) > 0


def value_at(text, at):
    """Where the value that begins here ends."""
    if text[at] == '"':
        return re.compile(r'"(?:[^"\\]|\\.)*"', re.S).match(text, at).end()
    if literal := re.compile(r"\{(\d+)\}\r\n").match(text, at):
        return literal.end() + int(literal[1])
    if text[at] == "(":
        at += 1
        while text[at] != ")":
            at = value_at(text, at + 1 if text[at] == " " else at)
        return at + 1
    return re.compile(r"[^ ()]+").match(text, at).end()


def one_form(name, value):
    """A quoted body becomes a literal, an empty one "", flags sorted."""
    if name == "FLAGS":
        return sorted_list(value)
    if not name.startswith(("BODY[", "RFC822")):
        return value
    if value == "{0}\r\n":
        return '""'
    if value.startswith('"') and len(value) > 2:
        plain = re.sub(r"\\(.)", r"\1", value[1:-1])
        return f"{{{len(plain)}}}\r\n{plain}"
    return value


def fetch_items(text):
    """("NAME value", ..) in alphabetical order."""
    items, at = [], 0
    while at < len(text):
        name = re.compile(r"[A-Za-z0-9.]+(?:\[[^\]]*\])?(?:<\d+>)?(?= )").match(text, at)
        end = value_at(text, name.end() + 1)
        items.append(f"{name[0].upper()} {one_form(name[0].upper(), text[name.end() + 1:end])}")
        if text[end:end + 1] not in ("", " "):
            raise ValueError(text)
        at = end + 1
    return " ".join(sorted(items))


def sorted_list(text):
    """"(b a)" as "(a b)"."""
    return text if "$" in text else "(" + " ".join(sorted(text[1:-1].split())) + ")"


def status(match):
    words = match[2].split()
    pairs = sorted(f"{name.upper()} {value}" for name, value in zip(words[::2], words[1::2]))
    return f"{match[1]}({' '.join(pairs)})"


def canonical(text):
    if fetch := re.fullmatch(r"(\* \d+ FETCH )\((.*)\)", text, re.S):
        try:
            return f"{fetch[1]}({fetch_items(fetch[2])})"
        except (AttributeError, IndexError, ValueError):
            return text
    if re.match(r"\* (LIST|LSUB|STATUS) ", text):
        text = re.sub(r'"([^"\\ (){%*]+)"', r"\1", text)
        text = re.sub(r"(\* STATUS .*)\((.*)\)", status, text)
        return re.sub(r"(?<=\* L...) (\(.*?\))", lambda m: " " + sorted_list(m[1]), text)
    return re.sub(r"(?<=FLAGS )\([^()]*\)", lambda m: sorted_list(m[0]), text)


def capabilities(text):
    found = re.match(r"\* CAPABILITY (.*)", text)
    return found and found[1].upper().split()
