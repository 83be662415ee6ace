$(eval $(call program,sora,services/sora))
