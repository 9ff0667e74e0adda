"""What every stage of the training shares: a clock that fits the schedule to the time, averaged weights, checkpoints."""
import contextlib
import copy
import csv
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from .character import HEIGHT, WIDTH
from .data import CLIPS_A_SHARD, STILL_SCALE, STILL_WIDTH, STILLS_A_SHARD, read_clips, read_stills


class Run:
    """The surroundings of a stage: device, work folder, the moment when this call must be over."""

    def __init__(self, work, device, deadline, plan, max_steps, seed, compile_models):
        self.work, self.device, self.deadline = Path(work), torch.device(device), deadline
        self.plan, self.max_steps, self.seed, self.compile = plan, max_steps, seed, compile_models
        self.gentleness = {}  # per stage, 0.5 for each time it diverged
        self.started = time.time()
        self.work.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True

    def log(self, *words):
        print(f"[{time.time() - self.started:6.1f}s]", *words, flush=True)

    def left(self):
        return self.deadline - time.time()

    def autocast(self):
        if self.device.type == "cuda":
            return torch.autocast("cuda", torch.bfloat16)
        return contextlib.nullcontext()


class Diverged(Exception):
    """Not-a-number in a stage: it starts again from its last checkpoint with half the rate."""


class Progress:
    """How far a stage is: by steps, or by the seconds it has run over all calls, whichever is further."""

    def __init__(self, run, name, saved=None):
        self.run, self.name = run, name
        self.seconds, self.steps = (saved["seconds"], saved["steps"]) if saved else (0.0, 0)
        self.planned, self.last = run.plan[name], None
        self.gentleness = run.gentleness.get(name, 1.0)
        self.saved_at = self.told_at = time.time()
        self.losses = []

    @property
    def fraction(self):
        return min(1.0, max(self.seconds / self.planned, self.steps / self.run.max_steps if self.run.max_steps else 0.0))

    @property
    def done(self):
        return self.fraction >= 1.0

    def running(self):
        """Once before each step."""
        now = time.time()
        if self.last is not None:
            self.seconds += now - self.last
        self.last = now
        return not self.done and now < self.run.deadline

    def pause(self):
        """Time until the next step does not count (compilation, evaluation, checkpoints)."""
        self.last = None

    def rate(self, peak, warmup=100):
        return self.gentleness * peak * min(1.0, (self.steps + 1) / warmup) * (0.5 + 0.5 * math.cos(math.pi * self.fraction)) + 1e-7

    def stepped(self, loss, every=50):
        """After each step; `loss` is a tensor, read back seldom."""
        self.steps += 1
        self.losses.append(loss.detach())
        if len(self.losses) >= every or self.done:
            mean = torch.stack(self.losses).float().mean().item()
            self.losses = []
            if not math.isfinite(mean):
                raise Diverged(f"{self.name}: the loss is {mean} at step {self.steps}")
            with open(self.run.work / f"loss_{self.name}.csv", "a", newline="") as f:
                csv.writer(f).writerow([self.steps, round(self.seconds, 1), f"{mean:.6f}"])
            if time.time() - self.told_at > 10:
                self.told_at = time.time()
                self.run.log(f"{self.name} step {self.steps} at {100 * self.fraction:.0f} % loss {mean:.5f}")

    def due(self, seconds=90):
        if time.time() - self.saved_at > seconds:
            self.saved_at = time.time()
            return True
        return False

    def state(self):
        return {"seconds": self.seconds, "steps": self.steps, "done": self.done}


class Average:
    """Exponential moving average of a module's parameters and buffers."""

    def __init__(self, module, decay=0.999):
        self.module, self.decay = module, decay
        self.shadow = copy.deepcopy(module).eval().requires_grad_(False)
        self.steps = 0

    @torch.no_grad()
    def update(self):
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        mine, theirs = list(self.shadow.parameters()), [p.detach() for p in self.module.parameters()]
        torch._foreach_lerp_(mine, theirs, 1 - keep)
        for a, b in zip(self.shadow.buffers(), self.module.buffers()):
            a.lerp_(b, 1 - keep) if a.is_floating_point() else a.copy_(b)


def finite(value):
    """Whether every number in nested dicts and lists of tensors is one."""
    if isinstance(value, torch.Tensor):
        return not value.is_floating_point() or bool(torch.isfinite(value).all())
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return all(finite(v) for v in parts)


def save(path, state):
    """Atomic; a state with infinities is not worth keeping."""
    if not finite(state):
        raise Diverged(f"{path.name}: weights are not finite")
    part = Path(path).with_suffix(".part")
    torch.save(state, part)
    part.rename(path)


def load(path):
    return torch.load(path, map_location="cpu", weights_only=True) if Path(path).exists() else None


def clip_gradients(parameters, limit=1.0):
    return torch.nn.utils.clip_grad_norm_(parameters, limit, foreach=True)


def set_rate(optimizer, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


class Fallback:
    """A compiled function, or the plain one once compilation has failed."""

    def __init__(self, run, function):
        self.run, self.plain = run, function
        self.fast = torch.compile(function, dynamic=False) if run.compile else None

    def __call__(self, *args, **kwargs):
        if self.fast is not None:
            try:
                return self.fast(*args, **kwargs)
            except Exception as error:  # any failure of the compiler
                self.run.log("compilation failed, going on without it:", repr(error)[:400])
                self.fast = None
        return self.plain(*args, **kwargs)


class Shards:
    """Loads shards onto the device in the background, as they are written; `count` items are ready, in order."""

    def __init__(self, run, kind, items, per_shard, shapes, read, threads=8):
        self.run, self.kind, self.read, self.per_shard = run, kind, read, per_shard
        self.folder, self.count = run.work / "data", 0
        shards = -(-items // per_shard)
        self.total = shards * per_shard
        self.arrays = [torch.empty((self.total, *shape), dtype=dtype, device=run.device) for shape, dtype in shapes]
        self.error = None
        self.ready = [False] * shards
        self.pool = ThreadPoolExecutor(threads)
        for i in range(shards):
            self.pool.submit(self.load, i)

    def load(self, index):
        path = self.folder / f"{self.kind}_{index:05d}.npz"
        try:
            while not path.exists():
                if time.time() > self.run.deadline + 120:
                    return
                time.sleep(0.2)
            start = index * self.per_shard
            for array, values in zip(self.arrays, self.read(path)):
                array[start:start + self.per_shard] = torch.from_numpy(np.ascontiguousarray(values)).to(self.run.device)
            self.ready[index] = True
            with LOCK:
                while self.count < self.total and self.ready[self.count // self.per_shard]:
                    self.count += self.per_shard
        except Exception as error:
            self.error = error

    def wait(self, items):
        items = min(items, self.total)
        while self.count < items:
            if self.error:
                raise self.error
            if self.run.left() < 0:
                raise TimeoutError(f"{self.kind}: {self.count} of {items} are there and the time is over")
            time.sleep(0.2)


LOCK = threading.Lock()


def clip_store(run, clips, frames, traits):
    video = ((frames, HEIGHT, WIDTH, 3), torch.uint8)
    return Shards(run, "clips", clips, CLIPS_A_SHARD, [video, video, ((traits,), torch.float32)],
                  lambda path: read_clips(path, frames))


def still_store(run, stills):
    image = ((HEIGHT * STILL_SCALE, STILL_WIDTH * STILL_SCALE, 3), torch.uint8)
    return Shards(run, "stills", stills, STILLS_A_SHARD, [image, ((133, 2), torch.float32), ((4,), torch.float32)], read_stills)


def to_signed(images):
    """uint8 [..., H, W, 3] -> float [N, 3, H, W] in [-1, 1], all leading axes flattened."""
    x = images.flatten(0, -4).permute(0, 3, 1, 2)
    return x.to(torch.float32, memory_format=torch.contiguous_format) / 127.5 - 1
