# Written by `python -m pyflow.options` from its table (make docs); edits are lost.
MODEL = $(call opt,net,NET) $(call opt,name,NAME) $(call opt,weights,WEIGHTS) $(call opt,data,DATA) $(call opt,data-dir,DATA_DIR) $(call opt,timesteps,TIMESTEPS) $(call opt,weight-bits,WEIGHT_BITS) $(call opt,steps,STEPS) $(call opt,readout,READOUT) $(call opt,time-axis,TIME_AXIS) $(call opt,dt,DT) $(call opt,ties,TIES) $(call opt,finetune,FINETUNE) $(call opt,checkpoint,CHECKPOINT) $(call opt,seed,SEED)
PLAN = $(call opt,board,BOARD) $(call opt,cycles,CYCLES) $(call opt,folding,FOLDING) $(call opt,time-block,TIME_BLOCK) $(if $(filter-out 0,$(PROBES)),--probes) $(call opt,out,OUT) $(call opt,json,JSON)
SIM_OPTIONS = $(call opt,frames,FRAMES) $(call opt,frame,FRAME)
IP_OPTIONS = $(if $(filter-out 0,$(ASYNC)),--async)
PROGRAM_OPTIONS = $(if $(filter-out 0,$(FLASH)),--flash)
ANALYSE_OPTIONS = $(call opt,period,PERIOD) $(if $(filter-out 0,$(FRONT)),--front)
