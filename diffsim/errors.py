"""What can go wrong, by name."""


class InputError(ValueError):
    """A scene, controller, objective, problem or argument that cannot be simulated: which element, what was
    given, what is allowed. Raised before any kernel runs.
    """


class UnknownClassError(InputError):
    """A file names a class of scene, controller or objective that nothing imported so far defines."""


class DivergenceError(ArithmeticError):
    """A rollout or gradient that stopped being finite.

    Attributes:
        array: name of the first array that stopped being finite, e.g. "velocity".
        env: index of the environment.
        step: row of the trajectory where it happened (row 0 is the initial state), or -1 for a gradient.
        element: index of the point, spring or whatever the array has a row for, or -1 where there is none.
    """

    def __init__(self, message: str, *, array: str, env: int, step: int, element: int = -1):
        super().__init__(message)
        self.array, self.env, self.step, self.element = array, env, step, element


class UnusedBoundsError(InputError):
    """Bounds for what a problem does not tune.

    Attributes:
        patterns: which.
    """

    def __init__(self, message: str, patterns: tuple[str, ...]):
        super().__init__(message)
        self.patterns = patterns


class CapacityError(RuntimeError):
    """A scene that needs more room than it was given, e.g. for contacts; the message says how to give it more.

    Attributes:
        room: of what, where a simulation can make it by itself.
        needed: how much.
    """

    def __init__(self, message: str, room: str = "", needed: int = 0):
        super().__init__(message)
        self.room, self.needed = room, needed


class GradientError(AssertionError):
    """A gradient that disagrees with central differences."""


class DeviceError(RuntimeError):
    """A device that is not there or cannot be used next to simulations alive on another; that cannot do what was asked
    or has not enough memory; or that stopped a kernel before its end. The message says what helps.
    """


class MissingExtraError(ImportError):
    """An optional package is needed; the message names the extra to install."""


class RoomWarning(UserWarning):
    """What a simulation has no room for, and does in a coarser way; once for each simulation."""


class OmissionWarning(UserWarning):
    """A file holds what is not simulated, and was asked to be loaded without it; the message lists it."""


class VideoError(RuntimeError):
    """The encoder failed; the message ends with what it said last."""


class StartWarning(UserWarning):
    """A scene starts where it cannot stay, e.g. with a joint beyond its limits; the message names it."""
