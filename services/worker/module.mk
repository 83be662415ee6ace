$(eval $(call library,services/worker))
$(eval $(call program,sora-worker,services/worker))
