"""Continue many prompts at once, one token of each in a pass of the model.

What makes it fast, beside bf16: keys and values lie in buffers with room for tokens to come, so
that none is copied for the next; rows that are finished leave the batch; the nucleus is sought
among the likeliest tokens only, so that no row of the vocabulary is sorted; and random numbers are
drawn before, one for each row and token, so that a row comes out the same whatever stands beside
it. On a GPU all shapes stay the same instead, and the whole pass is one CUDA graph: there the time
goes into launching hundreds of small kernels, and finished rows cost next to nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from tasks.core import interruption
from tasks.generation.mention_guard import MentionGuard
from tasks.training.compute import gpu
from tasks.training.compute.cuda_graphs import Recorder

log = logging.getLogger("huggingtweets")

TOP_P = 0.95
# The nucleus is sought among so many: what lies beyond has no weight worth sorting for.
TOP_K = 1024
# Tokens of one group, of which only the likeliest is looked at first.
GROUP = 8
# Buffers grow by so many tokens. Between, shapes stay the same, and kernels are built for shapes.
COLUMNS = 32
# On a GPU, tokens between two checks whether all rows are finished: a check waits for the device.
CHECKED_EVERY = 16
# Passes before one is captured as a CUDA graph, in which libraries set up what they keep.
WARM_UP = 3

Watch = Callable[[Callable[[], list[list[int]]]], None]

# Models whose pass is known to ask the GPU for nothing, so that it can be captured.
_CAPTURABLE = ("gpt2", "llama")


@dataclass(frozen=True)
class Limits:
    """Where posts end.

    end: the token that ends a post.
    least, most: tokens of a whole text, prompt included; before `least` it does not end.
    """

    end: int
    least: int
    most: int


@dataclass(frozen=True)
class Draw:
    """How tokens are drawn.

    temperature: above 0; below 1 the likelier ones are drawn more often still.
    top_p: the share of the probability, above 0 and up to 1, that the nucleus holds.
    """

    temperature: float = 1.0
    top_p: float = TOP_P


def write(
    model: Any,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    *,
    generator: torch.Generator,
    guard: MentionGuard | None = None,
    fixed_shapes: bool | None = None,
) -> list[list[int]]:
    """The prompts, in their order, with what the model writes after each; see `write_each`."""
    finished = dict(
        write_each(
            model, prompts, limits, generator=generator, guard=guard, fixed_shapes=fixed_shapes
        )
    )
    return [finished[number] for number in range(len(prompts))]


@torch.no_grad()
def write_each(  # noqa: PLR0913 - each is a choice of its own
    model: Any,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    *,
    generator: torch.Generator,
    guard: MentionGuard | None = None,
    fixed_shapes: bool | None = None,
    drawing: Draw | None = None,
    recorder: Recorder | None = None,
    watch: Watch | None = None,
) -> Iterator[tuple[int, list[int]]]:
    """Each prompt's number, and it with what the model writes after it, without the end mark.

    Each as soon as it is finished: the shortest first, of equally long ones in their order.
    model: as `writer_of` gives it. generator: a CPU's. guard: bans mentions.
    fixed_shapes: keep all rows and the widest buffers to the end; by default so on a GPU only.
    recorder: of a pass in fixed shapes; by default a GPU's, for models that are known.
    watch: called after each token, on a GPU now and then, with what gives all texts so far.
    drawing: by default temperature 1, nucleus TOP_P; among the TOP_K likeliest in any case.
    """
    on_gpu = next(model.parameters()).device.type == "cuda"
    fixed = on_gpu if fixed_shapes is None else fixed_shapes
    writing = _Generation(model, prompts, limits, generator, guard, drawing or Draw(), fixed=fixed)
    if on_gpu and fixed and _can_be_captured(model) and gpu.Recorder.may_record():
        recorder = recorder or gpu.Recorder()
    step = writing.step
    for number in range(writing.steps):
        interruption.check()
        if not fixed or number % CHECKED_EVERY == 0:
            yield from writing.newly_finished()
            if not writing.make_room():
                return
            if watch:
                watch(writing.texts)
        if recorder and number == WARM_UP:
            step = writing.recorded(recorder)
        with recorder.stream() if recorder and number < WARM_UP else nullcontext():
            step()
    yield from writing.newly_finished()


def _can_be_captured(model: Any) -> bool:
    """Whether a pass never asks the GPU for a number; some positions depend on the longest row."""
    positions = getattr(model.config, "rope_parameters", None) or {}
    return model.config.model_type in _CAPTURABLE and positions.get("rope_type") != "dynamic"


class _KeyValueCache:
    """Keys and values of every layer, written at `columns`; what transformers calls a cache."""

    is_compileable = False

    def __init__(self, width: int, columns: torch.Tensor) -> None:
        self.width, self.columns = width, columns
        self.layers: list[tuple[torch.Tensor, torch.Tensor]] = []

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_others: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write a layer's new keys and values; returns all of its, unwritten ones as zeros."""
        if layer == len(self.layers):
            shapes = ((*part.shape[:2], self.width, part.size(3)) for part in (keys, values))
            rooms = [keys.new_zeros(shape) for shape in shapes]
            self.layers.append((rooms[0], rooms[1]))
        kept_keys, kept_values = self.layers[layer]
        kept_keys.index_copy_(2, self.columns, keys)
        kept_values.index_copy_(2, self.columns, values)
        return kept_keys, kept_values

    def rebuild(self, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Put other buffers in the place of all, each made from the older one."""
        self.layers = [(change(keys), change(values)) for keys, values in self.layers]


class _Generation:
    """A batch of posts, and how far it is."""

    def __init__(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        limits: Limits,
        generator: torch.Generator,
        guard: MentionGuard | None,
        drawing: Draw,
        *,
        fixed: bool,
    ) -> None:
        parameter = next(model.parameters())
        self.drawing = drawing
        self.model, self.limits, self.fixed = model, limits, fixed
        self.device, self.dtype = parameter.device, parameter.dtype
        self.prompts, self.given = prompts, set[int]()
        self.begin = max(len(prompt) for prompt in prompts)
        self.steps = limits.most - min(len(prompt) for prompt in prompts) - 1
        self.guard = guard.to(self.device, self.dtype) if guard else None
        self._set_up(generator)
        self._read_prompts()

    def _set_up(self, generator: torch.Generator) -> None:
        number, columns = len(self.prompts), self.begin + self.steps + 1
        self.draws = torch.rand(self.steps + 1, number, generator=generator).to(self.device)
        self.tokens = torch.full((number, columns), self.limits.end)
        for row, prompt in enumerate(self.prompts):
            self.tokens[row, self.begin - len(prompt) : self.begin] = torch.tensor(prompt)
        self.tokens = self.tokens.to(self.device)
        lengths = torch.tensor([len(prompt) for prompt in self.prompts], device=self.device)
        self.rows = torch.arange(number, device=self.device)
        self.positions = lengths - 1
        self.column = torch.tensor([self.begin - 1], device=self.device)
        self.drawn = torch.zeros(1, dtype=torch.long, device=self.device)
        self.done = torch.zeros(number, dtype=torch.bool, device=self.device)
        self.states = torch.zeros(number, dtype=torch.long, device=self.device)
        width = columns if self.fixed else _rounded(self.begin + 1)
        self.memory = _KeyValueCache(width, torch.arange(self.begin, device=self.device))
        # What the next token sees: 0 or -inf, rows × 1 × 1 × columns.
        self.mask = torch.full((number, 1, 1, width), -torch.inf, device=self.device)
        written = torch.arange(width, device=self.device)
        seen = (written < self.begin) & (written >= self.begin - lengths[:, None])
        self.mask = self.mask.masked_fill(seen[:, None, None], 0).to(self.dtype)

    def _read_prompts(self) -> None:
        """All prompts in one pass, with their last tokens in one column, and a token for each.

        Equal prompts are read once.
        """
        if self.guard:
            self.bans = self.guard.penalty.new_empty(len(self.rows), self.guard.penalty.size(1))
            states = self.guard.states(self.prompts)
            self.states = torch.tensor(states, device=self.device)
        numbers: dict[tuple[int, ...], int] = {}
        prompts = [numbers.setdefault(tuple(prompt), len(numbers)) for prompt in self.prompts]
        firsts = [prompts.index(number) for number in range(len(numbers))]
        places = torch.arange(self.begin, device=self.device)
        later = torch.arange(self.mask.size(3), device=self.device) > places[:, None]
        mask = self.mask[firsts].expand(-1, -1, self.begin, -1).masked_fill(later, -torch.inf)
        # Padding sees itself, since a softmax over nothing is no number.
        mask[:, :, places, places] = 0
        positions = (self.positions[firsts, None] - places.flip(0)).clamp(min=0)
        logits = self._logits(self.tokens[firsts, : self.begin], mask, positions)
        self.memory.rebuild(lambda part: part[prompts])
        self._take(logits[prompts])
        self.memory.columns = self.column

    def step(self) -> None:
        """Write one more token in every row; everything stays in its place in memory."""
        self._take(self._next())

    def _next(self) -> torch.Tensor:
        """The logits of each row's next token; done twice, it is the same."""
        self.mask.index_fill_(3, self.column, 0)
        inputs = self.tokens[self.rows, self.column]
        return self._logits(inputs[:, None], self.mask, self.positions[:, None])

    def recorded(self, recorder: Recorder) -> Callable[[], None]:
        """`step` as a CUDA graph, unless the model waits for the GPU, or memory is short."""
        try:
            recorder.check(self._next)
            return recorder.record(self.step)[1]
        except (gpu.Synchronizes, torch.OutOfMemoryError) as reason:
            log.info("writing without a CUDA graph: %s", reason)
            return self.step

    def _logits(
        self, inputs: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        output = self.model(
            input_ids=inputs,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.memory,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]  # type: ignore[no-any-return]  # transformers is untyped

    def _take(self, logits: torch.Tensor) -> None:
        """Draw a token for each row, and note it."""
        limits = self.limits
        logits[:, limits.end].masked_fill_(self.positions + 1 < limits.least, -torch.inf)
        if self.guard:
            # Into memory that is there: ten fresh megabytes a token take longer than the sum.
            bans = self.bans[: len(self.rows)]
            logits += torch.index_select(self.guard.penalty, 0, self.states, out=bans)
        draws = self.draws.index_select(0, self.drawn)[0, self.rows]
        tokens = draw(logits, draws, self.drawing)
        if self.guard:
            self.states.copy_(self.guard.then[self.states, tokens])
        for counter in (self.column, self.drawn, self.positions):
            counter.add_(1)
        # Finished rows that have not left yet must not leave the model's context.
        self.positions.clamp_(max=limits.most - 1)
        self.tokens[self.rows, self.column] = tokens
        self.done.logical_or_((tokens == limits.end) | (self.positions + 1 >= limits.most))

    def make_room(self) -> bool:
        """Let finished rows go, widen the buffers if the next token needs it; False at the end."""
        going_on = len(self.rows) - int(self.done.sum())
        if going_on and not self.fixed:
            if going_on < len(self.rows):
                self._close_up(going_on)
            if int(self.column) >= self.mask.size(3):
                self._widen()
        return going_on > 0

    def _close_up(self, number: int) -> None:
        """Put the unfinished rows behind the first `number` in the places of finished ones there.

        So that little is copied of all keys and values.
        """
        moved = number + (~self.done[number:]).nonzero()[:, 0]
        places = self.done[:number].nonzero()[:, 0]

        def closed(part: torch.Tensor) -> torch.Tensor:
            return part.index_copy_(0, places, part[moved])[:number]

        parts = (self.rows, self.positions, self.states, self.done, self.mask)
        self.rows, self.positions, self.states, self.done, self.mask = map(closed, parts)
        self.memory.rebuild(closed)

    def _widen(self) -> None:
        pad = torch.nn.functional.pad
        self.mask = pad(self.mask, (0, COLUMNS), value=-torch.inf)
        self.memory.rebuild(lambda part: pad(part, (0, 0, 0, COLUMNS)))

    def newly_finished(self) -> Iterator[tuple[int, list[int]]]:
        """The texts that were finished since the last call, with their numbers; shorter ones first.

        So that they come in the same order however often this is called.
        """
        numbers = sorted(set(self.rows[self.done].tolist()) - self.given)
        self.given.update(numbers)
        texts = [(number, self.text(number)) for number in numbers]
        yield from sorted(texts, key=lambda each: len(each[1]) - len(self.prompts[each[0]]))

    def texts(self) -> list[list[int]]:
        """All prompts with what is written after them so far."""
        return [self.text(number) for number in range(len(self.prompts))]

    def text(self, number: int) -> list[int]:
        """A prompt with what was written after it, without the end mark."""
        prompt, row = self.prompts[number], self.tokens[number].tolist()
        written = row[self.begin : self.begin + self.limits.most - len(prompt)]
        if self.limits.end in written:
            written = written[: written.index(self.limits.end)]
        return [*prompt, *written]


_USUAL = Draw()


def draw(logits: torch.Tensor, draws: torch.Tensor, how: Draw = _USUAL) -> torch.Tensor:
    """One token a row: of the TOP_K likeliest, the fewest that hold `top_p` of their probability.

    draws: one number a row, 0 up to 1; equal numbers draw equal tokens.
    """
    top, tokens = likeliest(logits, min(TOP_K, logits.size(-1)))
    reached = top.float().div(how.temperature).softmax(-1).cumsum(-1)
    # A token is in the nucleus if those before it do not reach top_p.
    before = torch.nn.functional.pad(reached[:, :-1], (1, 0))
    last = (before < how.top_p).sum(-1, keepdim=True) - 1
    target = draws[:, None] * reached.gather(1, last)
    chosen = torch.searchsorted(reached, target, right=True).minimum(last)
    return tokens.gather(1, chosen)[:, 0]


def likeliest(logits: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `number` highest of each row, the highest first, and their places; as `topk`, but faster.

    They are in the `number` groups with the highest peaks, so that most of a row is only compared
    with its group: 100 rows of 49,152 in bf16 take 9 ms instead of 20 on two cores.
    """
    width = logits.size(-1) // GROUP
    if width <= number:
        return logits.topk(number)
    grouped = logits[:, : GROUP * width].view(-1, GROUP, width)
    groups = grouped.amax(1).topk(number, sorted=False).indices
    members = torch.arange(GROUP, device=logits.device)[:, None] * width + groups[:, None]
    rest = torch.arange(GROUP * width, logits.size(-1), device=logits.device)
    places = torch.cat([members.flatten(1), rest.expand(len(logits), -1)], 1)
    top, chosen = logits.gather(1, places).topk(number)
    return top, places.gather(1, chosen)


def _rounded(columns: int) -> int:
    return -(-columns // COLUMNS) * COLUMNS
