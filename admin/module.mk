$(eval $(call library,admin))
$(eval $(call program,sora-admin,admin))
