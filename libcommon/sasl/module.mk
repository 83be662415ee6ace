$(eval $(call library,libcommon/sasl))
