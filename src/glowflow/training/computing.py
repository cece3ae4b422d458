"""The number of threads that a run computes with. It's chosen once, and kept when the run goes on."""

from dataclasses import replace

from glowflow import threads
from glowflow.errors import counted
from glowflow.processes import Processes
from glowflow.progress import say
from glowflow.threads import Work
from glowflow.training.batches import Batches
from glowflow.training.objective import Objective
from glowflow.training.options import Options
from glowflow.training.state import Progress, TrainingState


def settle(state: TrainingState, batches: Batches, options: Options, *, resumed: bool) -> None:
    """Set the number of threads, and note it in the state's progress.

    A number in the options comes first. Otherwise the number stays what the run has had. A new run with "auto" tries
    which number is best.

    Args:
        state: The run's state. Only its progress is changed.
        batches: The run's images.
        options: See `Options.threads`.
        resumed: True if the run goes on from a checkpoint.
    """
    progress, processes, wish = state.progress, options.processes, options.threads
    known = _known(progress, processes) if resumed else None
    if wish is None or (wish == "auto" and known is not None):
        number = known or threads.in_use()
    elif wish == "auto":
        number = _tried(state, batches, options)
    else:
        number = wish
    if known not in {None, number}:
        before = counted(known or 1, "thread")
        say(f"The run has had {before} so far, and has {number} from now on: last digits may differ.")
    threads.use(number)
    progress.threads, progress.processes = number, processes.count


def _known(progress: Progress, processes: Processes) -> int | None:
    """The number that the run has had, if it can be kept."""
    if progress.threads is None:  # an older version, which didn't note it, left it to PyTorch
        return threads.in_use()
    if progress.processes != processes.count:
        return None
    if progress.threads > threads.cores():
        had = counted(progress.threads, "thread")
        say(f"The run has had {had}, more than the cores here: last digits may differ.")
        return None
    return progress.threads


def _tried(state: TrainingState, batches: Batches, options: Options) -> int:
    """The number that's best in a trial of training steps; on a GPU the number stays."""
    if state.model.device.type != "cpu":
        return threads.in_use()
    processes, work = options.processes, _rehearsal(state, batches)
    share = len(processes.share(batches.config.train.batch_size))
    largest = min(share, options.micro_batch or share)
    trial = threads.Trial.of(work, largest, threads.SECONDS_OF_TRAINING, processes.mean)
    say(str(trial))
    return trial.best


def _rehearsal(state: TrainingState, batches: Batches) -> Work:
    """Work that computes the gradient of a step on some images, and changes nothing."""
    model = state.model
    objective, execution = Objective(model, batches.config.train.weight_y), model.execution

    def step(count: int) -> None:
        model.execute(replace(execution, compiled=False))  # compiling takes a minute for each number
        objective(*batches.at(state.progress.position, count)).total.backward()
        model.zero_grad(set_to_none=True)
        model.execute(execution)

    return step
