$(eval $(call library,libcommon/service))
