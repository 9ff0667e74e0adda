"""A character is a bag of numbers and colours drawn from a seed: looks, proportions, clothes and a backdrop.

Lengths are design pixels: the frame is 128 wide and 192 high, x to the right, y down. Colours are RGB, 0..255.
"""
import colorsys
from dataclasses import dataclass, field

import numpy as np

WIDTH, HEIGHT = 128, 192

SKIN = np.array([[255, 222, 196], [238, 192, 154], [205, 146, 102], [152, 96, 64], [96, 62, 44]], float)
HAIR = np.array([[24, 20, 20], [58, 38, 28], [110, 68, 40], [196, 152, 84], [158, 66, 32], [150, 150, 150],
                 [226, 222, 214], [52, 70, 140], [178, 60, 110]], float)
HAIR_WEIGHT = np.array([5, 5, 4, 3, 2, 2, 1, 1, 1], float)
HAIR_STYLES = ("bald", "short", "long", "bob", "bun", "afro", "parted", "scarf", "beanie")
BACKDROPS = ("plain", "gradient", "window", "panels", "lamp", "shelf")
GARMENTS = ("plain", "band", "jacket", "vneck", "badge", "straps")


@dataclass
class Character:
    seed: int
    skin: np.ndarray
    hair: np.ndarray
    hair_style: str
    shirt: np.ndarray
    shirt_detail: np.ndarray
    garment: str
    sleeve: float  # share of the arm that is covered: 0 none, 0.5 to the elbow, 1 to the wrist
    backdrop: str
    backdrop_colours: np.ndarray  # [3, 3]
    backdrop_layout: np.ndarray  # [4] in 0..1
    iris: np.ndarray
    lips: np.ndarray
    glasses: bool
    beard: bool
    earrings: bool
    head: np.ndarray  # centre x, centre y, half width, half height (brow line to chin = half height)
    jaw: float
    eye_gap: float
    eye_size: float
    nose_length: float
    mouth_width: float
    shoulders: np.ndarray  # [2, 2]: the person's left (on the image's right), then right
    upper_arm: float
    forearm: float
    hand: float
    arm_width: float
    waist: float
    lengths: np.ndarray = field(default=None)  # finger length factors, thumb to little finger

    def traits(self):
        """Numbers that an image encoder can be asked for: colours, size, style. All about -1..1."""
        colours = np.concatenate([self.skin, self.hair, self.shirt, self.shirt_detail, self.backdrop_colours[0],
                                  self.backdrop_colours[1]]) / 127.5 - 1
        shape = np.array([(self.head[0] - 64) / 10, (self.head[1] - 54) / 10, (self.head[2] - 19) / 3,
                          self.sleeve * 2 - 1, self.glasses * 2 - 1, self.beard * 2 - 1])
        styles = np.concatenate([np.array([s == self.hair_style for s in HAIR_STYLES]),
                                 np.array([g == self.garment for g in GARMENTS])]) * 2.0 - 1
        return np.concatenate([colours, shape, styles]).astype(np.float32)


def hsv(rng, saturation, value):
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))) * 255


def apart(rng, draw, others, least):
    """Draws until the colour is at least `least` away from the others (hands must show on the shirt and backdrop)."""
    for _ in range(50):
        colour = draw()
        if all(np.linalg.norm(colour - o) >= least for o in others):
            return colour
    return colour


def make_character(seed):
    rng = np.random.default_rng([seed, 1])
    tone = rng.uniform(0, len(SKIN) - 1.001)
    skin = SKIN[int(tone)] * (1 - tone % 1) + SKIN[int(tone) + 1] * (tone % 1) + rng.normal(0, 5, 3)
    hair = HAIR[rng.choice(len(HAIR), p=HAIR_WEIGHT / HAIR_WEIGHT.sum())] * rng.uniform(0.85, 1.1)
    shirt = apart(rng, lambda: hsv(rng, (0.1, 0.85), (0.25, 0.95)), [skin], 110)
    detail = apart(rng, lambda: hsv(rng, (0.0, 0.8), (0.2, 1.0)), [skin, shirt], 80)
    wall = apart(rng, lambda: hsv(rng, (0.03, 0.5), (0.35, 0.97)), [skin, shirt], 90)
    second = np.clip(wall * rng.uniform(0.75, 1.2) + rng.normal(0, 10, 3), 0, 255)
    third = apart(rng, lambda: hsv(rng, (0.05, 0.6), (0.3, 0.95)), [skin], 60)

    style = str(rng.choice(HAIR_STYLES))
    zoom = rng.uniform(0.88, 1.0)
    cx = 64 + rng.uniform(-5, 5)
    head = np.array([cx, 53 + rng.uniform(-5, 4), rng.uniform(17, 20.5) * zoom, rng.uniform(23, 27) * zoom])
    sy = head[1] + head[3] + rng.uniform(11, 16) * zoom
    half = rng.uniform(27, 31) * zoom
    shoulders = np.array([[cx + half, sy], [cx - half, sy]])
    return Character(
        seed=seed, skin=np.clip(skin, 0, 255), hair=np.clip(hair, 0, 255), hair_style=style,
        shirt=shirt, shirt_detail=detail, garment=str(rng.choice(GARMENTS)), sleeve=float(rng.choice([0.15, 0.5, 1.0, 1.0])),
        backdrop=str(rng.choice(BACKDROPS)), backdrop_colours=np.stack([wall, second, third]),
        backdrop_layout=rng.random(4), iris=np.array(rng.choice([[70, 45, 30], [50, 80, 120], [60, 95, 60]], axis=0), float),
        lips=np.clip(skin * np.array([0.86, 0.55, 0.55]), 0, 255), glasses=bool(rng.random() < 0.2),
        beard=bool(rng.random() < 0.15) and style != "scarf", earrings=bool(rng.random() < 0.15), head=head, jaw=rng.uniform(0.7, 0.95),
        eye_gap=rng.uniform(0.38, 0.46), eye_size=rng.uniform(0.17, 0.23), nose_length=rng.uniform(0.28, 0.38),
        mouth_width=rng.uniform(0.34, 0.48), shoulders=shoulders, upper_arm=rng.uniform(43, 50) * zoom,
        forearm=rng.uniform(39, 45) * zoom, hand=rng.uniform(27, 31) * zoom, arm_width=rng.uniform(7.0, 9.5) * zoom,
        waist=rng.uniform(0.72, 0.95), lengths=rng.uniform(0.92, 1.08, 5))
