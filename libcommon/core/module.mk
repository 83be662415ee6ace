$(eval $(call library,libcommon/core))
