"""The engine: how stages become kernels, and kernels gradients."""

from diffsim.engine import fitting, frontend, stacks

frontend.install()  # before the first @ti.func
stacks.install()
fitting.install()
