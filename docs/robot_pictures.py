"""Make the pictures of robots anew: ``make pictures``."""

import sys
import warnings

from make_pictures import picture, scene

import diffsim as ds

ROBOTS = ("half_cheetah", "ant", "hopper")

if __name__ == "__main__":
    warnings.simplefilter("ignore", ds.OmissionWarning)
    for name in sys.argv[1:] or ROBOTS:
        script = scene(name)
        picture(script.problem(), name, fps=15.0, **script.SETTINGS)
