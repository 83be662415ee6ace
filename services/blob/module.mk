$(eval $(call library,services/blob,$(wildcard services/blob/*/*.c)))
$(eval $(call program,sora-blob,services/blob))
