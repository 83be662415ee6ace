$(eval $(call library,libcommon/crypto))
