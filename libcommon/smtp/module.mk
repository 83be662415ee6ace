$(eval $(call library,libcommon/smtp))
