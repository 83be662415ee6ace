$(eval $(call library,libcommon/bus))
