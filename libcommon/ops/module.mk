$(eval $(call library,libcommon/ops))
