$(eval $(call library,libcommon/http))
