"""Sign-like motion: each hand moves between key poses in the signing space, holds, circles and changes its shape.

`make_motion(seed)` is a function of time; the same motion can be sampled at any frame rate. Index 0 is the person's left
hand (on the image's right), 1 the right. Positions are relative to the middle of the shoulders, in units of the
shoulders' half width, so that a motion fits any character.
"""
from dataclasses import dataclass

import numpy as np

# Curl of thumb, index, middle, ring, little finger (0 straight, 1 closed), then the splay of the fingers.
SHAPES = np.array([
    [0.1, 0, 0, 0, 0, 0.1],          # flat
    [0.0, 0, 0, 0, 0, 1.0],          # spread
    [0.9, 1, 1, 1, 1, 0.1],          # fist
    [0.0, 1, 1, 1, 1, 0.1],          # thumb up
    [0.9, 0, 1, 1, 1, 0.1],          # point
    [0.9, 0, 0, 1, 1, 0.8],          # v
    [0.9, 0, 0, 1, 1, 0.1],          # u
    [0.9, 0, 0, 0, 1, 0.6],          # w
    [0.0, 1, 1, 1, 0, 0.3],          # y
    [0.0, 0, 1, 1, 1, 0.3],          # l
    [0.5, 0.55, 0, 0, 0, 0.7],       # ring of thumb and index
    [0.3, 0.4, 0.4, 0.4, 0.4, 0.2],  # c
    [0.6, 0.75, 0.75, 0.75, 0.75, 0.1],  # o
    [0.0, 0.35, 0.35, 0.35, 0.35, 0.9],  # claw
])
REST = np.array([[0.28, 2.05, 0.6], [-0.28, 2.05, 0.6]])
OUT_OF_FRAME = np.array([[1.25, 3.5, 0.1], [-1.25, 3.5, 0.1]])


@dataclass
class Motion:
    times: list      # per hand [K]
    positions: list  # per hand [K, 3]
    bends: list      # per hand [K], the hand's angle to the forearm in radians
    facings: list    # per hand [K], 1 palm to the viewer, -1 back to the viewer
    shapes: list     # per hand [K, 6]
    wave: np.ndarray   # per hand: amplitude x, amplitude y, frequency in Hz, phase, amplitude of the bend
    mouth: np.ndarray  # frequency in Hz, phase, amount
    blink: np.ndarray  # start times of blinks in seconds

    def at(self, seconds):
        """[T] seconds -> hands: position [T, 2, 3], bend [T, 2], facing [T, 2], shape [T, 2, 6]; mouth [T]; eyes [T]."""
        t = np.asarray(seconds, float)
        tracks = [[ease(t, self.times[h], track[h]) for h in range(2)]
                  for track in (self.positions, self.bends, self.facings, self.shapes)]
        position, bend, facing, shape = (np.stack(track, axis=1) for track in tracks)
        for h in range(2):
            ax, ay, hertz, phase, swing = self.wave[h]
            angle = 2 * np.pi * hertz * t + phase
            position[:, h, 0] += ax * np.cos(angle)
            position[:, h, 1] += ay * np.sin(angle)
            bend[:, h] += swing * np.sin(angle)
        hertz, phase, amount = self.mouth
        mouth = amount * (0.5 + 0.5 * np.sin(2 * np.pi * hertz * t + phase)) ** 2
        closed = np.zeros_like(t)
        for start in self.blink:
            closed = np.maximum(closed, np.clip(1 - np.abs(t - start - 0.08) / 0.1, 0, 1))
        return position, bend, facing, shape, mouth, 1 - closed


def ease(t, times, values):
    """Smooth steps between key values; constant before the first and after the last."""
    i = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(times) - 2)
    u = np.clip((t - times[i]) / (times[i + 1] - times[i]), 0, 1)
    u = (u * u * (3 - 2 * u)).reshape((-1,) + (1,) * (values.ndim - 1))
    return values[i] * (1 - u) + values[i + 1] * u


def key_pose(rng, hand):
    side = 1 if hand == 0 else -1
    x = side * rng.uniform(-0.35, 1.4)
    y = rng.uniform(-0.9, 1.9)
    if y < 0.1 and side * x < 0.55:  # seldom in front of the face
        x = side * rng.uniform(0.6, 1.4)
    return np.array([x, y, rng.uniform(0.5, 1.6)])


def make_motion(seed, seconds=6.0, rest=False):
    """`rest` starts with (and for most characters stays at) hands in front of the body: poses for reference images."""
    rng = np.random.default_rng([seed, 2])
    kind = rng.choice(["one", "mirrored", "independent"], p=[0.25, 0.35, 0.4])
    active = int(rng.random() < 0.75)  # mostly the right hand
    tracks = [[], [], [], [], []]
    for h in range(2):
        moving = kind != "one" or h == active
        away = not moving and rng.random() < 0.12
        still = OUT_OF_FRAME[h] if away else REST[h] + rng.normal(0, 0.08, 3)
        at, times, positions = -rng.uniform(0, 0.5), [], []
        while at < seconds + 1:
            times.append(at)
            at += rng.uniform(0.22, 0.6) if rng.random() < 0.75 else rng.uniform(0.05, 0.12) + 0.3
            resting = not moving or rng.random() < 0.08
            positions.append(still + rng.normal(0, 0.015, 3) if resting else key_pose(rng, h))
        count = len(times)
        tracks[0].append(np.array(times))
        tracks[1].append(np.array(positions))
        tracks[2].append(rng.uniform(-0.7, 0.7, count) if moving else np.full(count, rng.uniform(-0.3, 0.3)))
        tracks[3].append(np.where(rng.random(count) < 0.5, 1.0, -1.0) * rng.uniform(0.55, 1.0, count) if moving
                         else np.full(count, -0.9))
        tracks[4].append(SHAPES[rng.integers(len(SHAPES), size=count)] if moving
                         else np.repeat(SHAPES[[rng.choice([0, 2, 11])]], count, axis=0))
    if kind == "mirrored":
        flip = np.array([-1, 1, 1])
        tracks[0][1], tracks[1][1] = tracks[0][0], tracks[1][0] * flip
        for track in tracks[2:]:
            track[1] = track[0]
    if rest:
        for h in range(2):
            tracks[0][h] = np.array([0.0, 60.0])
            tracks[1][h] = np.repeat((REST[h] + rng.normal(0, 0.1, 3))[None], 2, axis=0)
            for track, value in zip(tracks[2:], (rng.uniform(-0.4, 0.4), -0.9, SHAPES[rng.choice([0, 2, 11])])):
                track[h] = np.repeat(np.asarray(value, float)[None], 2, axis=0)
    waving = 0.0 if rest else 1.0
    wave = np.stack([[rng.uniform(0, 0.22) * waving * (rng.random() < 0.4), rng.uniform(0, 0.22) * waving * (rng.random() < 0.4),
                      rng.uniform(1, 3), rng.uniform(0, 6.28), rng.uniform(0, 0.3) * waving] for _ in range(2)])
    mouth = np.array([rng.uniform(1.5, 4), rng.uniform(0, 6.28), rng.uniform(0, 1) * (rng.random() < 0.7)])
    return Motion(*tracks, wave=wave, mouth=mouth, blink=np.cumsum(rng.uniform(0.8, 3.0, 8)))
