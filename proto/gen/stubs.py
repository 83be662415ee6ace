#!/usr/bin/env python3
"""stubs.py SET OUT: from a descriptor set of our .proto files, make the typed stubs of the bus.

Written to OUT/proto/:
    methods.h methods.c           a row for each method; bus_all_methods, for tests that try each
    X.client.h X.client.c         for each service X: a function for each method
    X.server.h X.server.c         a struct of handlers, and X_serve
Written to OUT/proto/plain.set: the same files without services and options, so that protobuf-c need not know them.

options_pb2.py must be in the module path (proto/module.mk makes it): importing it is what lets us read the rules.
"""
import pathlib
import re
import sys

from google.protobuf import descriptor_pb2
from proto import options_pb2

NOTE = "/* Made by proto/gen/stubs.py of {}: change that. */\n"


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def c_bool(value):
    return "true" if value else "false"


class Method:
    """One rpc line, with the names that C gives to its parts."""

    def __init__(self, service, proto):
        self.service = service
        self.name = proto.name
        self.c_name = snake(proto.name)
        self.function = f"{service}_{self.c_name}"
        self.request = self.message(proto.input_type)
        self.reply = self.message(proto.output_type)
        self.rules = proto.options.Extensions[options_pb2.rules]
        if not self.rules.role:
            sys.exit(f"{service}.{self.name}: no role may call it")
        if proto.client_streaming or proto.server_streaming:
            sys.exit(f"{service}.{self.name}: the bus has no streams")

    @staticmethod
    def message(type_name):
        name = type_name.lstrip(".")
        if "." in name:
            sys.exit(f"{name}: requests and replies stand at the top, without a package")
        return name

    def row_index(self):
        return f"{self.service.upper()}_METHOD_{self.c_name.upper()}"

    def row(self):
        roles = " | ".join(
            "BUS_ROLES_ALL" if role == "any" else f"1u << BUS_ROLE_{role.upper()}" for role in self.rules.role)
        return (
            f"\t[{self.row_index()}] = {{ .service = \"{self.service}\", .name = \"{self.name}\",\n"
            f"\t\t.request = &{snake(self.request)}__descriptor, .reply = &{snake(self.reply)}__descriptor,\n"
            f"\t\t.timeout_ms = {self.rules.timeout_ms}, .roles = {roles},\n"
            f"\t\t.needs_key = {c_bool(self.rules.key)}, .chunk_in = {c_bool(self.rules.chunk_in)},"
            f" .chunk_out = {c_bool(self.rules.chunk_out)}, .needs_account = {c_bool(self.rules.account)} }},\n")

    def signatures(self):
        """The call, its start and its wait, without the final semicolon."""
        chunk_in = ", struct str chunk" if self.rules.chunk_in else ""
        chunk_out = ", struct str *ret_chunk" if self.rules.chunk_out else ""
        asked = f"struct bus_call *call, const {self.request} *req{chunk_in}"
        answer = f"{self.reply} **ret_reply{chunk_out}"
        return (("enum err", f"{self.function}({asked}, {answer})"),
                ("struct bus_future *", f"{self.function}_start({asked})"),
                ("enum err", f"{self.function}_wait(struct bus_future *future, {answer})"))

    def declarations(self):
        return "".join(
            f"{kind}{'' if kind.endswith('*') else ' '}{signature};\n" for kind, signature in self.signatures())

    def client_code(self):
        chunk_in = "chunk" if self.rules.chunk_in else "STR_NONE"
        chunk_out = "ret_chunk" if self.rules.chunk_out else "NULL"
        row = f"&{self.service}_methods[{self.row_index()}]"
        finish = (f"\tif (err == ERR_OK && ret_reply != NULL)\n\t\t*ret_reply = ({self.reply} *)reply;\n\treturn err;\n")
        bodies = (
            f"\tProtobufCMessage *reply;\n"
            f"\tenum err err = bus_call_method(call, {row}, &req->base, {chunk_in}, &reply, {chunk_out});\n\n{finish}",
            f"\treturn bus_call_start(call, {row}, &req->base, {chunk_in});\n",
            f"\tProtobufCMessage *reply;\n"
            f"\tenum err err = bus_future_wait(future, &reply, {chunk_out});\n\n{finish}")
        return "".join(f"\n{kind}\n{signature}\n{{\n{body}}}\n"
                       for (kind, signature), body in zip(self.signatures(), bodies))

    def handler(self):
        return f"\tenum err (*{self.c_name})(struct rpc *rpc, const {self.request} *req, {self.reply} *reply);\n"

    def server_code(self, handlers):
        return (
            f"\nstatic enum err\nrun_{self.c_name}(struct rpc *rpc, const ProtobufCMessage *req, ProtobufCMessage *reply)\n{{\n"
            f"\tconst struct {handlers} *handlers = rpc->handlers;\n\n"
            f"\treturn handlers->{self.c_name}(rpc, (const {self.request} *)req, ({self.reply} *)reply);\n}}\n")


class Service:
    def __init__(self, file, proto):
        self.file = file
        self.name = snake(proto.name)
        self.methods = [Method(self.name, method) for method in proto.method]
        self.header = f"proto/{pathlib.Path(file).stem}.pb-c.h"

    def methods_header(self):
        rows = "".join(f"\t{method.row_index()},\n" for method in self.methods)
        return (f"\nenum {self.name}_method {{\n{rows}\t{self.name.upper()}_METHOD_COUNT\n}};\n"
                f"extern const struct bus_method {self.name}_methods[{self.name.upper()}_METHOD_COUNT];\n")

    def methods_code(self):
        rows = "".join(method.row() for method in self.methods)
        return f"\nconst struct bus_method {self.name}_methods[{self.name.upper()}_METHOD_COUNT] = {{\n{rows}}};\n"

    def client_header(self):
        guard = f"SORA_PROTO_{self.name.upper()}_CLIENT_H"
        body = "\n".join(method.declarations() for method in self.methods)
        return (NOTE.format(self.file) +
                f"#ifndef {guard}\n#define {guard}\n\n#include \"proto/methods.h\"\n#include \"{self.header}\"\n\n"
                f"{body}\n#endif\n")

    def client_code(self):
        return (NOTE.format(self.file) + f"#include \"proto/{self.name}.client.h\"\n" +
                "".join(method.client_code() for method in self.methods))

    def server_header(self):
        guard = f"SORA_PROTO_{self.name.upper()}_SERVER_H"
        rows = "".join(method.handler() for method in self.methods)
        return (NOTE.format(self.file) +
                f"#ifndef {guard}\n#define {guard}\n\n#include \"proto/methods.h\"\n#include \"{self.header}\"\n\n"
                f"/* A method whose handler is NULL is answered with NOT_SUPPORTED. */\n"
                f"struct {self.name}_handlers {{\n{rows}}};\n\n"
                f"/* Serve them where the configuration says. `handlers` and `service` stay until the bus is freed. */\n"
                f"{self.serve_signature()};\n\n#endif\n")

    def serve_signature(self):
        return (f"enum err {self.name}_serve(struct bus *bus, const struct {self.name}_handlers *handlers, "
                f"void *service,\n    const struct bus_limits *limits)")

    def server_code(self):
        handlers = f"{self.name}_handlers"
        thunks = "".join(method.server_code(handlers) for method in self.methods)
        rows = "".join(
            f"\tif (handlers->{method.c_name} != NULL)\n"
            f"\t\ttable[count++] = (struct bus_handler){{ &{self.name}_methods[{method.row_index()}], "
            f"run_{method.c_name}, handlers }};\n" for method in self.methods)
        signature = self.serve_signature().replace("enum err ", "enum err\n", 1)
        return (NOTE.format(self.file) + f"#include \"proto/{self.name}.server.h\"\n{thunks}\n{signature}\n{{\n"
                f"\tstruct bus_handler table[{self.name.upper()}_METHOD_COUNT];\n\tsize_t count = 0;\n\n{rows}"
                f"\treturn bus_serve(bus, \"{self.name}\", NULL, 0, table, count, service, limits);\n}}\n")


def methods_files(services):
    guard = "SORA_PROTO_METHODS_H"
    includes = "".join(f"#include \"{service.header}\"\n" for service in services)
    header = (NOTE.format("the .proto files") + f"#ifndef {guard}\n#define {guard}\n\n#include \"libcommon/bus/bus.h\"\n" +
              "".join(service.methods_header() for service in services) +
              "\n/* Every method there is, for tests that try each. */\n"
              f"enum {{ BUS_ALL_METHODS = {sum(len(service.methods) for service in services)} }};\n"
              "extern const struct bus_method *const bus_all_methods[BUS_ALL_METHODS];\n\n#endif\n")
    rows = "".join(f"\t&{method.service}_methods[{method.row_index()}],\n"
                   for service in services for method in service.methods)
    code = (NOTE.format("the .proto files") + f"#include \"proto/methods.h\"\n\n{includes}" +
            "".join(service.methods_code() for service in services) +
            f"\nconst struct bus_method *const bus_all_methods[BUS_ALL_METHODS] = {{\n{rows}}};\n")
    return {"methods.h": header, "methods.c": code}


def plain_set(files):
    """The messages alone: protobuf-c would make services of its own kind, and wants descriptor.proto as C."""
    plain = descriptor_pb2.FileDescriptorSet()
    options = "proto/options.proto"
    for file in files.file:
        if file.name == options or file.name.startswith("google/"):
            continue
        kept = plain.file.add()
        kept.CopyFrom(file)
        del kept.service[:]
        kept.dependency[:] = [name for name in kept.dependency if name != options]
    return plain.SerializeToString()


def main():
    source, out = map(pathlib.Path, sys.argv[1:3])
    files = descriptor_pb2.FileDescriptorSet.FromString(source.read_bytes())
    services = [Service(file.name, service) for file in files.file for service in file.service]
    made = methods_files(services)
    for service in services:
        made[f"{service.name}.client.h"] = service.client_header()
        made[f"{service.name}.client.c"] = service.client_code()
        made[f"{service.name}.server.h"] = service.server_header()
        made[f"{service.name}.server.c"] = service.server_code()
    (out / "proto").mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (out / "proto" / name).write_text(text)
    (out / "proto" / "plain.set").write_bytes(plain_set(files))


main()
