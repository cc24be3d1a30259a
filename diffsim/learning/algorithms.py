"""How a policy is learned: short-horizon actor-critic, its plain baseline without a critic, and CMA-ES."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from diffsim.errors import InputError
from diffsim.lazy import named
from diffsim.learning.learner import Learner, Setting
from diffsim.spec import Spec, number, whole

__all__ = ["APG", "CMAES", "SHAC", "Algorithm"]


class Algorithm(Spec):
    """Base of algorithms: plain values, which make a `Learner`."""

    learner: ClassVar[str]
    """Where the class of its learner is: only who learns imports PyTorch."""

    def start(self, setting: Setting) -> Learner:
        """A learner at its start.

        Raises:
            MissingExtraError: it needs PyTorch, and there is none.
        """
        found: Learner = named(self.learner)(self, setting)
        return found


@dataclass(frozen=True, eq=False, repr=False)
class APG(Algorithm):
    """Analytic policy gradients: the reward of a window of steps, differentiated through physics and policy.

    Copies go on from where the last window ended, and begin anew where an episode ends. What comes after the window
    does not count: that is what `SHAC` adds.

    Attributes:
        window: steps that are differentiated through at a time.
        learning_rate: of Adam; it falls linearly over the run, to a twentieth.
        discount: of rewards, for each step.
        clip: largest norm of the gradient; longer ones are scaled down to it.
        noise: standard deviation of the exploration, before tanh, at the start.
        last_noise: the same at the end, to which it falls by the same factor in each iteration; None learns it with the
            policy. A policy is judged without noise, and the best one with much of it is another.
        average: share of the policy that its average takes over in each iteration. The average is judged, and is what
            is found (Polyak & Juditsky 1992): gradients through contacts are noisy, and so are policies of a moment.
    """

    learner: ClassVar[str] = "diffsim.learning.actor:Actor"

    window: int = 32
    learning_rate: float = 2e-3
    discount: float = 0.99
    clip: float = 1.0
    noise: float = 0.4
    last_noise: float | None = None
    average: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        owner = type(self).__name__
        self._set(
            window=whole(f"{owner}.window", self.window),
            learning_rate=number(f"{owner}.learning_rate", self.learning_rate, above=0.0),
            discount=number(f"{owner}.discount", self.discount, least=0.0, most=1.0),
            clip=number(f"{owner}.clip", self.clip, above=0.0),
            noise=number(f"{owner}.noise", self.noise, above=0.0),
            last_noise=None if self.last_noise is None else number(f"{owner}.last_noise", self.last_noise, above=0.0),
            average=number(f"{owner}.average", self.average, above=0.0, most=1.0),
        )


@dataclass(frozen=True, eq=False, repr=False)
class SHAC(APG):
    """Short-horizon actor-critic (Xu et al. 2022, arXiv:2204.07137).

    The policy is improved by the gradient of the rewards of a short window and of a critic's value where it ends (their
    equation 5); the critic is fitted to TD(lambda) targets (equations 7 and 8), which a slowly following copy of it
    makes. Short windows keep the gradient through contacts from exploding, and the critic sees what comes after.

    Attributes:
        window, learning_rate, discount, clip, noise, last_noise, average: as of `APG`.
        critic_rate: learning rate of the critic, which falls with the other.
        trace: lambda of the targets: 0 looks one step ahead, 1 to the end of the window.
        follow: share of the critic that its copy takes over in each iteration.
        epochs: passes over a window for the critic, in ``parts`` parts.
        parts: see ``epochs``.
        critic: units of the critic's hidden layers.
        critic_first: iterations at the start in which the critic learns and the policy stays: of a policy that already
            does something (`learn`'s ``start``) a critic that knows nothing would make something else.
        critics: how many there are: their mean counts where a window ends, their least in the targets (as in SAPO).
        stiff: times the median of all copies that a step may stretch what is small, before the window of that copy is
            cut in front of it, and the critic's value takes the place of what comes after (AHAC, Georgiev et al. 2024,
            arXiv:2405.17784); None cuts none. There it is contact forces by accelerations that are compared with a
            number, and the longest window is adapted as well; here it is the norm of the step's derivative by the
            state, of which one more pull a step gives an estimate.
        entropy: of the exploration, for each actuator [nats], that a reward for entropy is to keep up (SAPO, Xing et
            al. 2024, arXiv:2412.12089): with H of all actuators, ``temperature * (entropy - H) / (2 |H|)`` is added to
            each reward while it learns; SAPO takes -0.5. The standard deviation is learned, one for each actuator (in
            SAPO it depends on the state). None rewards none.
        temperature: at the start; it is learned, and falls as long as there is more entropy.
        temperature_rate: learning rate of its logarithm.
    """

    learner: ClassVar[str] = "diffsim.learning.actor_critic:ActorCritic"

    window: int = 16
    critic_rate: float = 1e-3
    trace: float = 0.95
    follow: float = 0.6
    epochs: int = 4
    parts: int = 2
    critic: tuple[int, ...] = (128, 64)
    critics: int = 1
    stiff: float | None = None
    entropy: float | None = None
    temperature: float = 1.0
    temperature_rate: float = 5e-3
    critic_first: int = 0

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        units = (self.critic,) if isinstance(self.critic, int) else tuple(self.critic)
        self._set(
            critic_rate=number("SHAC.critic_rate", self.critic_rate, above=0.0),
            trace=number("SHAC.trace", self.trace, least=0.0, most=1.0),
            follow=number("SHAC.follow", self.follow, above=0.0, most=1.0),
            epochs=whole("SHAC.epochs", self.epochs),
            parts=whole("SHAC.parts", self.parts),
            critic_first=whole("SHAC.critic_first", self.critic_first, least=0),
            critic=tuple(whole(f"SHAC.critic[{k}]", each) for k, each in enumerate(units)),
            critics=whole("SHAC.critics", self.critics),
            stiff=None if self.stiff is None else number("SHAC.stiff", self.stiff, least=1.0),
            entropy=None if self.entropy is None else number("SHAC.entropy", self.entropy),
            temperature=number("SHAC.temperature", self.temperature, above=0.0),
            temperature_rate=number("SHAC.temperature_rate", self.temperature_rate, least=0.0),
        )
        if self.entropy == 0.0:
            raise InputError("SHAC.entropy is 0, but it is a unit as well; take a number below or above, e.g. -0.5")
        if self.entropy is not None and self.last_noise is not None:
            raise InputError(
                f"SHAC.entropy is {self.entropy:g} and last_noise {self.last_noise:g}, but noise that falls to a given "
                "end is not learned, and no reward changes it; leave one of them out"
            )


@dataclass(frozen=True, eq=False, repr=False)
class CMAES(Algorithm):
    """Evolution of the policy's weights, without gradients: separable CMA-ES (Ros & Hansen 2008).

    In each iteration every copy plays an episode with weights of its own, drawn around the mean; the better half moves
    mean, step size and the variance of each weight. The covariance is diagonal, as a full one of thousands of weights
    would take longer than the physics.

    Attributes:
        sigma: standard deviation of the weights at the start, of inputs that are as they are observed.
        steps: of an episode; None is as long as the task's.
    """

    learner: ClassVar[str] = "diffsim.learning.evolution:Evolution"

    sigma: float = 0.1
    steps: int | None = None

    def __post_init__(self) -> None:
        """Check every number."""
        self._set(
            sigma=number("CMAES.sigma", self.sigma, above=0.0),
            steps=None if self.steps is None else whole("CMAES.steps", self.steps),
        )
