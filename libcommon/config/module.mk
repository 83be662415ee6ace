$(eval $(call library,libcommon/config))
