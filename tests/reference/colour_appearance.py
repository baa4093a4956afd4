"""How different two colours look: CIELAB lightness, CIECAM02 with its uniform space, colour blindness.

After CIE 15, CIE 159:2004, Luo, Cui & Li (2006) and Vienot, Brettel & Mollon (1999).
"""

import numpy as np

WHITE = np.array([95.047, 100.0, 108.883])
_RGB_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_CAT02 = np.array([[0.7328, 0.4296, -0.1624], [-0.7036, 1.6975, 0.0061], [0.0030, 0.0136, 0.9834]])
_HUNT = np.array([[0.38971, 0.68898, -0.07868], [-0.22981, 1.18340, 0.04641], [0.0, 0.0, 1.0]])
_RGB_TO_LMS = np.array(
    [[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]]
)


def linear(srgb: np.ndarray) -> np.ndarray:
    """From sRGB in [0, 1] to light."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def xyz(srgb: np.ndarray) -> np.ndarray:
    return 100 * linear(srgb) @ _RGB_TO_XYZ.T


def lightness(srgb: np.ndarray) -> np.ndarray:
    """CIELAB L*, 0 to 100."""
    y = xyz(srgb)[..., 1] / 100
    return np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, y * (29 / 3) ** 3)


def ciecam02(stimulus: np.ndarray, white: np.ndarray, adapting: float, background: float = 20.0) -> dict:
    """Lightness J, colourfulness M and hue h (degrees) in an average surround."""
    c, induction, surround = 0.69, 1.0, 1.0
    n = background / white[1]
    base = 0.725 * (1 / n) ** 0.2
    k = 1 / (5 * adapting + 1)
    level = 0.2 * k**4 * 5 * adapting + 0.1 * (1 - k**4) ** 2 * (5 * adapting) ** (1 / 3)
    adaptation = surround * (1 - np.exp((-adapting - 42) / 92) / 3.6)
    gains = adaptation * white[1] / (_CAT02 @ white) + 1 - adaptation

    def response(light: np.ndarray) -> np.ndarray:
        cones = (light @ _CAT02.T * gains) @ (_HUNT @ np.linalg.inv(_CAT02)).T
        power = (level * np.abs(cones) / 100) ** 0.42
        return np.sign(cones) * 400 * power / (power + 27.13) + 0.1

    def achromatic(r: np.ndarray) -> np.ndarray:
        return (2 * r[..., 0] + r[..., 1] + r[..., 2] / 20 - 0.305) * base

    r = response(stimulus)
    a = r[..., 0] - 12 * r[..., 1] / 11 + r[..., 2] / 11
    b = (r[..., 0] + r[..., 1] - 2 * r[..., 2]) / 9
    hue = np.arctan2(b, a)
    lightness_j = 100 * (achromatic(r) / achromatic(response(white))) ** (c * (1.48 + np.sqrt(n)))
    eccentricity = (np.cos(hue + 2) + 3.8) / 4
    t = 50000 / 13 * induction * base * eccentricity * np.hypot(a, b)
    t = t / (r[..., 0] + r[..., 1] + 21 * r[..., 2] / 20)
    chroma = t**0.9 * np.sqrt(lightness_j / 100) * (1.64 - 0.29**n) ** 0.73
    return {"J": lightness_j, "C": chroma, "M": chroma * level**0.25, "h": np.degrees(hue) % 360}


def cam02_ucs(srgb: np.ndarray) -> np.ndarray:
    """Coordinates in which equal distances look equally different, for a screen in an office."""
    look = ciecam02(xyz(srgb), WHITE, adapting=64 / np.pi / 5)
    j = 1.7 * look["J"] / (1 + 0.007 * look["J"])
    m = np.log(1 + 0.0228 * look["M"]) / 0.0228
    hue = np.radians(look["h"])
    return np.stack([j, m * np.cos(hue), m * np.sin(hue)], axis=-1)


def as_seen_by(srgb: np.ndarray, kind: str) -> np.ndarray:
    """What a dichromat sees: kind "protan" (no red cones) or "deutan" (no green ones)."""
    cones = linear(srgb) @ _RGB_TO_LMS.T
    if kind == "protan":
        cones[..., 0] = 2.02344 * cones[..., 1] - 2.52581 * cones[..., 2]
    else:
        cones[..., 1] = 0.494207 * cones[..., 0] + 1.24827 * cones[..., 2]
    light = np.clip(cones @ np.linalg.inv(_RGB_TO_LMS).T, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
