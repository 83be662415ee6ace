$(eval $(call library,libcommon/blob))
