"""The number of threads that a run computes with: chosen once, and kept when the run goes on."""

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
    """Compute with as many threads as the run has had, or else as the options say, from now on; and note how many.

    A number in the options goes before what the run has had.

    Args:
        state: The run's, which is changed in nothing but the note.
        batches: Its images.
        options: See `Options.threads`.
        resumed: Whether the run goes on from a checkpoint.
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
    if progress.threads is None:  # it began before this was noted, with what PyTorch takes by itself
        return threads.in_use()
    if progress.processes != processes.count:
        return None
    if progress.threads > threads.cores():
        say(f"The run has had {progress.threads} threads, which are more than the cores here: last digits may differ.")
        return None
    return progress.threads


def _tried(state: TrainingState, batches: Batches, options: Options) -> int:
    """The number that's best in a trial, of steps on the CPU."""
    if state.model.device.type != "cpu":
        return threads.in_use()
    processes, work = options.processes, _rehearsal(state, batches)
    share = len(processes.share(batches.config.train.batch_size))
    largest = min(share, options.micro_batch or share)
    trial = threads.Trial.of(work, largest, threads.SECONDS_OF_TRAINING, processes.mean)
    say(str(trial))
    return trial.best


def _rehearsal(state: TrainingState, batches: Batches) -> Work:
    """A step for so many images, up to its gradient, which leaves everything as it was."""
    model = state.model
    objective, execution = Objective(model, batches.config.train.weight_y), model.execution

    def step(count: int) -> None:
        model.execute(replace(execution, compiled=False))  # compiling takes a minute, and is for a number of threads
        objective(*batches.at(state.progress.position, count)).total.backward()
        model.zero_grad(set_to_none=True)
        model.execute(execution)

    return step
