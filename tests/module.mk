# Every directory below tests/ that has test_*.c becomes one Criterion program: tests/libcommon/core -> $(BUILD)/tests/libcommon-core.
# Every tests/fuzz/fuzz_X.c becomes a libFuzzer program with `make fuzz`: $(BUILD)/fuzz/X.

TEST_DIRS := $(sort $(patsubst %/,%,$(dir $(shell find tests -name 'test_*.c'))))
TEST_PROGRAMS := $(foreach d,$(TEST_DIRS),$(BUILD)/tests/$(subst /,-,$(patsubst tests/%,%,$(d))))

define test_program
$(BUILD)/tests/$(subst /,-,$(patsubst tests/%,%,$(1))): $$(patsubst %.c,$(BUILD)/obj/%.o,$$(wildcard $(1)/*.c))
endef
$(foreach d,$(TEST_DIRS),$(eval $(call test_program,$(d))))

TEST_LIBRARIES ?= $(LIBRARIES)
$(TEST_PROGRAMS): $$(TEST_LIBRARIES)
	@mkdir -p $(@D) && echo "link $@"
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(TEST_LIBRARIES) -Wl,--end-group $(PKG_LIBS) -lcriterion

# Tests may use what the programs may not: they are not compiled with the banned functions, Criterion's headers need them.
$(BUILD)/obj/tests/%.o: tests/%.c $(BUILD)/flags | $$(GENERATED)
	@mkdir -p $(@D) && echo "cc $<"
	@$(CC) $(CPPFLAGS) $(filter-out -Wmissing-prototypes -Wshadow,$(CFLAGS)) -c -o $@ $<

tests: $(TEST_PROGRAMS)

# Fuzzers are clang's, and so are the objects they are linked with, which they share.
FUZZ_CC = clang -std=gnu17 -D_GNU_SOURCE -O1 -g -fno-sanitize-recover=all -fsanitize=address,undefined
$(BUILD)/obj/fuzz/%.o: %.c $(BUILD)/flags | $$(GENERATED)
	@mkdir -p $(@D) && echo "cc for fuzzers $<"
	@$(FUZZ_CC),fuzzer-no-link $(CPPFLAGS) -c -o $@ $<

FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SOURCES = $(wildcard libcommon/core/*.c libcommon/mail/*.c libcommon/crypto/*.c) $(FUZZ_MORE-$*)
FUZZ_MORE-imap = $(filter-out %/main.c,$(wildcard services/imap/*.c services/imap/commands/*.c services/imap/ext/*/*.c)) $(imap_tables) \
	$(wildcard libcommon/sasl/*.c libcommon/net/*.c libcommon/bus/*.c libcommon/blob/*.c) $(filter %.pb-c.c %/methods.c %.client.c,$(proto_made))
FUZZ_MORE-lmtp = $(addprefix services/lmtp/,parser.c data.c chunk.c client.c trace.c) libcommon/net/proxy.c libcommon/net/xclient.c
FUZZ_MORE-pop3 = services/pop3/parser.c services/pop3/stuff.c
FUZZ_MORE-managesieve = services/managesieve/parser.c services/managesieve/string.c
FUZZ_MORE-sieve = $(filter-out $(addprefix services/sieve/,main.c service.c cache.c wire.c),$(wildcard services/sieve/*.c services/sieve/base/*.c \
	services/sieve/ext/*/*.c)) $(sieve_tables)
FUZZ_MORE-bus = libcommon/bus/codec.c $(filter %.pb-c.c %/methods.c,$(proto_made))
FUZZ_MORE-proxy = libcommon/net/proxy.c
FUZZ_MORE-scram = libcommon/sasl/scram_message.c
FUZZ_MORE-frame = $(wildcard services/blob/frame/*.c)
FUZZ_OBJECTS = $(patsubst %.c,$(BUILD)/obj/fuzz/%.o,tests/fuzz/fuzz_$*.c $(FUZZ_SOURCES))
$(FUZZERS): $(BUILD)/fuzz/%: $$(FUZZ_OBJECTS)
	@mkdir -p $(@D) && echo "link $@"
	@$(FUZZ_CC),fuzzer -o $@ $^ $(PKG_LIBS)

fuzz: $(FUZZERS)

# Every tests/bench/bench_X.c is a program that measures or stresses: $(BUILD)/bench/X. The other files there are for all of them.
BENCH_SHARED := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/bench/bench_%,$(wildcard tests/bench/*.c)))
BENCHES := $(patsubst tests/bench/bench_%.c,$(BUILD)/bench/%,$(wildcard tests/bench/bench_*.c))
$(BENCHES): $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/bench_%.o $(BENCH_SHARED) $$(TEST_LIBRARIES)
	@mkdir -p $(@D) && echo "link $@"
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(TEST_LIBRARIES) -Wl,--end-group $(PKG_LIBS) -lm

bench: $(BENCHES)

# Everything, under sanitizers, on real PostgreSQL and S3. TESTS selects: names of suites, or "all".
test:
	@tests/run "$(TESTS)"

.PHONY: tests fuzz bench

# Sieve's cases are run by one program, which needs nothing but the engine; tests/run counts its lines.
$(BUILD)/sieve-cases: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/sieve/*.c)) $$(filter %/services-sieve.a $(BUILD)/lib/libcommon-%,$$(LIBRARIES))
	@echo "link $@"
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)

tests: $(BUILD)/sieve-cases
