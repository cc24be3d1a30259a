"""``python -m diffsim`` is the command ``diffsim``."""

from diffsim.cli import main

main()
