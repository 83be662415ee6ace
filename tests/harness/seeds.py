"""What fuzzers begin with besides tests/fuzz/corpus: inputs that follow from what is elsewhere, made anew for each run."""
import glob, itertools, os

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from . import transcript


def write(name, build, directory):
    """Put those of this fuzzer, if there are any, into files of their own."""
    for number, seed in enumerate(SEEDS[name](build) if name in SEEDS else ()):
        with open(f"{directory}/seed-{number}", "wb") as file:
            file.write(seed)


def fill(message, depth=3):
    """Every field, two of what is repeated, as far down as `depth`; the message."""
    for field in message.DESCRIPTOR.fields:
        is_many = field.label == field.LABEL_REPEATED
        if field.message_type:
            for _ in range((1 + is_many) * (depth > 0)):
                fill(getattr(message, field.name).add() if is_many else getattr(message, field.name), depth - 1)
            continue
        value = (field.enum_type.values[-1].number if field.enum_type else b"\0bytes" if field.type == field.TYPE_BYTES else
                 "text" if field.type == field.TYPE_STRING else True if field.type == field.TYPE_BOOL else 300)
        if is_many:
            getattr(message, field.name).extend([value, value])
        else:
            setattr(message, field.name, value)
    return message


def frame(header, padded, method, methods, message):
    """By the length of its header the fuzzer knows the method."""
    for pad in itertools.count():
        setattr(header, padded, b"x" * pad)
        if header.ByteSize() % methods == method:
            break
    return b"".join(len(part).to_bytes(4, "big") + part for part in (header.SerializeToString(), message)) + b"a chunk"


def bus(build):
    """Requests and replies of all methods, with all that they can have: alone, and in frames."""
    with open(build + "/gen/proto/all.set", "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read()).file
    pool = descriptor_pool.DescriptorPool()
    for proto in files:
        pool.Add(proto)

    def filled(name):
        return fill(message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(name.lstrip(".")))())
    methods = [method for proto in files for service in proto.service for method in service.method]
    for number, method in enumerate(methods):
        request, reply = (filled(name).SerializeToString() for name in (method.input_type, method.output_type))
        yield bytes([number]) + request
        yield frame(filled("BusCallHeader"), "token", number, len(methods), request)
        yield frame(filled("BusReplyHeader"), "detail", number, len(methods), reply)


def mail(_):
    for path in glob.glob(f"{transcript.TOP}/transcripts/mails/*"):
        for _, _, message in transcript.mails_of(os.path.basename(path)):
            yield message


SEEDS = {"bus": bus, "mail": mail}
