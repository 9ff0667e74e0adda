"""Paints characters with OpenCV polygons. The canvas has twice the output's pixels each way and is averaged down."""
import cv2
import numpy as np

from .character import HEIGHT, WIDTH

SHIFT = 4
SUPERSAMPLE = 2
SOFTNESS = 0.9  # blur in design pixels: edges as soft as a photograph's at this size, and easier on the small VAE
ARC = np.linspace(-np.pi / 2, np.pi / 2, 7)
TURN = np.linspace(0, 2 * np.pi, 29)[:-1]


def capsules(a, b, ra, rb):
    """Outlines [N, 14, 2] of rounded strokes from a to b [N, 2] with radii ra, rb [N]."""
    d = b - a
    angle = np.arctan2(d[:, 1], d[:, 0])[:, None]
    head = np.stack([np.cos(angle + ARC), np.sin(angle + ARC)], axis=-1) * rb[:, None, None] + b[:, None]
    tail = np.stack([np.cos(angle + np.pi + ARC), np.sin(angle + np.pi + ARC)], axis=-1) * ra[:, None, None] + a[:, None]
    return np.concatenate([head, tail], axis=1)


def oval(x, y, rx, ry, turn=TURN):
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], axis=-1)


def colour(c):
    return tuple(float(v) for v in np.clip(c, 0, 255))


class Canvas:
    """A view of the design plane: `left`, `top` of the view in design pixels and output pixels per design pixel."""

    def __init__(self, width, height, scale, left=0.0, top=0.0):
        self.size = (width, height)
        self.scale = scale * SUPERSAMPLE
        self.origin = np.array([left, top])
        self.pixels = np.zeros((height * SUPERSAMPLE, width * SUPERSAMPLE, 3), np.uint8)

    def fixed(self, points):
        return np.rint(((points - self.origin) * self.scale - 0.5) * (1 << SHIFT)).astype(np.int32)

    def convex(self, points, fill):
        cv2.fillConvexPoly(self.pixels, self.fixed(points), colour(fill), cv2.LINE_AA, SHIFT)

    def polygon(self, points, fill):
        cv2.fillPoly(self.pixels, [self.fixed(points)], colour(fill), cv2.LINE_AA, SHIFT)

    def box(self, x0, y0, x1, y1, fill):
        self.convex(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float), fill)

    def strokes(self, a, b, ra, rb, fill):
        for points in self.fixed(capsules(a, b, ra, rb)):
            cv2.fillConvexPoly(self.pixels, points, colour(fill), cv2.LINE_AA, SHIFT)

    def image(self):
        small = cv2.resize(self.pixels, self.size, interpolation=cv2.INTER_AREA)
        return cv2.GaussianBlur(small, (0, 0), SOFTNESS * self.scale / SUPERSAMPLE)


def paint_backdrop(canvas, c):
    w, h = WIDTH, HEIGHT
    wall, second, third = c.backdrop_colours
    u = c.backdrop_layout
    far = 400  # beyond any view
    canvas.box(-far, -far, far, far, wall)
    if c.backdrop == "gradient":
        rows = (np.arange(canvas.pixels.shape[0]) / canvas.scale + canvas.origin[1]) / h
        mix = np.clip(rows, 0, 1)[:, None]
        canvas.pixels[:] = np.rint(wall * (1 - mix) + second * mix).astype(np.uint8)[:, None]
    elif c.backdrop == "window":
        x, y = (w * (0.02 + 0.1 * u[0]) if u[1] < 0.5 else w * (0.62 + 0.1 * u[0])), 14 + 20 * u[2]
        canvas.box(x, y, x + 40, y + 62, third)
        canvas.box(x + 3, y + 3, x + 37, y + 59, second)
        canvas.box(x + 18.5, y, x + 21.5, y + 62, third)
    elif c.backdrop == "panels":
        edge = w * (0.25 + 0.5 * u[0])
        canvas.box(edge, -far, far, far, second)
        canvas.box(-far, h * (0.7 + 0.15 * u[1]), far, far, third)
    elif c.backdrop == "lamp":
        x, y, r = w * (0.15 + 0.7 * u[0]), 20 + 30 * u[1], 14 + 10 * u[2]
        canvas.convex(oval(x, y, r, r), second)
        canvas.convex(oval(x, y, r * 0.6, r * 0.6), third)
    elif c.backdrop == "shelf":
        y = 28 + 40 * u[0]
        canvas.box(-far, y, far, y + 4, third)
        for i in range(4):
            height = 10 + 12 * ((u[1] * 7 + i * 0.618) % 1)
            canvas.box(2 + 32 * i, y - height, 26 + 32 * i, y, second if i % 2 else wall * 0.8)


def paint_back_hair(canvas, c):
    x, y, w, h = c.head
    if c.hair_style == "long":
        canvas.convex(oval(x, y - 0.1 * h, 1.16 * w, 1.12 * h), c.hair)
        canvas.polygon(np.array([[x - 1.16 * w, y], [x + 1.16 * w, y], [x + 1.3 * w, y + 1.9 * h], [x - 1.3 * w, y + 1.9 * h]]), c.hair)
    elif c.hair_style == "bob":
        canvas.convex(oval(x, y - 0.1 * h, 1.2 * w, 1.12 * h), c.hair)
        canvas.polygon(np.array([[x - 1.2 * w, y], [x + 1.2 * w, y], [x + 1.22 * w, y + 0.95 * h], [x - 1.22 * w, y + 0.95 * h]]), c.hair)
    elif c.hair_style == "bun":
        canvas.convex(oval(x, y - 1.22 * h, 0.48 * w, 0.48 * w), c.hair * 0.9)
    elif c.hair_style == "afro":
        canvas.convex(oval(x, y - 0.35 * h, 1.5 * w, 1.15 * h), c.hair)
    elif c.hair_style == "scarf":
        canvas.convex(oval(x, y, 1.2 * w, 1.22 * h), c.shirt_detail)


def torso_points(c):
    (lx, sy), (rx, _) = c.shoulders
    middle, half = (lx + rx) / 2, (lx - rx) / 2
    r = c.arm_width * 0.95
    waist = half * c.waist
    neck = c.head[2] * 0.62
    return np.array([[middle - neck, sy - 0.9 * r], [rx + 2, sy - r], [rx - 0.75 * r, sy - 0.4 * r], [rx - 0.8 * r, sy + r],
                     [middle - waist, sy + 70], [middle - waist * 1.05, sy + 140], [middle + waist * 1.05, sy + 140],
                     [middle + waist, sy + 70], [lx + 0.8 * r, sy + r], [lx + 0.75 * r, sy - 0.4 * r], [lx - 2, sy - r],
                     [middle + neck, sy - 0.9 * r]])


def paint_torso(canvas, c):
    (lx, sy), (rx, _) = c.shoulders
    x, half = (lx + rx) / 2, (lx - rx) / 2
    hx, hy, hw, hh = c.head
    r = c.arm_width
    body = torso_points(c)
    canvas.polygon(body, c.shirt)
    if c.garment == "band":
        width = half * min(c.waist, 0.9)
        canvas.box(x - width, sy + 26, x + width, sy + 52, c.shirt_detail)
    elif c.garment == "jacket":
        canvas.convex(np.array([[x - 0.24 * half, sy - 0.8 * r], [x + 0.24 * half, sy - 0.8 * r], [x + 0.36 * half, sy + 140],
                                [x - 0.36 * half, sy + 140]]), c.shirt_detail)
    elif c.garment == "badge":
        canvas.convex(oval(x, sy + 34, 0.36 * half, 0.36 * half), c.shirt_detail)
    elif c.garment == "straps":
        for side in (-1, 1):
            canvas.box(x + side * 0.5 * half - 3.5, sy - 0.8 * r, x + side * 0.5 * half + 3.5, sy + 58, c.shirt_detail)
        canvas.box(x - 0.62 * half, sy + 52, x + 0.62 * half, sy + 140, c.shirt_detail)
    neck = 0.52 * hw
    canvas.convex(np.array([[hx - neck, hy + 0.5 * hh], [hx + neck, hy + 0.5 * hh], [x + neck, sy - 0.5 * r], [x - neck, sy - 0.5 * r]]),
                  c.skin * 0.86)
    if c.garment == "vneck":
        canvas.convex(np.array([[x - 1.1 * neck, sy - 0.9 * r], [x + 1.1 * neck, sy - 0.9 * r], [x, sy + 20]]), c.skin * 0.95)
    else:
        canvas.convex(oval(x, sy - 0.6 * r, 1.05 * neck, 0.5 * r), c.skin * 0.86)
    if c.hair_style == "scarf":
        canvas.convex(oval(x, sy - 0.3 * r, 1.25 * hw, 1.3 * r), c.shirt_detail * 0.93)


def paint_head(canvas, c):
    x, y, w, h = c.head
    if c.hair_style != "scarf":
        for side in (-1, 1):
            canvas.convex(oval(x + side * w, y + 0.08 * h, 0.17 * w, 0.2 * h), c.skin * 0.9)
            if c.earrings:
                canvas.convex(oval(x + side * 1.05 * w, y + 0.36 * h, 1.8, 1.8), [245, 205, 70])
    down = np.linspace(0, np.pi, 17)
    jaw = np.stack([x + w * np.cos(down) * (1 - (1 - c.jaw) * np.sin(down) ** 2), y + 0.05 * h + 0.95 * h * np.sin(down)], axis=-1)
    up = np.linspace(np.pi, 2 * np.pi, 13)
    skull = np.stack([x + w * np.cos(up), y + 0.05 * h + 1.02 * h * np.sin(up)], axis=-1)
    canvas.polygon(np.concatenate([jaw, skull]), c.skin)
    if c.beard:
        canvas.polygon(np.concatenate([jaw[1:-1], np.array([[x - 0.55 * w, y + 0.42 * h], [x + 0.55 * w, y + 0.42 * h]])]), c.hair)
    dome = oval(x, y, 1.06 * w, 1.05 * h, np.linspace(np.pi, 2 * np.pi, 15))
    line = {"short": 0.42, "long": 0.45, "bob": 0.36, "bun": 0.5, "afro": 0.45, "parted": 0.5, "scarf": 0.42, "beanie": 0.42}
    if c.hair_style in line:
        brow = y - line[c.hair_style] * h
        cloth = {"scarf": c.shirt_detail, "beanie": c.shirt_detail}.get(c.hair_style, c.hair)
        sides = np.array([[x + 0.98 * w, y - 0.1 * h], [x + 0.8 * w, brow], [x - 0.8 * w, brow], [x - 0.98 * w, y - 0.1 * h]])
        if c.hair_style == "parted":
            sides = np.array([[x + 0.98 * w, y - 0.05 * h], [x + 0.85 * w, y - 0.3 * h], [x - 0.3 * w, y - 0.75 * h],
                              [x - 0.85 * w, y - 0.3 * h], [x - 0.98 * w, y - 0.05 * h]])
        canvas.polygon(np.concatenate([dome, sides]), cloth)
        if c.hair_style == "beanie":
            canvas.box(x - 1.1 * w, brow - 0.05 * h, x + 1.1 * w, brow + 0.14 * h, cloth * 0.8)
    else:
        canvas.convex(oval(x - 0.3 * w, y - 0.62 * h, 0.3 * w, 0.14 * h), c.skin * 0.4 + 153)


def paint_face(canvas, c, face, mouth, eyes):
    x, y, w, h = c.head
    dark = c.hair * 0.7 if c.hair.sum() < 450 else c.skin * 0.55
    for first in (17, 22):
        canvas.polygon(np.concatenate([face[first:first + 5], face[first + 4:first - 1 if first else None:-1] + [0, 2.2]]), dark)
    for side, first in ((-1, 36), (1, 42)):
        ring = face[first:first + 6]
        middle = ring.mean(0)
        if eyes > 0.3:
            canvas.convex((ring - middle) * 1.25 + middle, [250, 250, 250])
            r = 0.085 * h * min(1.0, eyes)
            canvas.convex(oval(middle[0], middle[1], 0.085 * h, r), c.iris)
        else:
            canvas.convex((ring - middle) * 1.2 + middle, c.skin * 0.7)
        if c.glasses:
            for radius, fill in ((0.36, [30, 30, 34]),):
                outer, inner = oval(middle[0], middle[1], radius * w, radius * w), oval(middle[0], middle[1], 0.29 * w, 0.29 * w)
                canvas.polygon(np.concatenate([outer, outer[:1], inner[:1], inner[::-1]]), fill)
    nose = face[31:36]
    canvas.polygon(np.concatenate([face[28:29], nose[4:5], nose[0:1]]), c.skin * 0.84)
    canvas.polygon(face[48:60], c.lips)
    if mouth > 0.15:
        canvas.polygon(face[60:68], [70, 24, 28])


def paint_arm(canvas, c, shoulder, elbow, wrist):
    r = c.arm_width
    cloth = c.sleeve
    edge = 0.8
    points = np.stack([shoulder, elbow, wrist])
    for grow, shade in ((edge, 0.62), (0.0, 1.0)):
        skin, shirt = c.skin * (0.95 * shade), c.shirt * (0.93 * shade)
        radius = np.array([r, 0.82 * r, 0.56 * r]) + grow
        canvas.strokes(points[:2], points[1:], radius[:2], radius[1:], skin)
        loose = np.array([1.02 * r, 0.95 * r, 0.8 * r]) + grow
        if cloth >= 1:
            end = elbow + 0.92 * (wrist - elbow)
            canvas.strokes(points[:2], np.stack([elbow, end]), loose[:2], loose[1:], shirt)
        else:
            end = shoulder + max(cloth, 0.12) * 1.4 * (elbow - shoulder)
            canvas.strokes(points[:1], end[None], loose[:1], loose[1:2], shirt)


def paint_hand(canvas, c, joints, facing):
    size = c.hand
    width = np.array([0.062, 0.056, 0.058, 0.056, 0.049]) * size
    palm = joints[[0, 1, 2, 5, 9, 13, 17, 0]]
    tone = c.skin * (1.02 if facing >= 0 else 0.93)
    rim = c.skin * 0.55
    order = (0, 4, 3, 2, 1) if facing < 0 else (4, 3, 2, 1, 0)

    def fingers():
        for f in order:
            chain = joints[[1 + 4 * f, 2 + 4 * f, 3 + 4 * f, 4 + 4 * f]]
            r = np.full(3, width[f])
            canvas.strokes(chain[:-1], chain[1:], r + 0.65, r + 0.6, rim)
            canvas.strokes(chain[:-1], chain[1:], r, r * 0.95, tone)

    def flat():
        edges = np.array([[0, 1], [0, 5], [0, 17], [5, 9], [9, 13], [13, 17]])
        radius = np.full(len(edges), 0.075 * size)
        canvas.strokes(joints[edges[:, 0]], joints[edges[:, 1]], radius + 0.5, radius + 0.5, rim)
        canvas.polygon(palm, tone)
        canvas.strokes(joints[edges[:, 0]], joints[edges[:, 1]], radius, radius, tone)

    for paint in ((flat, fingers) if facing >= 0 else (fingers, flat)):
        paint()


def paint_frames(character, skeleton, width=WIDTH, height=HEIGHT, scale=None, left=0.0, top=0.0):
    """-> uint8 [T, height, width, 3], RGB. The default view is the frame that the generator sees."""
    c = character
    canvas = Canvas(width, height, scale or width / WIDTH, left, top)
    paint_backdrop(canvas, c)
    paint_back_hair(canvas, c)
    paint_torso(canvas, c)
    paint_head(canvas, c)
    still = canvas.pixels.copy()
    frames = []
    for t in range(len(skeleton.mouth)):
        canvas.pixels[:] = still
        paint_face(canvas, c, skeleton.face[t], skeleton.mouth[t], skeleton.eyes[t])
        for h in range(2):
            paint_arm(canvas, c, skeleton.shoulders[t, h], skeleton.elbows[t, h], skeleton.wrists[t, h])
            paint_hand(canvas, c, skeleton.hands[t, h], skeleton.facing[t, h])
        frames.append(canvas.image())
    return np.stack(frames)


def bounds(character, skeleton):
    """What the character covers, [T, 4] x0 y0 x1 y1 in design pixels, not clipped to the frame."""
    c = character
    x, y, w, h = c.head
    top = {"afro": 1.5, "bun": 1.22 + 0.48 * w / h}.get(c.hair_style, 1.06)
    side = {"afro": 1.5, "long": 1.3, "bob": 1.22, "scarf": 1.25}.get(c.hair_style, 1.15)
    body = torso_points(c)
    still = np.array([[x - side * w, y - top * h], [x + side * w, y], body.min(0), body.max(0)])
    t = len(skeleton.mouth)
    arms = np.concatenate([skeleton.elbows, skeleton.wrists], axis=1)
    hands = skeleton.hands.reshape(t, -1, 2)
    low = np.minimum(np.minimum(arms.min(1) - c.arm_width, hands.min(1) - 2.5), still.min(0))
    high = np.maximum(np.maximum(arms.max(1) + c.arm_width, hands.max(1) + 2.5), still.max(0))
    return np.concatenate([low, high], axis=1)
