$(eval $(call library,services/sora))
$(eval $(call program,sora,services/sora))

# libsora: the all-in-one for programs that embed it. Of its names only those of sora.h are seen.
LIBSORA := $(BUILD)/libsora.so
$(LIBSORA): $$(LIBRARIES) $(BUILD)/lib/unique services/sora/libsora.map
	@echo "link $@"
	@$(CC) $(LDFLAGS) -shared -Wl,-soname,libsora.so.0 -Wl,--version-script=services/sora/libsora.map -o $@ \
	    -Wl,--whole-archive $(BUILD)/lib/services-sora.a -Wl,--no-whole-archive -Wl,--start-group $(LIBRARIES) -Wl,--end-group $(PKG_LIBS)
