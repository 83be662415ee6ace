# protobuf-c's messages and the stubs of the bus: made by protoc and proto/gen of proto/*.proto, compiled into one archive.
protos := $(filter-out proto/options.proto,$(wildcard proto/*.proto))
proto_services := $(shell grep -l '^service ' $(protos))
proto_made := $(GEN)/proto/methods.h $(GEN)/proto/methods.c \
	$(foreach part,pb-c.h pb-c.c,$(protos:%.proto=$(GEN)/%.$(part))) \
	$(foreach part,client.h client.c server.h server.c,$(proto_services:%.proto=$(GEN)/%.$(part)))
GENERATED += $(proto_made)

$(proto_made) &: $(protos) proto/options.proto proto/gen/stubs.py
	@mkdir -p $(GEN)/proto/python && echo "gen proto"
	@protoc -I. --python_out=$(GEN)/proto/python proto/options.proto
	@protoc -I. --include_imports --descriptor_set_out=$(GEN)/proto/all.set $(protos)
	@PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$(GEN)/proto/python python3 proto/gen/stubs.py $(GEN)/proto/all.set $(GEN)
	@protoc --descriptor_set_in=$(GEN)/proto/plain.set --c_out=$(GEN) $(protos)
	@touch $(proto_made)

$(eval $(call library,proto,$(patsubst $(GEN)/%,gen/%,$(filter %.c,$(proto_made)))))
