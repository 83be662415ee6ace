# One graph for the whole project: every directory joins it with a module.mk, which is about one line.
#
#	make build                  the programs, in build/
#	make test [TESTS=...]       everything, on real PostgreSQL and S3, under sanitizers; prints "N passed, N failed"
#	make install DESTDIR= PREFIX=/usr/local
#	MODE=release|debug          -O2 (the default), or -O0
#	SAN=address,undefined       variants live side by side: build/address-undefined/...

MODE ?= release
SAN ?=
PREFIX ?= /usr/local
CC = gcc
comma = ,

variant := $(if $(filter-out release,$(MODE)),/$(MODE))$(if $(SAN),/$(subst $(comma),-,$(SAN)))
BUILD ?= build$(variant)
GEN := $(BUILD)/gen

PACKAGES = nng libprotobuf-c openssl libpq libcurl yaml-0.1 libmicrohttpd libzstd libutf8proc libidn jansson libpcre2-8 libcrypt
PKG_CFLAGS := $(shell pkg-config --cflags $(filter-out nng,$(PACKAGES)) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(filter-out nng,$(PACKAGES)) 2>/dev/null) -lnng -lpthread

VERSION := $(shell git describe --always --dirty 2>/dev/null || echo 0)
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wpointer-arith -Werror
OPTIMISE = $(if $(filter debug,$(MODE)),-O0,-O2) -g
SANITIZE = $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CFLAGS = -std=gnu17 -D_GNU_SOURCE $(OPTIMISE) $(SANITIZE) $(WARNINGS) -fstack-protector-strong -fPIC $(EXTRA_CFLAGS)
CPPFLAGS = -I. -I$(GEN) $(PKG_CFLAGS) -MMD -MP
LDFLAGS = $(SANITIZE) -Wl,--as-needed
BANNED = -include libcommon/core/banned.h

all: build
.PHONY: all build test unit install clean
.SECONDEXPANSION:
.SUFFIXES:

# $(call library,DIR[,MORE SOURCES]): DIR/*.c but main.c becomes an archive of DIR's name.
LIBRARIES :=
define library
LIBRARIES += $(BUILD)/lib/$(subst /,-,$(1)).a
OBJECTS-$(1) := $$(patsubst %.c,$(BUILD)/obj/%.o,$$(filter-out %/main.c,$$(wildcard $(1)/*.c)) $(2))
$(BUILD)/lib/$(subst /,-,$(1)).a: $$(OBJECTS-$(1))
endef

# $(call program,NAME,DIR): DIR/main.c, linked with whatever it needs of the archives, becomes the program NAME.
PROGRAMS :=
define program
PROGRAMS += $(BUILD)/$(1)
$(BUILD)/$(1): $(BUILD)/obj/$(2)/main.o
endef

include $(sort $(wildcard libcommon/*/module.mk proto/module.mk services/*/module.mk admin/module.mk tests/module.mk))

build: $(PROGRAMS) $(LIBSORA)

# A name that two archives define would be linked as either: nobody would be told.
$(BUILD)/lib/unique: $(LIBRARIES)
	@twice=$$(nm -g --defined-only $^ | awk 'NF == 3 && $$2 ~ /[TDBRV]/ && seen[$$3]++ { print $$3 }'); \
	    test -z "$$twice" || { echo "defined twice: $$twice"; false; }
	@touch $@

$(PROGRAMS): $(LIBRARIES) $(BUILD)/lib/unique
	@echo "link $@"
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(LIBRARIES) -Wl,--end-group $(PKG_LIBS)

$(LIBRARIES):
	@mkdir -p $(@D) && rm -f $@
	@ar rcs $@ $(filter %.o,$^)

# A change of flags rebuilds what was built with the others.
flags := $(CC) $(CFLAGS) $(PKG_CFLAGS)
$(BUILD)/flags: force
	@mkdir -p $(@D) && echo '$(flags)' | cmp -s - $@ || echo '$(flags)' > $@
.PHONY: force

# Who includes it is compiled again when the version changes.
version := \#define SORA_VERSION "$(VERSION)"
$(GEN)/version.h: force
	@mkdir -p $(@D) && echo '$(version)' | cmp -s - $@ || echo '$(version)' > $@
GENERATED += $(GEN)/version.h

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(GENERATED)
	@mkdir -p $(@D) && echo "cc $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(BANNED) -c -o $@ $<

# Generated code keeps our warnings but not our taste in functions.
$(BUILD)/obj/gen/%.o: $(GEN)/%.c $(BUILD)/flags | $(GENERATED)
	@mkdir -p $(@D) && echo "cc $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

install: build
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin include lib/pkgconfig share/sora)
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(LIBSORA) $(DESTDIR)$(PREFIX)/lib/libsora.so.0
	ln -sf libsora.so.0 $(DESTDIR)$(PREFIX)/lib/libsora.so
	install -m 644 services/sora/sora.h $(DESTDIR)$(PREFIX)/include
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' services/sora/sora.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/sora.pc
	install -m 644 sora.yaml.example $(DESTDIR)$(PREFIX)/share/sora

clean:
	rm -rf build

-include $(shell test -d $(BUILD)/obj && find $(BUILD)/obj -name '*.d')
