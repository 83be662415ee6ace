$(eval $(call library,libcommon/mail))
