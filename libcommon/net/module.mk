$(eval $(call library,libcommon/net))
