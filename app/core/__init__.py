"""The laboratory without its window: no Qt here, and no torch until a torch model is asked for."""
